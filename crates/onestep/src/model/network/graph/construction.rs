//! How layers put a graph together.

use super::{Extent, Function, Graph, Input, Kernel, Node, Operation, Pairing, Scaling, Value};
use crate::model::{Formula, ParameterId};

/// # Panics
///
/// All of these where a value is not of the extent that the operation takes, as a layer's `forward` does with tensors.
impl Graph {
    /// What is given from outside.
    pub fn input(&mut self, input: Input, extent: Extent) -> Value {
        self.push(Operation::Input(input), vec![], extent)
    }

    /// One number, the same for all samples.
    pub fn constant(&mut self, value: f64) -> Value {
        self.row(vec![value])
    }

    /// A row that is the same for all samples.
    pub fn row(&mut self, values: Vec<f64>) -> Value {
        let extent = Extent::Row(values.len());
        self.push(Operation::Constant(values), vec![], extent)
    }

    /// A row that is a parameter.
    pub fn parameter(&mut self, parameter: ParameterId) -> Value {
        let [width] = self.shape(parameter);
        self.push(Operation::Parameter(parameter), vec![], Extent::Row(width))
    }

    /// A formula of a noise level.
    pub fn formula(&mut self, formula: &Formula, level: Value) -> Value {
        match formula {
            Formula::Level => level,
            Formula::Constant(value) => self.constant(*value),
            Formula::Sum(both) => self.formulas(Pairing::Sum, both, level),
            Formula::Product(both) => self.formulas(Pairing::Product, both, level),
            Formula::Quotient(both) => self.formulas(Pairing::Quotient, both, level),
            Formula::AtLeast(inner, bound) => self.formula_of(Function::AtLeast(*bound), inner, level),
            Formula::Root(inner) => self.formula_of(Function::Root, inner, level),
            Formula::Logarithm(inner) => self.formula_of(Function::Logarithm, inner, level),
            Formula::Arctangent(inner) => self.formula_of(Function::Arctangent, inner, level),
        }
    }

    fn formulas(&mut self, pairing: Pairing, both: &[Formula; 2], level: Value) -> Value {
        let [first, second] = both.each_ref().map(|formula| self.formula(formula, level));
        self.pair(pairing, first, second)
    }

    fn formula_of(&mut self, function: Function, inner: &Formula, level: Value) -> Value {
        let inner = self.formula(inner, level);
        self.apply(function, inner)
    }

    /// A function of every number.
    pub fn apply(&mut self, function: Function, value: Value) -> Value {
        let extent = self.extent(value);
        self.push(Operation::Apply(function), vec![value], extent)
    }

    /// x · sigmoid(x).
    pub fn silu(&mut self, value: Value) -> Value {
        self.apply(Function::Silu, value)
    }

    /// Two values, number by number; see [`Pairing`] for which fit together.
    pub fn pair(&mut self, pairing: Pairing, first: Value, second: Value) -> Value {
        let (a, b) = (self.extent(first), self.extent(second));
        let extent = match (a, b) {
            (Extent::Image { .. }, Extent::Image { .. }) if a == b => a,
            (Extent::Image { channels, .. }, Extent::Row(width)) if width == channels || width == 1 => a,
            (Extent::Row(width), Extent::Image { channels, .. }) if width == channels || width == 1 => b,
            (Extent::Row(width), Extent::Row(other)) if width == other || other == 1 => a,
            (Extent::Row(1), Extent::Row(_)) => b,
            _ => panic!("{pairing:?} of {a:?} and {b:?}"),
        };
        self.push(Operation::Pair(pairing), vec![first, second], extent)
    }

    /// The sum of two values.
    pub fn add(&mut self, first: Value, second: Value) -> Value {
        self.pair(Pairing::Sum, first, second)
    }

    /// The product of two values.
    pub fn multiply(&mut self, first: Value, second: Value) -> Value {
        self.pair(Pairing::Product, first, second)
    }

    /// A value times a constant, which is the value itself where that is 1.
    pub fn scaled(&mut self, value: Value, factor: f64) -> Value {
        if factor == 1.0 {
            return value;
        }
        let factor = self.constant(factor);
        self.multiply(value, factor)
    }

    /// The row of a parameter that a label names.
    pub fn lookup(&mut self, table: ParameterId, label: Value) -> Value {
        assert_eq!(self.extent(label), Extent::Label, "a row is looked up by a label");
        let [_, width] = self.shape(table);
        self.push(Operation::Lookup(table), vec![label], Extent::Row(width))
    }

    /// A row times a matrix, plus a row.
    pub fn linear(&mut self, weight: ParameterId, bias: Option<ParameterId>, row: Value) -> Value {
        let [n_in, n_out] = self.shape(weight);
        assert_eq!(self.extent(row), Extent::Row(n_in), "what `{}` multiplies", self.spec(weight).name);
        self.push(Operation::Linear { weight, bias }, vec![row], Extent::Row(n_out))
    }

