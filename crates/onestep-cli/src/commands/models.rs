//! `onestep models`: the models that come along, and the published checkpoints that can be taken over.

use std::process::ExitCode;

use onestep::checkpoint::{Which, builtin_models, read_header};
use onestep::interop::{Caches, Published};
use serde_json::{Value, json};

use crate::args::ModelsArgs;
use crate::failure::Outcome;
use crate::print::answer;

/// A model that comes along.
struct Builtin {
    name: String,
    what: String,
    images: String,
    bytes: u64,
}

fn built_in() -> Outcome<Vec<Builtin>> {
    let told = |name: &str| {
        let name = format!("builtin:{name}");
        let summary = read_header(name.as_ref(), &Which::Best)?;
        let [height, width, _] = summary.header.architecture.build()?.image();
        Ok(Builtin {
            what: format!("{} of {}", summary.header.method, summary.header.data),
            images: format!("{height}x{width}"),
            bytes: summary.n_bytes,
            name,
        })
    };
    builtin_models().into_iter().map(told).collect()
}

/// Runs the command.
pub fn run(args: &ModelsArgs) -> Outcome<ExitCode> {
    let caches = Caches::of_user();
    let is_here = |published: &Published| {
        caches.fetched.as_ref().is_some_and(|folder| folder.join(published.local_file()).is_file())
    };
    let built_in = built_in()?;
    if args.json {
        let ours = built_in.iter().map(|model| {
            json!({ "name": model.name, "what": model.what, "images": model.images, "about_bytes": model.bytes, "fetched": true })
        });
        let others = Published::ALL.iter().map(|published| {
            json!({
                "name": published.name,
                "what": published.what,
                "images": published.images,
                "address": published.address(),
                "about_bytes": published.about_bytes,
                "licence": published.licence,
                "sha256": published.sha256,
                "fetched": is_here(published),
            })
        });
        answer!("{:#}", Value::Array(ours.chain(others).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    answer!("these come along");
    for Builtin { name, what, images, bytes } in &built_in {
        let megabytes = *bytes as f64 / 1e6;
        answer!("* {name:<37} {what:<34} {images:<25} {megabytes:>5.1} MB");
    }
    answer!();
    let mut folder = "";
    for published in &Published::ALL {
        if published.folder != folder {
            if !folder.is_empty() {
                answer!();
            }
            folder = published.folder;
            answer!("{folder} ({})", published.licence);
        }
        let mark = if is_here(published) { "*" } else { " " };
        let megabytes = published.about_bytes / 1_000_000;
        answer!(
            "{mark} {:<37} {:<34} {:<25} {megabytes:>5} MB",
            published.name,
            published.what,
            published.images
        );
    }
    answer!();
    answer!("* is here. `onestep fetch NAME` fetches one; its name then stands for it in every command:");
    answer!("  onestep sample cd-imagenet64-lpips --seeds 0-15");
    answer!(
        "What other programs have downloaded from the Hugging Face hub is found as ORG/NAME or ORG/NAME@REVISION:"
    );
    answer!("  onestep sample openai/diffusers-cd_imagenet64_l2");
    Ok(ExitCode::SUCCESS)
}
