//! Where each parameter of a network lies in a file of another program.
//!
//! A [`NameMap`] is the whole translation between two namings of one network, in both directions: names, the order of axes, the
//! order of fused channels, and constants that are stored beside the weights.

use std::collections::BTreeMap;

use super::{ArrayFile, InteropError, NamedArrays, WeightsFileError};
use crate::model::ModelError;

/// The translation between our parameters and the arrays of one other program.
#[derive(Debug, Clone, Default)]
pub struct NameMap {
    pub(super) entries: Vec<Entry>,
    pub(super) constants: Vec<Constant>,
}

/// One parameter of ours and the arrays that it is made of.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Our name.
    pub ours: String,
    /// Our shape.
    pub shape: Vec<usize>,
    /// The arrays, which lie beside each other along our last axis; one but for queries, keys and values.
    pub parts: Vec<Part>,
    /// For each channel of our last axis, its place in theirs; none where the orders agree.
    pub order: Option<Vec<usize>>,
}

/// One array of another program.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Its names: the one that is written, then those of older versions.
    pub names: Vec<String>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The order of its numbers.
    pub axes: Axes,
    /// How many outputs the array has in the file, where ours are only the first of them; none where all are ours.
    pub first_of: Option<usize>,
}

/// How the axes of an array are arranged, seen from ours: `[pixels, in, out]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axes {
    /// As ours.
    Same,
    /// `[out, in, pixels]`, as PyTorch has convolutions and linear layers.
    OutputFirst,
}

/// Numbers that a file holds beside the weights and that follow from the architecture.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    /// Its names: the one that is written, then others.
    pub names: Vec<String>,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
    /// What they follow from, for messages.
    pub reason: String,
}

/// How the arrays of a file fit a network, one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// Each parameter of the network with the arrays that it is made of.
    pub matched: Vec<MatchedTensor>,
    /// Arrays that the network needs and the file lacks, with the shapes that they should have.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Arrays of the file that the network has no place for, with their shapes.
    pub extra: Vec<(String, Vec<usize>)>,
    /// Arrays of another shape than the network needs: name, shape in the file, shape needed.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Arrays of the file that follow from the architecture and are compared with it, not kept.
    pub constants: Vec<String>,
}

/// A parameter that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedTensor {
    /// Name of our parameter.
    pub ours: String,
    /// Shape of our parameter.
    pub shape: Vec<usize>,
    /// Names of the arrays in the file.
    pub theirs: Vec<String>,
}

impl Matching {
    /// Whether all arrays of the file are those of the network.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.misshapen.is_empty()
    }

    /// The first thing that does not fit; none where all fits.
    pub fn problem(&self) -> Option<ModelError> {
        if let Some((name, found, expected)) = self.misshapen.first() {
            let (name, found, expected) = (name.clone(), found.clone(), expected.clone());
            return Some(ModelError::WrongShape { name, found, expected });
        }
        if let Some((name, shape)) = self.missing.first() {
            return Some(ModelError::MissingTensor { name: name.clone(), shape: shape.clone() });
        }
        self.extra.first().map(|(name, _)| ModelError::ExtraTensor { name: name.clone() })
    }
}

impl NameMap {
    /// The map for a file in which a layer has more outputs than ours: the first are taken, the others left. So networks are read
    /// that answer with a variance behind what they are asked for.
    ///
    /// `layer` is our name of a convolution or linear layer without its `.weight`; `outputs` how many it has in the file. What
    /// [`NameMap::written`] writes has only ours.
    #[must_use]
    pub fn with_first_outputs(mut self, layer: &str, outputs: usize) -> Self {
        let of_layer = |entry: &&mut Entry| {
            let part = entry.ours.strip_prefix(layer).and_then(|rest| rest.strip_prefix('.'));
            matches!(part, Some("weight" | "bias"))
        };
        for entry in self.entries.iter_mut().filter(of_layer) {
            entry.parts.iter_mut().for_each(|part| part.first_of = Some(outputs));
        }
        self
    }

