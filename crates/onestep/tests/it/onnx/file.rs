//! An ONNX file, read as its description says.

use std::collections::BTreeMap;
use std::path::Path;

use super::tensor::Tensor;
use super::wire::{Field, message};

/// What a file holds.
#[derive(Debug)]
pub struct File {
    pub ir_version: i64,
    pub producer: String,
    pub opset: i64,
    pub metadata: BTreeMap<String, String>,
    pub nodes: Vec<Node>,
    pub initializers: BTreeMap<String, Tensor>,
    /// Names, element types and axes of inputs and outputs.
    pub inputs: Vec<Slot>,
    pub outputs: Vec<Slot>,
}

/// An input or output.
#[derive(Debug, PartialEq)]
pub struct Slot {
    pub name: String,
    pub element: i64,
    pub axes: Vec<String>,
}

/// A node.
#[derive(Debug, Default)]
pub struct Node {
    pub operator: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub name: String,
    attributes: BTreeMap<String, Attribute>,
}

#[derive(Debug, Default)]
struct Attribute {
    float: f64,
    int: i64,
    text: String,
    ints: Vec<i64>,
}

impl Node {
    fn attribute(&self, name: &str) -> &Attribute {
        let there = self.attributes.get(name);
        there.unwrap_or_else(|| panic!("`{}` ({}) has no `{name}`", self.name, self.operator))
    }

    pub fn int(&self, name: &str) -> i64 {
        self.attribute(name).int
    }

    pub fn int_or(&self, name: &str, otherwise: i64) -> i64 {
        self.attributes.get(name).map_or(otherwise, |attribute| attribute.int)
    }

    pub fn float(&self, name: &str) -> f64 {
        self.attribute(name).float
    }

    pub fn text(&self, name: &str) -> &str {
        &self.attribute(name).text
    }

    pub fn ints(&self, name: &str) -> Vec<usize> {
        self.attribute(name).ints.iter().map(|&value| value.try_into().unwrap()).collect()
    }

    pub fn ints_or(&self, name: &str, otherwise: &[usize]) -> Vec<usize> {
        if self.attributes.contains_key(name) { self.ints(name) } else { otherwise.to_vec() }
    }
}

impl File {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut file = Self {
            ir_version: 0,
            producer: String::new(),
            opset: 0,
            metadata: BTreeMap::new(),
            nodes: Vec::new(),
            initializers: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        for (number, field) in message(&bytes) {
            match number {
                1 => file.ir_version = field.integer(),
                2 => file.producer = field.text(),
                3 => {}
                7 => file.graph(field, path),
                8 => {
                    let fields = field.message();
                    assert_eq!(fields.iter().find(|(number, _)| *number == 1).unwrap().1.text(), "");
                    file.opset = fields.iter().find(|(number, _)| *number == 2).unwrap().1.integer();
                }
                14 => file.metadata.extend([pair(field)]),
                other => panic!("a model has no field {other}"),
            }
        }
        file
    }

    fn graph(&mut self, graph: Field<'_>, path: &Path) {
        for (number, field) in graph.message() {
            match number {
                1 => self.nodes.push(node(field)),
                2 => assert!(!field.text().is_empty()),
                5 => {
                    let (name, tensor) = initializer(field, path);
                    assert!(self.initializers.insert(name.clone(), tensor).is_none(), "`{name}` twice");
                }
                11 => self.inputs.push(slot(field)),
                12 => self.outputs.push(slot(field)),
                other => panic!("a graph has no field {other}"),
            }
        }
    }
}

fn pair(field: Field<'_>) -> (String, String) {
    let fields: BTreeMap<u64, String> =
        field.message().into_iter().map(|(number, field)| (number, field.text())).collect();
    (fields[&1].clone(), fields[&2].clone())
}

fn node(field: Field<'_>) -> Node {
    let mut node = Node::default();
    for (number, field) in field.message() {
        match number {
            1 => node.inputs.push(field.text()),
            2 => node.outputs.push(field.text()),
            3 => node.name = field.text(),
            4 => node.operator = field.text(),
            5 => {
                let mut attribute = Attribute::default();
                let (mut name, mut kind) = (String::new(), 0);
                for (number, field) in field.message() {
                    match number {
                        1 => name = field.text(),
                        2 => attribute.float = field.float(),
                        3 => attribute.int = field.integer(),
                        4 => attribute.text = field.text(),
                        8 => attribute.ints.push(field.integer()),
                        20 => kind = field.integer(),
                        other => panic!("an attribute has no field {other}"),
                    }
                }
                assert!([1, 2, 3, 7].contains(&kind), "`{name}` is of type {kind}");
                node.attributes.insert(name, attribute);
            }
            other => panic!("a node has no field {other}"),
        }
    }
    node
}

fn initializer(field: Field<'_>, path: &Path) -> (String, Tensor) {
    let (mut name, mut dims, mut element, mut raw) = (String::new(), Vec::new(), 0, Vec::new());
    let mut beside = BTreeMap::new();
    for (number, field) in field.message() {
        match number {
            1 => dims.push(field.integer() as usize),
            2 => element = field.integer(),
            8 => name = field.text(),
            9 => raw = field.bytes().to_vec(),
            13 => beside.extend([pair(field)]),
            14 => assert_eq!(field.integer(), 1),
            other => panic!("a tensor has no field {other}"),
        }
    }
    if let Some(location) = beside.get("location") {
        let [offset, length] = ["offset", "length"].map(|key| beside[key].parse::<usize>().unwrap());
        assert!(offset.is_multiple_of(4096), "`{name}` begins within a page");
        raw = std::fs::read(path.with_file_name(location)).unwrap()[offset..offset + length].to_vec();
    }
    let values: Vec<f64> = match element {
        1 => raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes).into()).collect(),
        7 => raw.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
        other => panic!("`{name}` is of type {other}"),
    };
    (name, Tensor::new(dims, values))
}

fn slot(field: Field<'_>) -> Slot {
    let mut slot = Slot { name: String::new(), element: 0, axes: Vec::new() };
    for (number, field) in field.message() {
        match number {
            1 => slot.name = field.text(),
            2 => {
                let [(1, tensor)] = field.message()[..] else { panic!("`{}` is no tensor", slot.name) };
                for (number, field) in tensor.message() {
                    match number {
                        1 => slot.element = field.integer(),
                        _ => {
                            slot.axes = field.message().into_iter().map(|(_, axis)| dimension(axis)).collect()
                        }
                    }
                }
            }
            other => panic!("an input has no field {other}"),
        }
    }
    slot
}

fn dimension(field: Field<'_>) -> String {
    match field.message()[..] {
        [(1, length)] => length.integer().to_string(),
        [(2, name)] => name.text(),
        ref other => panic!("an axis is a length or a name, not {other:?}"),
    }
}
