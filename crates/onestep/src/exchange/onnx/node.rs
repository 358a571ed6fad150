//! Nodes and what surrounds them, as messages of ONNX.

use super::message::Message;

/// The type of f32 and of 64-bit integers in tensors.
pub(super) const FLOAT: i64 = 1;
pub(super) const INT64: i64 = 7;

/// One attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(&'a [i64]),
    /// A number.
    Float(f64),
    /// A text.
    Text(&'a str),
}

impl Attribute<'_> {
    fn message(self, name: &str) -> Message {
        let message = Message::default().text(1, name);
        match self {
            Self::Float(value) => message.float(2, value as f32).integer(20, 1),
            Self::Int(value) => message.integer(3, value).integer(20, 2),
            Self::Text(text) => message.text(4, text).integer(20, 3),
            Self::Ints(values) => message.integers(8, values).integer(20, 7),
        }
    }
}

/// A node of an operator, named like its first output.
pub(super) fn node(
    operator: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[(&str, Attribute<'_>)],
) -> Message {
    let mut message = Message::default();
    for input in inputs {
        message = message.text(1, input);
    }
    for output in outputs {
        message = message.text(2, output);
    }
    message = message.text(3, outputs[0]).text(4, operator);
    attributes.iter().fold(message, |message, (name, attribute)| message.message(5, &attribute.message(name)))
}

/// An input or output of the graph: its name, its type, and its axes behind the batch.
pub(super) fn value_info(name: &str, element: i64, axes: &[usize]) -> Message {
    let batch = Message::default().text(2, "batch");
    let shape = axes.iter().fold(Message::default().message(1, &batch), |shape, &axis| {
        shape.message(1, &Message::default().integer(1, axis as i64))
    });
    let tensor = Message::default().integer(1, element).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// A key with its value.
pub(super) fn entry(key: &str, value: &str) -> Message {
    Message::default().text(1, key).text(2, value)
}
