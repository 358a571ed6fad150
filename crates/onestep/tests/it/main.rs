//! Integration tests of the library: one binary, one link.

mod data;
mod golden;
mod networks;
mod schedules;
