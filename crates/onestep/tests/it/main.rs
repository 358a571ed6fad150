//! Integration tests of the library: one binary, one link.

mod architecture;
mod checkpoint;
mod data;
mod golden;
mod networks;
mod objectives;
mod optimizer;
mod samplers;
mod schedules;
mod training;
