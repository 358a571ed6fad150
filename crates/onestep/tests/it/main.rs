//! Integration tests of the library: one binary, one link.

mod architecture;
mod checkpoint;
mod continuous;
mod data;
mod edit;
mod eval;
mod golden;
mod interop;
mod networks;
mod objectives;
mod optimizer;
mod perceptual;
mod samplers;
mod schedules;
mod search;
mod training;
