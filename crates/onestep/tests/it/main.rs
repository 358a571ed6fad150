//! Integration tests of the library: one binary, one link.

mod architecture;
mod data;
mod golden;
mod networks;
mod objectives;
mod samplers;
mod schedules;
mod training;
