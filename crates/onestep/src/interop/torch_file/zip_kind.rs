//! Zips that hold no weights of PyTorch: what they are instead.

/// What a zip with these entries is, and what to do about it.
pub(super) fn other_zip<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let has = |name: &str| names.contains(&name);
    let begins = |start: &str| names.iter().any(|name| name.starts_with(start));
    let ends = |ends: &[&str]| {
        names.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            ends.iter().any(|end| name.ends_with(end))
        })
    };
    let what = if has("[Content_Types].xml") && begins("word/") {
        "this zip is a Word document"
    } else if has("[Content_Types].xml") && begins("xl/") {
        "this zip is an Excel sheet"
    } else if has("[Content_Types].xml") && begins("ppt/") {
        "this zip is a PowerPoint presentation"
    } else if has("META-INF/MANIFEST.MF") || ends(&[".class"]) {
        "this zip is a program for Java"
    } else if has("model.weights.h5") {
        "this zip is a model of Keras, which is not read; write its weights with `safetensors.numpy.save_file`"
    } else if has("dataset.json") || ends(&[".png", ".jpg", ".jpeg", ".webp"]) {
        "this zip holds pictures, as a data set does (`--data`), not weights"
    } else if ends(&[".npy"]) {
        "this zip holds arrays of numpy (npz), which are read as statistics, samples and data sets, not as weights; write \
         weights with `safetensors.numpy.save_file`"
    } else if ends(&[".safetensors", ".pt", ".pth", ".ckpt", ".pkl", ".bin"]) {
        "this zip holds files of weights; unpack it and name one of them, or the folder of a diffusers model"
    } else if ends(&[".data-00000-of-00001", ".index", "saved_model.pb"]) {
        "this zip holds a model of TensorFlow, which is not read"
    } else {
        return format!(
            "this zip is no file of `torch.save`: it has no `data.pkl`, but entries such as `{}`",
            names.iter().min().unwrap_or(&"none")
        );
    };
    what.to_owned()
}
