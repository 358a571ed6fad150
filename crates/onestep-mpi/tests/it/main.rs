//! What ranks know of each other and how long they wait, without MPI.

mod beats;
mod launch;
