//! Integration tests of the library: one binary, one link.

mod architecture;
mod checkpoint;
mod continuous;
mod data;
mod devices;
mod discrete;
mod edit;
mod eval;
mod exchange;
mod fuzzed;
mod golden;
mod guidance;
mod interop;
mod launches;
mod mid_training;
mod multistep_solver;
mod networks;
mod objectives;
mod onnx;
mod optimizer;
mod perceptual;
mod records;
mod reference;
mod samplers;
mod schedules;
mod search;
mod training;

/// The last test by name, so that it is the last to start.
#[test]
fn what_golden_cases_were_compared_and_which_are_absent() {
    golden::cases::report();
}
