//! Feature networks and what is measured with them.

mod features;
mod weight_rule;
