//! Tests of the studio over the network, as programs and pages ask it.

mod hostile;
mod jobs;
mod openai;
mod page;
mod place;
mod training;
