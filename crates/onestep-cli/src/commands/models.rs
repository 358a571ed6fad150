//! `onestep models`: the published checkpoints that can be taken over.

use std::process::ExitCode;

use onestep::interop::{Caches, Published};
use serde_json::{Value, json};

use crate::args::ModelsArgs;
use crate::failure::Outcome;
use crate::print::answer;

/// Runs the command.
pub fn run(args: &ModelsArgs) -> Outcome<ExitCode> {
    let caches = Caches::of_user();
    let is_here = |published: &Published| {
        caches.fetched.as_ref().is_some_and(|folder| folder.join(published.local_file()).is_file())
    };
    if args.json {
        let list: Vec<Value> = Published::ALL
            .iter()
            .map(|published| {
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
            })
            .collect();
        answer!("{:#}", Value::Array(list));
        return Ok(ExitCode::SUCCESS);
    }
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
