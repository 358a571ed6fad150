//! The operations of a network as nodes of ONNX, images as `[batch, channels, height, width]`.

use std::collections::HashSet;

use super::initializer::{Initializer, Source};
use super::message::Message;
use super::node::{Attribute, FLOAT, INT64, node, value_info};
use crate::model::network::graph::{Extent, Graph, Input, Node, Operation, Value};

/// What the inputs and the output are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub image: &'static str,
    pub level: &'static str,
    pub label: &'static str,
    pub output: &'static str,
}

/// A graph of ONNX while it is put together.
///
/// A value is named by the layer that gives it, or by what it is and a number, with `/` in it, which names of parameters do not have.
#[derive(Debug)]
pub(super) struct Translation<'a> {
    pub graph: &'a Graph,
    names: Names,
    values: Vec<String>,
    /// The nodes, as fields of the graph.
    pub nodes: Message,
    pub n_nodes: usize,
    pub initializers: Vec<Initializer>,
    /// Inputs and output, as fields of the graph.
    pub surface: Message,
    /// Names of initializers and of rows that stand beside images.
    there: HashSet<String>,
}

impl<'a> Translation<'a> {
    /// The graph of ONNX whose last value is the output.
    pub(super) fn new(graph: &'a Graph, output: Value, names: Names) -> Self {
        let mut translation = Self {
            graph,
            names,
            values: Vec::with_capacity(graph.nodes().len()),
            nodes: Message::default(),
            n_nodes: 0,
            initializers: Vec::new(),
            surface: Message::default(),
            there: HashSet::new(),
        };
        for (index, node) in graph.nodes().iter().enumerate() {
            let name =
                if index == output.index() { names.output.to_string() } else { name_of(graph, node, index) };
            translation.values.push(name.clone());
            match &node.operation {
                Operation::Input(input) => translation.input(*input, node.extent, index),
                // They are written where they are used.
                Operation::Constant(_) | Operation::Parameter(_) => {}
                _ => translation.operation(node, &name),
            }
        }
        let axes = axes(graph.extent(output));
        translation.surface =
            std::mem::take(&mut translation.surface).message(12, &value_info(names.output, FLOAT, &axes));
        translation
    }

    fn input(&mut self, input: Input, extent: Extent, index: usize) {
        let (name, element, axes) = match input {
            Input::Image => (self.names.image, FLOAT, axes(extent)),
            Input::Level => (self.names.level, FLOAT, vec![]),
            Input::Label => (self.names.label, INT64, vec![]),
        };
        self.surface = std::mem::take(&mut self.surface).message(11, &value_info(name, element, &axes));
        self.values[index] = name.to_string();
        if input == Input::Level {
            // One number a sample is a row of one.
            let column = format!("{name}/column");
            let axis = self.integers(&[1]);
            self.emit("Unsqueeze", &[name, &axis], &column, &[]);
            self.values[index] = column;
        }
    }

    /// The name of a value that is used where rows are, or of an image.
    pub(super) fn operand(&mut self, value: Value) -> String {
        match &self.graph.nodes()[value.index()].operation {
            Operation::Constant(row) => {
                let (row, dims) = (row.iter().map(|&number| number as f32).collect(), [1, row.len() as i64]);
                self.initializer(&format!("constant/{}", value.index()), &dims, Source::Floats(row))
            }
            Operation::Parameter(parameter) => {
                let spec = self.graph.spec(*parameter);
                let (name, dims) = (spec.name.clone(), [spec.shape[0] as i64]);
                self.initializer(&name, &dims, Source::Parameter(*parameter))
            }
            _ => self.values[value.index()].clone(),
        }
    }

    /// The name of a value that meets an image: a row as `[…, n, 1, 1]`.
    pub(super) fn operand_beside_image(&mut self, value: Value) -> String {
        let Extent::Row(width) = self.graph.extent(value) else { return self.operand(value) };
        let dims = [width as i64, 1, 1];
        match &self.graph.nodes()[value.index()].operation {
            Operation::Constant(row) => {
                let row = row.iter().map(|&number| number as f32).collect();
                self.initializer(&format!("constant/{}/channels", value.index()), &dims, Source::Floats(row))
            }
            Operation::Parameter(parameter) => {
                let mut name = self.graph.spec(*parameter).name.clone();
                // One that is used as a row, too, is there twice.
                if self.initializers.iter().any(|there| there.name == name && there.dims != dims) {
                    name.push_str("/channels");
                }
                self.initializer(&name, &dims, Source::Parameter(*parameter))
            }
            _ => {
                let row = self.values[value.index()].clone();
                let name = format!("{row}/channels");
                if self.there.insert(name.clone()) {
                    let axes = self.integers(&[2, 3]);
                    self.emit("Unsqueeze", &[&row, &axes], &name, &[]);
                }
                name
            }
        }
    }

    /// The name of integers among the initializers.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let texts: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = format!("integers/{}", texts.join(","));
        self.initializer(&name, &[values.len() as i64], Source::Integers(values.to_vec()))
    }

    /// The name of one number among the initializers.
    pub(super) fn number(&mut self, value: f64) -> String {
        self.initializer(&format!("number/{value}"), &[], Source::Floats(vec![value as f32]))
    }

    /// The name of an initializer, which is added unless it is there.
    pub(super) fn initializer(&mut self, name: &str, dims: &[i64], source: Source) -> String {
        if self.there.insert(name.to_string()) {
            self.initializers.push(Initializer { name: name.to_string(), dims: dims.to_vec(), source });
        }
        name.to_string()
    }

    /// Adds a node with one output.
    pub(super) fn emit(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) {
        self.emit_all(operator, inputs, &[output], attributes);
    }

    /// Adds a node.
    pub(super) fn emit_all(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let node = node(operator, inputs, outputs, attributes);
        self.nodes = std::mem::take(&mut self.nodes).message(1, &node);
        self.n_nodes += 1;
    }
}

/// The axes of a value behind the batch.
fn axes(extent: Extent) -> Vec<usize> {
    match extent {
        Extent::Label => vec![],
        Extent::Row(width) => vec![width],
        Extent::Image { height, width, channels } => vec![channels, height, width],
    }
}

/// What a value is called.
fn name_of(graph: &Graph, node: &Node, index: usize) -> String {
    let (what, parameter) = match &node.operation {
        Operation::Convolution { kernel, .. } => ("convolution", Some(kernel.parameter)),
        Operation::Linear { weight, .. } => ("linear", Some(*weight)),
        Operation::Lookup(table) => ("lookup", Some(*table)),
        Operation::Input(_) => ("input", None),
        Operation::Constant(_) => ("constant", None),
        Operation::Parameter(_) => ("parameter", None),
        Operation::Apply(_) => ("function", None),
        Operation::Pair(_) => ("pair", None),
        Operation::Narrow { .. } => ("narrow", None),
        Operation::Normalize { .. } => ("norm", None),
        Operation::Attention { .. } => ("attention", None),
        Operation::Resample { .. } => ("resample", None),
        Operation::Join => ("join", None),
        Operation::Flatten => ("flatten", None),
        Operation::Unflatten => ("unflatten", None),
    };
    match parameter {
        Some(parameter) => {
            let name = &graph.spec(parameter).name;
            format!("{}/{what}.{index}", name.strip_suffix(".weight").unwrap_or(name))
        }
        None => format!("{what}/{index}"),
    }
}
