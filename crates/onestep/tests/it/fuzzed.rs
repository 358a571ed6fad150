//! The corpora of the fuzzer as ordinary tests: seeds, and what was found once.

#[path = "../../../../fuzz/targets.rs"]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

/// No input of a few kilobytes takes so long, on any machine.
const TOO_LONG: Duration = Duration::from_secs(20);

#[test]
fn no_input_of_the_corpora_ends_or_holds_up_the_program() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let folder = corpora.join(name);
        let mut inputs: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "no inputs of {name}");
        for input in &inputs {
            let bytes = std::fs::read(input).unwrap();
            let start = Instant::now();
            target(&bytes);
            // The beginning of every input is one, too.
            target(&bytes[..bytes.len() / 2]);
            assert!(start.elapsed() < TOO_LONG, "{} takes too long", input.display());
        }
        println!("fuzzed | {name} | {} inputs |", inputs.len());
    }
    std::fs::remove_dir_all(targets::folder()).unwrap();
}
