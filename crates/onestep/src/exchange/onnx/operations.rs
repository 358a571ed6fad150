//! What each operation is in ONNX.

use super::initializer::Source;
use super::node::Attribute::{Float, Int, Ints, Text};
use super::translation::Translation;
use crate::model::ParameterId;
use crate::model::network::graph::{Extent, Function, Kernel, Node, Operation, Pairing, Scaling};

impl Translation<'_> {
    /// Adds the nodes of an operation, the last of which gives `output`.
    pub(super) fn operation(&mut self, node: &Node, output: &str) {
        let beside_image =
            matches!((&node.operation, node.extent), (Operation::Pair(_), Extent::Image { .. }));
        let inputs: Vec<String> = node
            .inputs
            .iter()
            .map(|&value| if beside_image { self.operand_beside_image(value) } else { self.operand(value) })
            .collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        match &node.operation {
            Operation::Input(_) | Operation::Constant(_) | Operation::Parameter(_) => {}
            Operation::Apply(function) => self.function(*function, inputs[0], output),
            Operation::Pair(pairing) => {
                let operator = match pairing {
                    Pairing::Sum => "Add",
                    Pairing::Product => "Mul",
                    Pairing::Quotient => "Div",
                };
                self.emit(operator, &inputs, output, &[]);
            }
            Operation::Lookup(table) => {
                let table = self.parameter(*table);
                self.emit("Gather", &[&table, inputs[0]], output, &[("axis", Int(0))]);
            }
            Operation::Linear { weight, bias } => {
                let weight = self.parameter(*weight);
                let bias = bias.map(|bias| self.parameter(bias));
                let inputs: Vec<&str> = [inputs[0], &weight].into_iter().chain(bias.as_deref()).collect();
                self.emit("Gemm", &inputs, output, &[]);
            }
            Operation::Narrow { first, width } => {
                let bounds = [*first, first + width, 1].map(|bound| self.integers(&[bound as i64]));
                self.emit("Slice", &[inputs[0], &bounds[0], &bounds[1], &bounds[2]], output, &[]);
            }
            Operation::Convolution { kernel, bias, stride, padding } => {
                self.convolution(kernel, *bias, [*stride, *padding], inputs[0], output);
            }
            Operation::Normalize { groups, epsilon } => {
                self.normalize(*groups, *epsilon, node.extent, inputs[0], output);
            }
            Operation::Attention { heads } => self.attention(*heads, node.extent, inputs[0], output),
            Operation::Resample { scaling, taps } => {
                self.resample(*scaling, taps, node.extent.channels(), inputs[0], output);
            }
            Operation::Join => self.emit("Concat", &inputs, output, &[("axis", Int(1))]),
            Operation::Flatten => self.emit("Flatten", &inputs, output, &[("axis", Int(1))]),
            Operation::Unflatten => {
                let axes = self.integers(&[2, 3]);
                self.emit("Unsqueeze", &[inputs[0], &axes], output, &[]);
            }
        }
    }

    /// The name of a parameter among the initializers, in its own shape.
    fn parameter(&mut self, parameter: ParameterId) -> String {
        let spec = self.graph.spec(parameter);
        let dims: Vec<i64> = spec.shape.iter().map(|&axis| axis as i64).collect();
        let name = spec.name.clone();
        self.initializer(&name, &dims, Source::Parameter(parameter))
    }

    fn function(&mut self, function: Function, input: &str, output: &str) {
        let operator = match function {
            Function::Silu => {
                // Runtimes know the two for one.
                let share = format!("{output}/sigmoid");
                self.emit("Sigmoid", &[input], &share, &[]);
                return self.emit("Mul", &[input, &share], output, &[]);
            }
            Function::AtLeast(bound) => {
                let bound = self.number(bound);
                return self.emit("Max", &[input, &bound], output, &[]);
            }
            Function::Clamp(low, high) => {
                let [low, high] = [low, high].map(|bound| self.number(bound));
                return self.emit("Clip", &[input, &low, &high], output, &[]);
            }
            Function::Sine => "Sin",
            Function::Cosine => "Cos",
            Function::Logarithm => "Log",
            Function::Root => "Sqrt",
            Function::Arctangent => "Atan",
        };
        self.emit(operator, &[input], output, &[]);
    }

    fn convolution(
        &mut self,
        kernel: &Kernel,
        bias: ParameterId,
        [stride, padding]: [usize; 2],
        input: &str,
        output: &str,
    ) {
        let spec = self.graph.spec(kernel.parameter);
        let (size, name) = match &kernel.mixing {
            // It is no parameter any more.
            Some(mixing) => (mixing.size, format!("{}/filtered", spec.name)),
            None => (spec.shape[0], spec.name.clone()),
        };
        let dims = [spec.shape[3], spec.shape[2], size, size].map(|axis| axis as i64);
        let source = Source::Kernel { parameter: kernel.parameter, mixing: kernel.mixing.clone() };
        let weight = self.initializer(&name, &dims, source);
        let bias = self.parameter(bias);
        let [size, stride, padding] = [size, stride, padding].map(|number| number as i64);
        let attributes = [
            ("kernel_shape", Ints(&[size; 2])),
            ("pads", Ints(&[padding; 4])),
            ("strides", Ints(&[stride; 2])),
        ];
        self.emit("Conv", &[input, &weight, &bias], output, &attributes);
    }

    /// The norm of instances whose channels are groups.
    fn normalize(&mut self, groups: usize, epsilon: f64, extent: Extent, input: &str, output: &str) {
        let Extent::Image { height, width, channels } = extent else { return };
        let n_groups = groups as i64;
        let [ones, zeros] = [("ones", 1.0), ("zeros", 0.0)].map(|(name, value)| {
            self.initializer(&format!("{name}/{groups}"), &[n_groups], Source::Floats(vec![value; groups]))
        });
        let grouped = format!("{output}/grouped");
        let normal = format!("{output}/normal");
        let to_groups = self.integers(&[0, n_groups, -1]);
        let back = self.integers(&[0, channels as i64, height as i64, width as i64]);
        self.emit("Reshape", &[input, &to_groups], &grouped, &[]);
        let attributes = [("epsilon", Float(epsilon))];
        self.emit("InstanceNormalization", &[&grouped, &ones, &zeros], &normal, &attributes);
        self.emit("Reshape", &[&normal, &back], output, &[]);
    }

    /// Queries, keys and values by heads, `[batch, heads, tokens, width]` but for the keys, which stand as they are multiplied.
    fn attention(&mut self, heads: usize, extent: Extent, input: &str, output: &str) {
        let Extent::Image { height, width, channels } = extent else { return };
        let head = channels / heads;
        let part = |part: &str| format!("{output}/{part}");
        let [heads, head] = [heads, head].map(|n| n as i64);
        // By heads first: what is cut then lies in one piece, which the runtimes are faster with.
        let (all, [q, k, v]) = (part("heads"), ["q", "k", "v"].map(part));
        let by_head = self.integers(&[0, 3 * heads, head, (height * width) as i64]);
        let sizes = self.integers(&[heads; 3]);
        let back = self.integers(&[0, channels as i64, height as i64, width as i64]);
        let scale = self.number(1.0 / (head as f64).sqrt());
        let turned = [("perm", Ints(&[0, 1, 3, 2]))];
        self.emit("Reshape", &[input, &by_head], &all, &[]);
        self.emit_all("Split", &[&all, &sizes], &[&q, &k, &v], &[("axis", Int(1))]);
        let [queries, scaled, values] = ["queries", "scaled", "values"].map(part);
        self.emit("Transpose", &[&q], &queries, &turned);
        self.emit("Mul", &[&queries, &scale], &scaled, &[]);
        self.emit("Transpose", &[&v], &values, &turned);
        let [scores, shares, attended, channels_first] =
            ["scores", "shares", "attended", "channels"].map(part);
        self.emit("MatMul", &[&scaled, &k], &scores, &[]);
        self.emit("Softmax", &[&scores], &shares, &[("axis", Int(-1))]);
        self.emit("MatMul", &[&shares, &values], &attended, &[]);
        self.emit("Transpose", &[&attended], &channels_first, &turned);
        self.emit("Reshape", &[&channels_first, &back], output, &[]);
    }

    /// Pixels repeated or the mean of two by two, where that is what the filter does; else a convolution of every channel by itself.
    fn resample(&mut self, scaling: Scaling, taps: &[f64], channels: usize, input: &str, output: &str) {
        match (scaling, taps) {
            (Scaling::Double, [1.0, 1.0]) => {
                let scales = Source::Floats(vec![1.0, 1.0, 2.0, 2.0]);
                let scales = self.initializer("scales/double", &[4], scales);
                let attributes = [
                    ("mode", Text("nearest")),
                    ("coordinate_transformation_mode", Text("asymmetric")),
                    ("nearest_mode", Text("floor")),
                ];
                self.emit("Resize", &[input, "", &scales], output, &attributes);
            }
            (Scaling::Halve, [0.5, 0.5]) => {
                let attributes = [("kernel_shape", Ints(&[2; 2])), ("strides", Ints(&[2; 2]))];
                self.emit("AveragePool", &[input], output, &attributes);
            }
            _ => {
                let plane: Vec<f32> =
                    taps.iter().flat_map(|row| taps.iter().map(move |tap| (row * tap) as f32)).collect();
                let size = taps.len() as i64;
                let (name, operator) = match scaling {
                    Scaling::Double => ("double", "ConvTranspose"),
                    Scaling::Halve => ("halve", "Conv"),
                };
                let name = format!("filter/{name}/{channels}");
                let dims = [channels as i64, 1, size, size];
                let filter = self.initializer(&name, &dims, Source::Floats(plane.repeat(channels)));
                let attributes = [
                    ("group", Int(channels as i64)),
                    ("kernel_shape", Ints(&[size; 2])),
                    ("pads", Ints(&[(size - 1) / 2; 4])),
                    ("strides", Ints(&[2; 2])),
                ];
                self.emit(operator, &[input, &filter], output, &attributes);
            }
        }
    }
}
