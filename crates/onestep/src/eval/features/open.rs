//! Which feature network: by name, or by a file of weights.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::{CifarResNet, EfficientNetLite0, FeatureNetwork, Inception, Resize};
use crate::eval::EvalError;
use crate::interop::read_weights;
use crate::vision::{VisionError, find, fitted};

/// The network that comes with the library.
pub const BUILTIN: &str = "effnet-lite0";
/// What looks for the nearest portrait of `builtin:portraits`.
pub const PORTRAITS: &str = "portraits";
/// The network that FID is defined by, whose weights do not.
pub const INCEPTION: &str = "inception";

/// The names that the weights of Inception are published under, in the order they are looked for.
pub const INCEPTION_FILES: [&str; 3] = [
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
    "inception-2015-12-05.pt",
];

/// What [`open()`] needs to know.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions<'a> {
    /// How Inception resizes; the other networks have one way.
    pub resize: Resize,
    /// The folder where weights that were fetched once are kept.
    pub cache: Option<&'a Path>,
    /// Where the network computes.
    pub device: &'a Device,
}

/// Opens a feature network: `effnet-lite0`, which is built in; `portraits`, which knows those that are built in; `inception`, whose weights are looked for in the cache folder; or
/// the path of a file of weights, which says itself whether it is Inception's or a CIFAR ResNet's.
///
/// # Errors
///
/// - [`EvalError::Vision`] if the weights are not there, with where to get them and where to put them; if the file cannot be
///   read; and if its arrays are not those of the network that its names say.
/// - [`EvalError::Unknown`] if its names are of no network that is known here.
pub fn open(spec: &str, options: &OpenOptions) -> Result<Box<dyn FeatureNetwork>, EvalError> {
    match spec {
        BUILTIN => return Ok(Box::new(EfficientNetLite0::builtin(options.device)?)),
        #[cfg(feature = "builtin")]
        PORTRAITS => return Ok(Box::new(crate::eval::legality::NearestPortrait)),
        INCEPTION => {
            let cache = options.cache.unwrap_or(Path::new("."));
            let missing =
                || VisionError::Missing { path: cache.join(INCEPTION_FILES[0]), remedy: remedy(cache) };
            return from_file(&find_inception(cache).ok_or_else(missing)?, options);
        }
        _ => {}
    }
    let path = Path::new(spec);
    if !path.is_file() {
        let remedy =
            format!("give `{BUILTIN}`, which is built in, `{INCEPTION}`, or the path of a file of weights");
        return Err(VisionError::Missing { path: path.to_path_buf(), remedy }.into());
    }
    from_file(path, options)
}

/// The file of Inception's weights in the cache folder, if there is one.
pub fn find_inception(cache: &Path) -> Option<PathBuf> {
    find(cache, &INCEPTION_FILES)
}

fn from_file(path: &Path, options: &OpenOptions) -> Result<Box<dyn FeatureNetwork>, EvalError> {
    let named = read_weights(path).map_err(VisionError::from)?;
    let name = path.display().to_string();
    if Inception::is_in(&named) {
        let network = Inception::from_named(named, options.resize, options.device);
        return Ok(Box::new(fitted(&name, network)?));
    }
    if CifarResNet::is_in(&named) {
        return Ok(Box::new(fitted(&name, CifarResNet::from_named(named, options.device))?));
    }
    let first = named.keys().next().map(String::as_str).unwrap_or_default().to_owned();
    let reason =
        format!("its first tensor is `{first}`; Inception-v3 of 2015 and the ResNets of CIFAR-10 are known");
    Err(EvalError::Unknown { name, reason })
}

fn remedy(cache: &Path) -> String {
    let [pytorch_fid, torch_fidelity, openai] = INCEPTION_FILES;
    format!(
        "the Inception of FID has to be fetched once. Take `{pytorch_fid}` from the releases of mseitzer/pytorch-fid on \
         GitHub (tag fid_weights), `{torch_fidelity}` from those of toshas/torch-fidelity, or `{openai}` from \
         openaipublic.blob.core.windows.net/consistency/inception/, and put it into {}, or give its path; `{BUILTIN}` \
         is built in and needs no file",
        cache.display()
    )
}
