//! One door for all the formats that models go out in.

use std::path::{Path, PathBuf};

use super::{ExportError, ExportOptions, model_card, onnx, write_diffusers, write_state_dict};
use crate::checkpoint::save_compact_model;
use crate::data::{OutputError, write_whole};
use crate::{Model, Result};

/// A format that models go out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A file of `torch.save` with the names of the original implementation: OpenAI's for its U-Net, EDM's for its networks.
    OpenAi,
    /// The same names in a safetensors file.
    Safetensors,
    /// A folder that `DiffusionPipeline.from_pretrained` loads.
    Diffusers,
    /// One model file of this library with every number rounded to 16 bits: half the bytes, to use rather than to train on.
    Compact,
    /// An ONNX file of opset 17, for a batch of any size.
    Onnx(onnx::Form),
}

impl ExportFormat {
    /// What it makes of a model that is called so.
    pub fn default_path(self, name: &str) -> PathBuf {
        match self {
            Self::OpenAi => format!("{name}.pt").into(),
            Self::Safetensors => format!("{name}-original.safetensors").into(),
            Self::Diffusers => format!("{name}-diffusers").into(),
            Self::Compact => format!("{name}-compact.safetensors").into(),
            Self::Onnx(_) => format!("{name}.onnx").into(),
        }
    }

    /// Writes a model, with its card, and returns what was written: the card of a file `x.onnx` is `x.onnx.md`, that of a folder its
    /// `README.md`.
    ///
    /// # Errors
    ///
    /// - [`ExportError`]: a model that the other program cannot be told, or one that is of no file.
    /// - [`onnx::OnnxError`]: a model that has no such form.
    /// - [`OutputError`]: something that must not be written over; [`DataError::Write`](crate::data::DataError::Write).
    /// - [`CheckpointError`](crate::checkpoint::CheckpointError): a compact file that cannot be written.
    pub fn write(self, model: &Model, path: &Path, options: &ExportOptions) -> Result<Vec<PathBuf>> {
        let unknown =
            || ExportError::unknown("other programs", "it is a function of a program's own, without a file");
        let (Some(origin), Some(network)) = (model.origin(), model.network()) else { return Err(unknown()) };
        let (header, weights) = (&origin.header, network.weights());
        let mut options = options.clone();
        options.outputs = options.outputs.spare(origin.file.clone());
        if let Self::Diffusers = self {
            write_diffusers(header, weights, path, &options)?;
            return Ok(vec![path.to_path_buf()]);
        }
        let card = card_of(path);
        check_card(&card, &options)?;
        let mut written = match self {
            Self::OpenAi | Self::Safetensors => {
                write_state_dict(header, weights, path, &options)?;
                vec![path.to_path_buf()]
            }
            Self::Compact => {
                options.outputs.check(path)?;
                save_compact_model(path, header, weights)?;
                vec![path.to_path_buf()]
            }
            Self::Onnx(form) => {
                options.outputs.check(path)?;
                let data = onnx::Export::data_path(path);
                options.outputs.check(&data)?;
                let files = onnx::Export::new(model, form).write(path)?.files;
                if !files.contains(&data) {
                    // Weights of a larger model that was here before.
                    options.outputs.remove(&|_| data.clone(), 1)?;
                }
                files
            }
            Self::Diffusers => unreachable!("written above"),
        };
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let text = model_card(
            header,
            options.title.as_deref().unwrap_or(&name),
            self.library(),
            &self.use_of(path),
            &options,
        );
        write_whole(&card, |file| std::io::Write::write_all(file, text.as_bytes()))?;
        written.push(card);
        Ok(written)
    }

    /// What catalogues call the library that reads it.
    fn library(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Safetensors => "pytorch",
            Self::Diffusers => "diffusers",
            Self::Compact => "onestep",
            Self::Onnx(_) => "onnx",
        }
    }

    /// How it is used, in Markdown.
    fn use_of(self, path: &Path) -> String {
        let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let code = match self {
            Self::Compact => return format!("```\nonestep sample {file} --seeds 0-63\n```\n"),
            Self::OpenAi => format!("import torch\n\nstate = torch.load(\"{file}\", weights_only=True)"),
            Self::Safetensors => {
                format!("from safetensors.torch import load_file\n\nstate = load_file(\"{file}\")")
            }
            Self::Onnx(onnx::Form::OneStep) => format!(
                "import numpy, onnxruntime\n\nsession = onnxruntime.InferenceSession(\"{file}\")\n\
                 shape = [4] + session.get_inputs()[0].shape[1:]\n\
                 noise = numpy.random.randn(*shape).astype(\"float32\")\n\
                 (images,) = session.run(None, {{\"noise\": noise}})  # in [-1, 1]; with classes, also \"label\": int64 [4]"
            ),
            Self::Onnx(onnx::Form::Denoiser) => format!(
                "import onnxruntime\n\nsession = onnxruntime.InferenceSession(\"{file}\")\n\
                 (denoised,) = session.run(None, {{\"noisy\": noisy, \"sigma\": sigma}})  # with classes, also \"label\": int64 [batch]"
            ),
            Self::Diffusers => String::new(),
        };
        format!("```python\n{code}\n```\n")
    }
}

/// Where the card of a file lies.
fn card_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".md");
    path.with_file_name(name)
}

/// Refuses a card that somebody else wrote, and one that is there where nothing may be replaced.
fn check_card(card: &Path, options: &ExportOptions) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(card) else {
        return match card.exists() {
            true => Err(OutputError::Foreign { path: card.to_path_buf() }.into()),
            false => Ok(()),
        };
    };
    let is_ours = text.contains(crate::TOOL.split(' ').next().unwrap_or(crate::TOOL));
    match (is_ours, options.outputs.overwrites()) {
        (false, _) => Err(OutputError::Foreign { path: card.to_path_buf() }.into()),
        (true, false) => Err(OutputError::Exists { path: card.to_path_buf() }.into()),
        (true, true) => Ok(()),
    }
}