    /// Compares names and shapes of a file with those of the map; no value is looked at.
    pub fn matching(&self, shapes: &BTreeMap<String, Vec<usize>>) -> Matching {
        let mut extra = shapes.clone();
        let mut matching = Matching::default();
        for entry in &self.entries {
            let mut theirs = Vec::new();
            for part in &entry.parts {
                match take_first(&mut extra, &part.names) {
                    Some((name, found)) if part.accepts(&found) => theirs.push(name),
                    Some((name, found)) => matching.misshapen.push((name, found, part.in_file())),
                    None => matching.missing.push((part.names[0].clone(), part.in_file())),
                }
            }
            if theirs.len() == entry.parts.len() {
                let (ours, shape) = (entry.ours.clone(), entry.shape.clone());
                matching.matched.push(MatchedTensor { ours, shape, theirs });
            }
        }
        for constant in &self.constants {
            match take_first(&mut extra, &constant.names) {
                Some((name, found)) if found == constant.shape => matching.constants.push(name),
                Some((name, found)) => matching.misshapen.push((name, found, constant.shape.clone())),
                None => {}
            }
        }
        matching.extra = extra.into_iter().collect();
        matching
    }

    /// Reads one parameter of ours out of a file that [`NameMap::matching`] has found complete.
    ///
    /// # Errors
    ///
    /// [`WeightsFileError`]: what the file says.
    ///
    /// # Panics
    ///
    /// If there is no parameter of this name.
    pub fn read(&self, file: &mut dyn ArrayFile, ours: &str) -> Result<Vec<f32>, WeightsFileError> {
        let entry = self.entries.iter().find(|entry| entry.ours == ours);
        let entry = entry.unwrap_or_else(|| panic!("no parameter `{ours}`"));
        let parts = entry.parts.iter().map(|part| {
            let present = part.names.iter().find(|name| file.shapes().contains_key(*name));
            let mut values = file.read(present.unwrap_or(&part.names[0]))?;
            // Outputs come first in what has only some of them taken.
            values.truncate(part.shape.iter().product());
            Ok::<_, WeightsFileError>(values)
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(entry.ours_from(parts))
    }

    /// Reads all parameters of ours out of a file whose arrays are all those of the map and no others.
    ///
    /// # Errors
    ///
    /// [`InteropError`]: what does not fit ([`Matching::problem`]), a wrong constant, or what the file says.
    pub fn translated(&self, file: &mut dyn ArrayFile) -> Result<NamedArrays, InteropError> {
        if let Some(problem) = self.matching(file.shapes()).problem() {
            return Err(problem.into());
        }
        self.check_constants(file)?;
        let read =
            |entry: &Entry| Ok((entry.ours.clone(), (entry.shape.clone(), self.read(file, &entry.ours)?)));
        self.entries.iter().map(read).collect()
    }

    /// Compares the constants of a file with those that follow from the architecture.
    ///
    /// # Errors
    ///
    /// [`ModelError::WrongConstant`], or what the file says.
    pub fn check_constants(&self, file: &mut dyn ArrayFile) -> Result<(), InteropError> {
        for constant in &self.constants {
            let Some(name) = constant.names.iter().find(|name| file.shapes().contains_key(*name)) else {
                continue;
            };
            let values = file.read(name)?;
            let same = |(found, expected): (&f32, &f32)| (found - expected).abs() <= 1e-6;
            if values.len() != constant.values.len() || !values.iter().zip(&constant.values).all(same) {
                let (name, reason) = (name.clone(), constant.reason.clone());
                return Err(ModelError::WrongConstant { name, reason }.into());
            }
        }
        Ok(())
    }

    /// Their arrays, in the order of our parameters, each made of ours by `values` when its turn comes; constants last.
    pub fn written<'a>(
        &'a self,
        mut values: impl FnMut(&str) -> Vec<f32> + 'a,
    ) -> impl Iterator<Item = (String, Vec<usize>, Vec<f32>)> + 'a {
        let parameters = self.entries.iter().flat_map(move |entry| {
            let parts = entry.theirs_from(values(&entry.ours));
            let named =
                |(part, values): (&Part, Vec<f32>)| (part.names[0].clone(), part.shape.clone(), values);
            entry.parts.iter().zip(parts).map(named).collect::<Vec<_>>()
        });
        let constants = self
            .constants
            .iter()
            .map(|each| (each.names[0].clone(), each.shape.clone(), each.values.clone()));
        parameters.chain(constants)
    }

