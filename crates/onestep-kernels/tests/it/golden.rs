//! Numbers of the reference implementations, where the golden folder is present.
//!
//! The folder is `GOLDEN_DIR`, or `shared/golden` beside the checkout; without it the tests say so and pass.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{DType, Device, Tensor, TensorData};
use onestep_kernels::*;

use crate::support::{assert_close, values};

/// The tensors of a case in f64.
struct Golden(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Golden {
    fn open(case: &str) -> Option<Self> {
        let beside = || {
            let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
            crate_folder.ancestors().map(|folder| folder.join("shared/golden")).find(|folder| folder.exists())
        };
        let Some(folder) = std::env::var_os("GOLDEN_DIR").map(PathBuf::from).or_else(beside) else {
            println!("skipped: no golden folder; set GOLDEN_DIR");
            return None;
        };
        let bytes =
            std::fs::read(folder.join(format!("{case}.safetensors"))).expect("the golden file is readable");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("the golden file is well-formed");
        let decode = |view: &safetensors::tensor::TensorView| -> Vec<f64> {
            match view.dtype() {
                safetensors::Dtype::F32 => view
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes(b.try_into().unwrap()).into())
                    .collect(),
                safetensors::Dtype::F64 => {
                    view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
                }
                other => panic!("unexpected type {other:?}"),
            }
        };
        let tensors = file.tensors().into_iter();
        Some(Self(tensors.map(|(name, view)| (name, (view.shape().to_vec(), decode(&view)))).collect()))
    }

    fn values(&self, name: &str) -> &[f64] {
        &self.0[name].1
    }

    /// A batch of images, channels last.
    fn images(&self, name: &str) -> Tensor<4> {
        let (shape, values) = &self.0[name];
        let data = TensorData::new(values.clone(), shape.as_slice()).convert_dtype(DType::F32);
        Tensor::from_data(data, &Device::flex()).permute([0, 2, 3, 1])
    }
}

#[test]
fn resize_bilinear_equals_torch() {
    let Some(golden) = Golden::open("resize_bilinear") else {
        return;
    };
    for (from, to) in [(16, 32), (64, 32), (48, 32), (24, 224), (32, 224)] {
        let output = resize_bilinear(golden.images(&format!("in_{from}_to_{to}")), to, to);
        let expected = golden.images(&format!("out_{from}_to_{to}"));
        // The reference computes its positions in f32; the tolerance is that of the golden file.
        assert_close(&values(&output), &values(&expected), 1e-5, &format!("{from} to {to}"));
    }
}

#[test]
fn optimizer_steps_equal_torch() {
    let Some(golden) = Golden::open("optimizers") else {
        return;
    };
    let (rate, betas, epsilon) = (0.05, [0.9, 0.999], 1e-8);
    // Tolerances of the golden file.
    for (precision, dtype, tolerance) in [("f64", DType::F64, 1e-12), ("f32", DType::F32, 2e-6)] {
        for (optimizer, decay) in ["radam", "adam", "adamw", "radam_decoupled"]
            .into_iter()
            .flat_map(|name| [(name, 0.0), (name, 0.01)])
        {
            for part in 0..2 {
                let key = |what: &str| format!("{optimizer}.wd{decay:?}.{precision}.{what}.{part}");
                let start = golden.values(&format!("p0.{part}"));
                let upload = |values: &[f64]| -> Tensor<1> {
                    let data = TensorData::new(values.to_vec(), [values.len()]).convert_dtype(dtype);
                    Tensor::from_data(data, (&Device::flex(), dtype))
                };
                let mut parameter = upload(start);
                let (mut first, mut second) = (parameter.zeros_like(), parameter.zeros_like());
                let steps = golden
                    .values(&key("grads"))
                    .chunks(start.len())
                    .zip(golden.values(&key("params")).chunks(start.len()));
                for ((gradient, expected), step) in steps.zip(1..) {
                    let coefficients = if optimizer.starts_with("radam") {
                        AdamCoefficients::radam(rate, betas, epsilon, step)
                    } else {
                        AdamCoefficients::adam(rate, betas, epsilon, step)
                    };
                    let coefficients = match optimizer {
                        "adamw" | "radam_decoupled" => coefficients.with_decoupled_decay(rate * decay),
                        _ => coefficients.with_coupled_decay(decay),
                    };
                    (parameter, first, second) =
                        adam_update(parameter, upload(gradient), first, second, coefficients);
                    assert_close(
                        &values(&parameter),
                        expected,
                        tolerance,
                        &format!("{} step {step}", key("params")),
                    );
                }
            }
        }
    }
}
