//! What of a graph depends on nothing but weights, computed once.

use super::{Extent, Function, Graph, Node, Operation, Pairing, Value};
use crate::model::{ParameterId, Weights};

impl Graph {
    /// The same graph with rows computed, in f64, that are the same for all samples, and without what `output` does not need.
    ///
    /// Parameters that stand by themselves stay parameters.
    pub fn folded(&self, weights: &Weights, output: Value) -> (Self, Value) {
        let mut rows: Vec<Option<Vec<f64>>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let inputs: Option<Vec<&Vec<f64>>> =
                node.inputs.iter().map(|input| rows[input.0].as_ref()).collect();
            let row = inputs.and_then(|inputs| known(node, &inputs, weights));
            rows.push(row);
        }
        let mut folded = Self::new(&self.specs);
        let mut places = vec![None; self.nodes.len()];
        let needed = self.needed(output, &rows);
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
            places[index] = Some(match &rows[index] {
                Some(row) if !matches!(node.operation, Operation::Parameter(_)) => folded.row(row.clone()),
                _ => {
                    let inputs = node.inputs.iter().map(|input| places[input.0].expect("needed, and before"));
                    folded.push(node.operation.clone(), inputs.collect(), node.extent)
                }
            });
        }
        (folded, places[output.0].expect("the output is needed"))
    }

    /// Which nodes an output needs, those in front of a known row not among them.
    fn needed(&self, output: Value, rows: &[Option<Vec<f64>>]) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        needed[output.0] = true;
        for index in (0..self.nodes.len()).rev() {
            if needed[index] && rows[index].is_none() {
                self.nodes[index].inputs.iter().for_each(|input| needed[input.0] = true);
            }
        }
        needed
    }
}

/// The row that a node gives of known rows; none where it gives none, or it depends on what is given from outside.
fn known(node: &Node, inputs: &[&Vec<f64>], weights: &Weights) -> Option<Vec<f64>> {
    let Extent::Row(n_out) = node.extent else { return None };
    Some(match &node.operation {
        Operation::Constant(row) => row.clone(),
        Operation::Parameter(parameter) => numbers(weights, *parameter),
        Operation::Apply(function) => inputs[0].iter().map(|&value| function.of(value)).collect(),
        Operation::Pair(pairing) => {
            let at = |row: &[f64], index: usize| if row.len() == 1 { row[0] } else { row[index] };
            (0..n_out).map(|index| pairing.of(at(inputs[0], index), at(inputs[1], index))).collect()
        }
        Operation::Linear { weight, bias } => {
            let mut row = bias.map_or_else(|| vec![0.0; n_out], |bias| numbers(weights, bias));
            for (input, line) in inputs[0].iter().zip(numbers(weights, *weight).chunks_exact(n_out)) {
                row.iter_mut().zip(line).for_each(|(sum, weight)| *sum += input * weight);
            }
            row
        }
        Operation::Narrow { first, width } => inputs[0][*first..first + width].to_vec(),
        Operation::Join => inputs.iter().copied().flatten().copied().collect(),
        Operation::Input(_)
        | Operation::Lookup(_)
        | Operation::Convolution { .. }
        | Operation::Normalize { .. }
        | Operation::Attention { .. }
        | Operation::Resample { .. }
        | Operation::Flatten
        | Operation::Unflatten => return None,
    })
}

/// The numbers of a parameter.
fn numbers(weights: &Weights, parameter: ParameterId) -> Vec<f64> {
    weights.values()[parameter.0].clone().inner().into_data().iter::<f64>().collect()
}

impl Function {
    /// Its value at a number.
    pub fn of(self, x: f64) -> f64 {
        match self {
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Sine => x.sin(),
            Self::Cosine => x.cos(),
            Self::Logarithm => x.ln(),
            Self::Root => x.sqrt(),
            Self::Arctangent => x.atan(),
            Self::AtLeast(bound) => x.max(bound),
            Self::Clamp(low, high) => x.clamp(low, high),
        }
    }
}

impl Pairing {
    /// What two numbers become.
    pub fn of(self, first: f64, second: f64) -> f64 {
        match self {
            Self::Sum => first + second,
            Self::Product => first * second,
            Self::Quotient => first / second,
        }
    }
}
