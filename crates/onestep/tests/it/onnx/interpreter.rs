//! A graph of ONNX evaluated node by node, as the description of each operator says, in f64.

use std::collections::BTreeMap;

use super::file::{File, Node};
use super::images;
use super::tensor::Tensor;

impl File {
    /// The one output, given the inputs by name.
    pub fn evaluate(&self, inputs: &[(&str, Tensor)]) -> Tensor {
        let mut values: BTreeMap<String, Tensor> = self.initializers.clone();
        for slot in &self.inputs {
            let given = inputs.iter().find(|(name, _)| *name == slot.name);
            let (name, tensor) = given.unwrap_or_else(|| panic!("`{}` is not given", slot.name));
            values.insert(name.to_string(), tensor.clone());
        }
        for node in &self.nodes {
            let of = |name: &String| {
                let value = values.get(name);
                value.unwrap_or_else(|| panic!("`{name}` comes after `{}`", node.name)).clone()
            };
            // An input without a name is left out.
            let inputs: Vec<Option<Tensor>> =
                node.inputs.iter().map(|name| (!name.is_empty()).then(|| of(name))).collect();
            let outputs = outputs(node, &inputs);
            assert_eq!(outputs.len(), node.outputs.len(), "outputs of `{}`", node.name);
            for (name, output) in node.outputs.iter().zip(outputs) {
                assert!(values.insert(name.clone(), output).is_none(), "`{name}` is there twice");
            }
        }
        values[&self.outputs[0].name].clone()
    }
}

fn outputs(node: &Node, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
    let input = |index: usize| inputs[index].as_ref().expect("an input that is needed");
    let x = input(0);
    let axes =
        |index: usize| input(index).integers().into_iter().map(|axis| axis as usize).collect::<Vec<_>>();
    vec![match node.operator.as_str() {
        "Add" => x.paired(input(1), |a, b| a + b),
        "Mul" => x.paired(input(1), |a, b| a * b),
        "Div" => x.paired(input(1), |a, b| a / b),
        "Max" => x.paired(input(1), f64::max),
        "Clip" => x.paired(input(1), f64::max).paired(input(2), f64::min),
        "Sigmoid" => x.map(|x| 1.0 / (1.0 + (-x).exp())),
        "Sin" => x.map(f64::sin),
        "Cos" => x.map(f64::cos),
        "Log" => x.map(f64::ln),
        "Sqrt" => x.map(f64::sqrt),
        "Atan" => x.map(f64::atan),
        "Unsqueeze" => {
            let axes = axes(1);
            let (rank, mut lengths) = (x.dims.len() + axes.len(), x.dims.iter());
            let dims = (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { *lengths.next().unwrap() });
            x.reshaped(dims.collect())
        }
        "Reshape" => reshape(x, &input(1).integers()),
        "Flatten" => {
            assert_eq!(node.int("axis"), 1);
            x.reshaped(vec![x.dims[0], x.dims[1..].iter().product()])
        }
        "Transpose" => x.transposed(&node.ints("perm")),
        "Concat" => {
            let parts: Vec<Tensor> = inputs.iter().flatten().cloned().collect();
            Tensor::joined(&parts, node.int("axis") as usize)
        }
        "Slice" => {
            let [start, end, axis] = [1, 2, 3].map(|index| {
                let bounds = axes(index);
                assert_eq!(bounds.len(), 1, "`{}` cuts more than one axis", node.name);
                bounds[0]
            });
            x.part(axis, start..end)
        }
        "Split" => {
            let axis = node.int("axis") as usize;
            let mut start = 0;
            let cut = |length: usize| {
                start += length;
                x.part(axis, start - length..start)
            };
            return axes(1).into_iter().map(cut).collect();
        }
        "Gather" => {
            assert_eq!((node.int("axis"), input(1).dims.len()), (0, 1));
            let labels = axes(1);
            Tensor::from_fn(&[labels.len(), x.dims[1]], |at| x.at(&[labels[at[0]], at[1]]))
        }
        "Gemm" => {
            let product = x.matmul(input(1));
            if inputs.len() > 2 { product.paired(input(2), |a, b| a + b) } else { product }
        }
        "MatMul" => x.matmul(input(1)),
        "Softmax" => softmax(x, node.int("axis")),
        "Conv" => {
            let (stride, padding) = stride_and_padding(node, &input(1).dims);
            let group = node.int_or("group", 1) as usize;
            images::convolution(x, input(1), inputs.get(2).and_then(Option::as_ref), group, stride, padding)
        }
        "ConvTranspose" => {
            assert_eq!(node.int("group") as usize, x.dims[1]);
            let (stride, padding) = stride_and_padding(node, &input(1).dims);
            images::transposed_convolution(x, input(1), stride, padding)
        }
        "Resize" => {
            assert_eq!(input(2).values, [1.0, 1.0, 2.0, 2.0]);
            assert_eq!(node.text("mode"), "nearest");
            assert_eq!(node.text("coordinate_transformation_mode"), "asymmetric");
            assert_eq!(node.text("nearest_mode"), "floor");
            images::doubled(x)
        }
        "AveragePool" => {
            assert_eq!((node.ints("kernel_shape"), node.ints("strides")), (vec![2, 2], vec![2, 2]));
            images::halved(x)
        }
        "InstanceNormalization" => images::instance_norm(x, input(1), input(2), node.float("epsilon")),
        other => panic!("`{other}` is not among the operators that are written"),
    }]
}

fn reshape(x: &Tensor, to: &[i64]) -> Tensor {
    let mut dims: Vec<usize> = to
        .iter()
        .enumerate()
        .map(|(axis, &length)| match length {
            0 => x.dims[axis],
            -1 => 1,
            length => length as usize,
        })
        .collect();
    if let Some(axis) = to.iter().position(|&length| length == -1) {
        dims[axis] = x.values.len() / dims.iter().product::<usize>();
    }
    x.reshaped(dims)
}

fn softmax(x: &Tensor, axis: i64) -> Tensor {
    assert_eq!(axis, -1);
    let mut out = x.clone();
    for row in out.values.chunks_exact_mut(*x.dims.last().unwrap()) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|value| *value = (*value - largest).exp());
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    out
}

fn stride_and_padding(node: &Node, weight: &[usize]) -> (usize, usize) {
    assert_eq!(node.ints("kernel_shape"), weight[2..]);
    let (strides, pads) = (node.ints_or("strides", &[1, 1]), node.ints_or("pads", &[0; 4]));
    assert!(strides[0] == strides[1] && pads.iter().all(|&pad| pad == pads[0]));
    (strides[0], pads[0])
}
