//! Models of other programs come in, and models go out in their formats.
//!
//! [`Import`] looks at a file or folder of another program, says what it is, and writes it as a model file. Where nothing has to be
//! said, [`crate::open`] and everything else take such files directly.

mod import;

pub use import::Import;
