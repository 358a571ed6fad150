//! A model becomes an ONNX file for programs without onestep; without a second name, in the form that samplers elsewhere call.
//!
//! `cargo run --release -p onestep --example export_onnx -- runs/emoji-cd emoji.onnx one-step`

use onestep::exchange::onnx::{Export, Form};

fn main() -> onestep::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let run = arguments.next().unwrap_or_else(|| "runs/emoji-cd".into());
    let path = arguments.next().unwrap_or_else(|| "model.onnx".into());
    let form = if arguments.next().as_deref() == Some(Form::OneStep.name()) {
        Form::OneStep
    } else {
        Form::Denoiser
    };
    let written = Export::new(&onestep::open(run)?, form).write(path)?;
    println!("{:?}: {} nodes, {} bytes", written.files, written.n_nodes, written.bytes);
    Ok(())
}