    /// Names and shapes of their arrays, in the order of [`NameMap::written`].
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let parts = self.entries.iter().flat_map(|entry| &entry.parts);
        let parts = parts.map(|part| (part.names[0].clone(), part.shape.clone()));
        parts.chain(self.constants.iter().map(|each| (each.names[0].clone(), each.shape.clone()))).collect()
    }
}

impl Entry {
    /// Pixels, channels in and channels out of one part.
    fn extents(&self) -> (usize, usize, usize) {
        let (&n_out, rest) = self.shape.split_last().unwrap_or((&1, &[]));
        let (&n_in, kernel) = rest.split_last().unwrap_or((&1, &[]));
        (kernel.iter().product(), n_in, n_out / self.parts.len())
    }

    /// Our values from those of the parts.
    fn ours_from(&self, parts: Vec<Vec<f32>>) -> Vec<f32> {
        let (area, n_in, n_out) = self.extents();
        let mut parts: Vec<Vec<f32>> = (self.parts.iter().zip(parts))
            .map(|(part, values)| match part.axes {
                Axes::Same => values,
                Axes::OutputFirst => transposed(&values, n_out, n_in, area),
            })
            .collect();
        let values = match parts.len() {
            1 => parts.swap_remove(0),
            _ => {
                let row = |row: usize| parts.iter().flat_map(move |part| &part[row * n_out..][..n_out]);
                (0..area * n_in).flat_map(row).copied().collect()
            }
        };
        match &self.order {
            Some(order) => gather_last(&values, order),
            None => values,
        }
    }

    /// The values of the parts from ours.
    fn theirs_from(&self, mut values: Vec<f32>) -> Vec<Vec<f32>> {
        if let Some(order) = &self.order {
            values = gather_last(&values, &inverse(order));
        }
        let (area, n_in, n_out) = self.extents();
        let n_parts = self.parts.len();
        let split = |index: usize| -> Vec<f32> {
            values
                .chunks_exact(n_parts * n_out)
                .flat_map(|row| &row[index * n_out..][..n_out])
                .copied()
                .collect()
        };
        let parts: Vec<Vec<f32>> =
            if n_parts == 1 { vec![values] } else { (0..n_parts).map(split).collect() };
        (self.parts.iter().zip(parts))
            .map(|(part, values)| match part.axes {
                Axes::Same => values,
                Axes::OutputFirst => transposed(&values, area, n_in, n_out),
            })
            .collect()
    }
}

impl Part {
    /// Its shape in the file.
    fn in_file(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let (Some(outputs), Some(first)) = (self.first_of, shape.first_mut()) {
            *first = outputs;
        }
        shape
    }

    /// Whether a shape is the expected one, but for axes of length 1 at its end: a convolution of one pixel is written with
    /// kernels `[1, 1]`, `[1]` and as a linear layer.
    fn accepts(&self, found: &[usize]) -> bool {
        fn bare(shape: &[usize]) -> &[usize] {
            let mut shape = shape;
            while let ([rest @ .., 1], true) = (shape, shape.len() > 2) {
                shape = rest;
            }
            shape
        }
        let expected = self.in_file();
        found == expected || (found.len() >= 2 && bare(found) == bare(&expected))
    }
}

/// Takes an array out of those of a file, by the first of its names that is there.
fn take_first(shapes: &mut BTreeMap<String, Vec<usize>>, names: &[String]) -> Option<(String, Vec<usize>)> {
    names.iter().find_map(|name| shapes.remove_entry(name))
}

/// `[c, b, a]` of `[a, b, c]`.
fn transposed(values: &[f32], a: usize, b: usize, c: usize) -> Vec<f32> {
    let mut transposed = Vec::with_capacity(values.len());
    for k in 0..c {
        for j in 0..b {
            transposed.extend((0..a).map(|i| values[(i * b + j) * c + k]));
        }
    }
    transposed
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    for (ours, &theirs) in order.iter().enumerate() {
        inverse[theirs] = ours;
    }
    inverse
}

/// Reorders the last axis.
fn gather_last(values: &[f32], order: &[usize]) -> Vec<f32> {
    values.chunks_exact(order.len()).flat_map(|row| order.iter().map(|&place| row[place])).collect()
}
