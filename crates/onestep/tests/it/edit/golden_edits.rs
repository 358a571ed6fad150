//! The edits of the reference code, with its noise.

use burn::tensor::Tensor;
use onestep::edit::{Colorize, Constraint, Edit, Inpaint, SuperResolve, Unconstrained, sample_edit, slerp};
use onestep::model::{Condition, Denoiser, ModelError, Preconditioning};
use onestep::noise::SamplingLevels;
use onestep::sample::Request;

use crate::devices::device;
use crate::golden::models::{condition, golden_model};
use crate::golden::{self, Array, Case, check_values};
use crate::samplers::Recorded;

/// An answer that is always the same.
struct Always(Tensor<4>);

impl Denoiser for Always {
    fn denoise(&self, _: Tensor<4>, _: &[f64], _: &Condition) -> Result<Tensor<4>, ModelError> {
        Ok(self.0.clone())
    }

    fn sigma_min(&self) -> f64 {
        0.0
    }
}

/// Runs a case: `origin` is what the first noise is added to.
///
/// Without the network's weights, the result of the reference is taken for the network's estimate: an edit must leave it
/// as it is, for what is known is in it already.
fn run(case: &Case, constraint: &dyn Constraint, known: Tensor<4>, origin: Tensor<4>) {
    let expected = case.array("output").channels_last();
    let model = golden_model(case, None, Preconditioning::Boundary);
    // A result may leave the range of images where what is known was put back.
    let clamp = model.is_some();
    let model: Box<dyn Denoiser> = match model {
        Some(model) => Box::new(model),
        None => {
            println!("golden | {} | no weights: the output stands in for the estimates |", case.name);
            Box::new(Always(expected.tensor(&device())))
        }
    };
    let device = crate::devices::device();
    let indices: Vec<usize> = serde_json::from_value(case.get("ts").clone()).expect("indices");
    let levels = SamplingLevels::from_indices(
        &indices,
        case.number("steps") as usize,
        case.number("sigma_min"),
        case.number("sigma_max"),
        case.number("rho"),
    )
    .unwrap();
    if let Some(first) = case.json["t0"].as_f64() {
        check_values(&case.name, "first level", &levels.as_slice()[..1], &[first], |t| 1e-5 * t);
    }
    let condition = condition(case, "");
    let request = Request {
        shape: expected.shape.as_slice().try_into().unwrap(),
        condition: &condition,
        clamp,
        device: &device,
        on_estimate: &mut |_| true,
    };
    let mut noise = Recorded::new(case, Some("start_noise"));
    let edited =
        sample_edit(model.as_ref(), &levels, &Edit { constraint, known, origin }, &mut noise, request)
            .unwrap();
    case.check("output", &Array::from_tensor(edited), &expected);
}

/// A constrained case: the reference starts from noise without the image.
fn constrained(case: &Case, constraint: &dyn Constraint, degraded: &Array) {
    let images: Tensor<4> = case.array("images").channels_last().tensor(&device());
    constraint.check(images.dims()).unwrap();
    let known = constraint.project(images);
    case.check("degraded", &Array::from_tensor(known.clone()), degraded);
    let origin = known.zeros_like();
    run(case, constraint, known, origin);
}

#[test]
fn golden_colorization() {
    let Some(case) = golden::case("edit_colorization") else { return };
    let basis = case.array("Q");
    let width = basis.shape[1];
    let first = [0, 1, 2].map(|row| basis.values[row * width]);
    let direction = Colorize::along(first).unwrap();
    // The usual direction is the one of the case.
    assert_eq!(format!("{direction:.4?}"), format!("{:.4?}", Colorize::default()));
    constrained(&case, &direction, &case.array("degraded").channels_last());
}

#[test]
fn golden_super_resolution() {
    let Some(case) = golden::case("edit_superres") else { return };
    let factor = case.array("Q").shape[0].isqrt();
    constrained(&case, &SuperResolve::new(factor), &case.array("degraded").channels_last());
}

#[test]
fn golden_inpainting() {
    let Some(case) = golden::case("edit_inpainting") else { return };
    let mask = case.array("mask").channels_last();
    // What is unknown is black there and nothing here.
    let degraded = case.array("degraded").channels_last();
    let values = degraded.values.iter().zip(&mask.values).map(|(value, known)| value * known).collect();
    let constraint = Inpaint::with_masks(mask.tensor(&device()));
    constrained(&case, &constraint, &Array { values, ..degraded });
}

#[test]
fn golden_stroke() {
    let Some(case) = golden::case("edit_stroke") else { return };
    let stroke: Tensor<4> = case.array("stroke").channels_last().tensor(&device());
    run(&case, &Unconstrained, stroke.zeros_like(), stroke);
}

#[test]
fn golden_slerp() {
    let Some(case) = golden::case("slerp") else { return };
    let (a, b, places) = (case.array("z1"), case.array("z2"), case.array("t"));
    let values = places.values.iter().flat_map(|&place| slerp(&a.values, &b.values, place)).collect();
    let expected = case.array("output");
    case.check("output", &Array { shape: expected.shape.clone(), values }, expected);
}
