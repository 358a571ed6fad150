//! The command `onestep`.
fn main() {}
