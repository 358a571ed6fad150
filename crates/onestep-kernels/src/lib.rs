//! The hot operators of onestep.