    /// Some of the numbers of a row.
    pub fn narrow(&mut self, row: Value, first: usize, width: usize) -> Value {
        let extent = self.extent(row);
        let fits = matches!(extent, Extent::Row(there) if first + width <= there);
        assert!(fits, "{width} numbers from {first} on of {extent:?}");
        self.push(Operation::Narrow { first, width }, vec![row], Extent::Row(width))
    }

    /// A correlation with a kernel, plus a bias.
    pub fn convolution(
        &mut self,
        kernel: Kernel,
        bias: ParameterId,
        [stride, padding]: [usize; 2],
        image: Value,
    ) -> Value {
        let [size, _, n_in, n_out] = self.shape(kernel.parameter);
        let size = kernel.mixing.as_ref().map_or(size, |mixing| mixing.size);
        let extent = self.extent(image);
        let name = &self.spec(kernel.parameter).name;
        let Extent::Image { height, width, channels } = extent else {
            panic!("`{name}` convolves images, got {extent:?}");
        };
        assert_eq!(channels, n_in, "channels that `{name}` convolves");
        let side = |side: usize| (side + 2 * padding - size) / stride + 1;
        let extent = Extent::Image { height: side(height), width: side(width), channels: n_out };
        self.push(Operation::Convolution { kernel, bias, stride, padding }, vec![image], extent)
    }

    /// An image less its mean by its deviation, in groups of channels.
    pub fn normalize(&mut self, groups: usize, epsilon: f64, image: Value) -> Value {
        let extent = self.extent(image);
        assert!(extent.channels().is_multiple_of(groups), "{groups} groups of {extent:?}");
        self.push(Operation::Normalize { groups, epsilon }, vec![image], extent)
    }

    /// Attention by queries, keys and values.
    pub fn attention(&mut self, heads: usize, image: Value) -> Value {
        let extent = self.extent(image);
        assert!(extent.channels().is_multiple_of(3 * heads), "{heads} heads over {extent:?}");
        let extent = extent.with_channels(extent.channels() / 3);
        self.push(Operation::Attention { heads }, vec![image], extent)
    }

    /// Twice or half the resolution by a separable filter, one axis of which is given and here normalized.
    pub fn resample(&mut self, scaling: Scaling, filter: &[f32], image: Value) -> Value {
        let extent = self.extent(image);
        let Extent::Image { height, width, channels } = extent else {
            panic!("images are resampled, got {extent:?}");
        };
        let sum: f64 = filter.iter().copied().map(f64::from).sum();
        let padding = (filter.len() - 1) / 2;
        let (gain, side): (f64, Box<dyn Fn(usize) -> usize>) = match scaling {
            Scaling::Double => (2.0, Box::new(|side| 2 * (side - 1) + filter.len() - 2 * padding)),
            Scaling::Halve => (1.0, Box::new(|side| (side + 2 * padding - filter.len()) / 2 + 1)),
        };
        let taps = filter.iter().map(|&tap| gain * f64::from(tap) / sum).collect();
        let extent = Extent::Image { height: side(height), width: side(width), channels };
        self.push(Operation::Resample { scaling, taps }, vec![image], extent)
    }

    /// Several values of the same pixels, channel after channel; one alone is itself.
    pub fn join(&mut self, parts: Vec<Value>) -> Value {
        if let [part] = parts[..] {
            return part;
        }
        let extents: Vec<Extent> = parts.iter().map(|&part| self.extent(part)).collect();
        let extent = extents[0].with_channels(extents.iter().map(|extent| extent.channels()).sum());
        let fit = extents.iter().all(|other| other.with_channels(0) == extent.with_channels(0));
        assert!(fit, "{extents:?} do not join");
        self.push(Operation::Join, parts, extent)
    }

    /// An image of one pixel as a row.
    pub fn flatten(&mut self, image: Value) -> Value {
        let extent = self.extent(image);
        let Extent::Image { height: 1, width: 1, channels } = extent else {
            panic!("one pixel is a row, {extent:?} is not");
        };
        self.push(Operation::Flatten, vec![image], Extent::Row(channels))
    }

    /// A row as an image of one pixel.
    pub fn unflatten(&mut self, row: Value) -> Value {
        let channels = self.extent(row).channels();
        self.push(Operation::Unflatten, vec![row], Extent::Image { height: 1, width: 1, channels })
    }

    fn shape<const D: usize>(&self, parameter: ParameterId) -> [usize; D] {
        let spec = self.spec(parameter);
        let shape = spec.shape.as_slice().try_into();
        shape.unwrap_or_else(|_| panic!("`{}` does not have {D} axes", spec.name))
    }

    /// The value of a node, which is the one that is there already if there is one like it.
    pub(super) fn push(&mut self, operation: Operation, inputs: Vec<Value>, extent: Extent) -> Value {
        let node = Node { operation, inputs, extent };
        let there = self.nodes.iter().position(|other| *other == node);
        Value(there.unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        }))
    }
}
