//! The models that come with onestep: model files of its own, with numbers of 16 bits.

#![no_std]

/// A model file and its name.
#[derive(Debug, Clone, Copy)]
pub struct ModelFile {
    /// What it is called behind `builtin:`.
    pub name: &'static str,
    /// The bytes of the file.
    pub bytes: &'static [u8],
}

/// All of them. The first whose name begins with that of a data set is what this data set's name alone stands for.
pub static MODELS: [ModelFile; 5] = [
    ModelFile { name: "portraits-cd", bytes: include_bytes!("../portraits-cd.safetensors") },
    ModelFile { name: "portraits-cmt-ect", bytes: include_bytes!("../portraits-cmt-ect.safetensors") },
    ModelFile { name: "portraits-edm", bytes: include_bytes!("../portraits-edm.safetensors") },
    ModelFile { name: "emoji-cd", bytes: include_bytes!("../emoji-cd.safetensors") },
    ModelFile { name: "emoji-edm", bytes: include_bytes!("../emoji-edm.safetensors") },
];
