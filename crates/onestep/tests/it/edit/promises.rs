//! What every edit promises.

use burn::tensor::{Device, Tensor, TensorData};
use onestep::data::ImageShape;
use onestep::edit::{
    BetweenSeeds, Colorize, Constraint, Edit, EditError, Inpaint, SuperResolve, Task, Unconstrained,
    class_errors, estimate_noise, interpolate, invert, sample_edit, slerp,
};
use onestep::model::{Condition, Denoiser, GaussianMixture, ModelError, NoiseRange};
use onestep::noise::{NoiseSource, Purpose, SamplingLevels, SeedNoise, Stream, TrainingLevels};
use onestep::sample::{Request, sample_multistep};

/// A denoiser that treats every value alike but knows its level and class.
pub struct Squash;

impl Denoiser for Squash {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        let scale = sigma.iter().enumerate().map(|(i, s)| {
            let class = condition.labels.as_ref().map_or(0, |labels| labels[i].expect("a class"));
            (1.0 / (1.0 + s) + 0.1 * class as f64) as f32
        });
        let n = sigma.len();
        let scale = TensorData::new(scale.collect::<Vec<_>>(), [n, 1, 1, 1]);
        Ok((noisy.clone() * Tensor::from_data(scale, &noisy.device())).tanh() * 1.2)
    }

    fn sigma_min(&self) -> f64 {
        0.002
    }
}

fn device() -> Device {
    Device::flex()
}

fn images(seed: u64, shape: [usize; 4]) -> Tensor<4> {
    let n = shape.iter().product();
    let values = Stream::new(seed, Purpose::Test, 0, 0).standard_normal(n);
    let values: Vec<f32> = values.into_iter().map(|v| (0.5 * v).clamp(-1.0, 1.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn values(images: Tensor<4>) -> Vec<f32> {
    images.into_data().iter::<f32>().collect()
}

fn levels() -> SamplingLevels {
    SamplingLevels::new(vec![80.0, 5.0, 0.7]).unwrap()
}

fn edited(edit: &Edit<'_>, seeds: &[u64], [height, width, channels]: [usize; 3]) -> Vec<f32> {
    let condition = Condition::default();
    let device = device();
    let shape = [seeds.len(), height, width, channels];
    let request =
        Request { shape, condition: &condition, clamp: true, device: &device, on_estimate: &mut |_| true };
    values(sample_edit(&Squash, &levels(), edit, &mut SeedNoise::new(seeds), request).unwrap())
}

fn mask(seed: u64, [height, width]: [usize; 2], share: f64) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Test, 1, 0);
    (0..height * width).map(|_| if stream.uniform() < share { 1.0 } else { 0.0 }).collect()
}

fn constraints() -> Vec<Box<dyn Constraint>> {
    let inpaint = |share| Inpaint::new(&mask(5, [8, 12], share), [8, 12], &device()).unwrap();
    vec![
        Box::new(Unconstrained),
        Box::new(inpaint(0.5)),
        Box::new(inpaint(0.1)),
        Box::new(Colorize::default()),
        Box::new(Colorize::along([0.0, -2.0, 0.0]).unwrap()),
        Box::new(SuperResolve::new(1)),
        Box::new(SuperResolve::new(2)),
        Box::new(SuperResolve::new(4)),
    ]
}

/// The largest difference of two lists.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn a_constraint_is_an_orthogonal_projection_and_putting_back_twice_changes_nothing() {
    let shape = [2, 8, 12, 3];
    for (index, constraint) in constraints().into_iter().enumerate() {
        let (x, y) = (images(1, shape), images(2, shape));
        let project = |x: &Tensor<4>| constraint.project(x.clone());
        let (px, py) = (project(&x), project(&y));
        assert!(apart(&values(project(&px)), &values(px.clone())) < 1e-6, "{index}: P is not idempotent");
        // <Px, y> = <x, Py> makes it orthogonal.
        let dot = |a: &Tensor<4>, b: &Tensor<4>| -> f32 { (a.clone() * b.clone()).sum().into_scalar() };
        assert!((dot(&px, &y) - dot(&x, &py)).abs() < 1e-3, "{index}: P is not symmetric");
        let once = constraint.put_back(y.clone(), &px);
        assert!(apart(&values(project(&once)), &values(px.clone())) < 1e-6, "{index}: not what is known");
        let twice = constraint.put_back(once.clone(), &px);
        assert!(apart(&values(twice), &values(once.clone())) < 1e-6, "{index}: not idempotent");
        // The unknown part stays as it was.
        let rest = |x: Tensor<4>| x.clone() - constraint.project(x);
        assert!(apart(&values(rest(once)), &values(rest(y))) < 1e-6, "{index}: the rest has moved");
        // The start knows what is known.
        assert!(apart(&values(project(&constraint.guess(&px))), &values(px)) < 1e-5, "{index}: the guess");
    }
}

#[test]
fn known_pixels_keep_their_values_to_the_bit() {
    let given = images(3, [1, 8, 12, 3]);
    let known = mask(9, [8, 12], 0.4);
    let constraint = Inpaint::new(&known, [8, 12], &device()).unwrap();
    let edit = Edit::of(&constraint, given.clone()).unwrap();
    let (result, given) = (edited(&edit, &[4], [8, 12, 3]), values(given));
    let mut drawn = 0;
    for (pixel, &known) in known.iter().enumerate() {
        for at in pixel * 3..pixel * 3 + 3 {
            if known == 1.0 {
                assert_eq!(result[at].to_bits(), given[at].to_bits());
            } else {
                drawn += usize::from(result[at] != given[at]);
            }
        }
    }
    assert!(drawn > 100, "{drawn}");
}

#[test]
fn luma_and_patch_means_stay_what_they_were() {
    let given = images(3, [1, 8, 12, 3]);
    for constraint in [&Colorize::default() as &dyn Constraint, &SuperResolve::new(4)] {
        let edit = Edit::of(constraint, given.clone()).unwrap();
        let result = edited(&edit, &[1, 2], [8, 12, 3]);
        let result = Tensor::<4>::from_data(TensorData::new(result, [2, 8, 12, 3]), &device());
        let expected = constraint.project(given.clone()).repeat_dim(0, 2);
        assert!(apart(&values(constraint.project(result)), &values(expected)) < 2e-6);
    }
}

#[test]
fn all_known_is_the_input_and_nothing_known_is_plain_sampling() {
    let given = images(3, [1, 8, 12, 3]);
    let all = Inpaint::new(&[1.0; 96], [8, 12], &device()).unwrap();
    assert_eq!(edited(&Edit::of(&all, given.clone()).unwrap(), &[7], [8, 12, 3]), values(given.clone()));
    let none = Inpaint::new(&[0.0; 96], [8, 12], &device()).unwrap();
    let seeds = [7, 8, 9];
    let condition = Condition::default();
    let device = device();
    let request = Request {
        shape: [3, 8, 12, 3],
        condition: &condition,
        clamp: true,
        device: &device,
        on_estimate: &mut |_| true,
    };
    let plain = sample_multistep(&Squash, &levels(), &mut SeedNoise::new(&seeds), request).unwrap();
    assert_eq!(edited(&Edit::of(&none, given).unwrap(), &seeds, [8, 12, 3]), values(plain));
}

#[test]
fn a_candidate_does_not_depend_on_its_batch() {
    let given = images(3, [1, 8, 12, 3]);
    for constraint in constraints() {
        let edit = Edit::of(&*constraint, given.clone()).unwrap();
        let all = edited(&edit, &[5, 6, 7], [8, 12, 3]);
        assert_eq!(edited(&edit, &[6], [8, 12, 3]), all[288..576]);
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let device = device();
    let story = |error: EditError| error.to_string();
    let wrong = story(Inpaint::new(&[1.0; 10], [4, 4], &device).err().unwrap());
    assert!(wrong.contains("10") && wrong.contains("4x4"), "{wrong}");
    assert!(matches!(Inpaint::new(&[0.5; 16], [4, 4], &device), Err(EditError::MaskValue { value: 0.5 })));
    let small = Inpaint::new(&[1.0; 16], [4, 4], &device).unwrap();
    let wrong = story(Edit::of(&small, images(1, [1, 8, 8, 3])).err().unwrap());
    assert!(wrong.contains("4x4") && wrong.contains("8x8"), "{wrong}");
    let wrong = story(SuperResolve::new(3).check([1, 8, 9, 3]).unwrap_err());
    assert!(wrong.contains("3x3") && wrong.contains('8'), "{wrong}");
    assert!(SuperResolve::new(0).check([1, 8, 8, 3]).is_err());
    assert_eq!(Colorize::default().check([1, 8, 8, 1]), Err(EditError::NoColor { channels: 1 }));
    for direction in [[0.0; 3], [f64::NAN, 0.0, 1.0]] {
        assert!(Colorize::along(direction).is_err());
    }
}

#[test]
fn slerp_is_safe_at_equal_opposite_and_missing_noises() {
    let mut stream = Stream::new(1, Purpose::Test, 0, 0);
    let mut noise = |n| stream.standard_normal(n).into_iter().map(f64::from).collect::<Vec<_>>();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    for n in [2, 3, 64, 65] {
        let (a, b) = (noise(n), noise(n));
        let opposite: Vec<f64> = a.iter().map(|x| -1.5 * x).collect();
        for b in [&b, &a, &opposite] {
            let (low, high) = (norm(&a).min(norm(b)), norm(&a).max(norm(b)));
            for i in 0..=10 {
                let place = f64::from(i) / 10.0;
                let between = slerp(&a, b, place);
                // Unequal lengths bend the arc a little inwards.
                assert!(norm(&between) > 0.7 * low && norm(&between) < 1.0 + high, "{n} {place}");
            }
            for (place, end) in [(0.0, &a), (1.0, b)] {
                let difference: Vec<f64> = slerp(&a, b, place).iter().zip(end).map(|(x, y)| x - y).collect();
                assert!(norm(&difference) < 1e-9 * (1.0 + norm(end)), "{n} {place}");
            }
        }
    }
    assert_eq!(slerp(&[0.0, 0.0], &[1.0, 1.0], 0.5), [0.5, 0.5]);
    assert!(slerp(&[1.0], &[-1.0], 0.5)[0].is_finite());
}

#[test]
fn noise_between_seeds_begins_and_ends_at_them() {
    let mut between = BetweenSeeds::new(3, 9, &[0.0, 0.25, 1.0]);
    let (mut first, mut second) = (SeedNoise::new(&[3]), SeedNoise::new(&[9]));
    for _ in 0..3 {
        let draw = between.standard_normal(3, 1000);
        assert_eq!(draw[..1000], first.standard_normal(1, 1000));
        assert_eq!(draw[2000..], second.standard_normal(1, 1000));
        let square = draw[1000..2000].iter().map(|v| v * v).sum::<f32>() / 1000.0;
        // Five standard errors of a variance.
        assert!((square - 1.0).abs() < 5.0 * (2.0f32 / 1000.0).sqrt(), "{square}");
    }
    let near = BetweenSeeds::near(3, &[9, 10], 0.1).standard_normal(2, 1000);
    let seed = SeedNoise::new(&[3]).standard_normal(1, 1000);
    for copy in near.chunks(1000) {
        let same = copy.iter().zip(&seed).map(|(a, b)| a * b).sum::<f32>() / 1000.0;
        assert!(same > 0.85, "{same}");
    }
}

#[test]
fn interpolation_begins_and_ends_where_its_noises_lead() {
    let device = device();
    let condition = Condition::default();
    let noise = |seed| SeedNoise::new(&[seed]).standard_normal(1, 48);
    let (a, b) = (noise(1), noise(2));
    let one = SamplingLevels::new(vec![80.0]).unwrap();
    let request = Request {
        shape: [5, 4, 4, 3],
        condition: &condition,
        clamp: true,
        device: &device,
        on_estimate: &mut |_| true,
    };
    let frames =
        values(interpolate(&Squash, &one, [&a, &b], &[0.0, 0.25, 0.5, 0.75, 1.0], &[0; 5], request).unwrap());
    for (frame, seed) in [(0, 1), (4, 2)] {
        let request = Request {
            shape: [1, 4, 4, 3],
            condition: &condition,
            clamp: true,
            device: &device,
            on_estimate: &mut |_| true,
        };
        let alone = sample_multistep(&Squash, &one, &mut SeedNoise::new(&[seed]), request).unwrap();
        assert!(apart(&frames[frame * 48..(frame + 1) * 48], &values(alone)) < 1e-5);
    }
}

/// The noise that a point comes from, found by the exact model, leads back to it.
#[test]
fn inversion_leads_back() {
    let model = GaussianMixture::single(vec![0.3, -0.2, 0.1], 0.5, 0.002).unwrap();
    let points = images(4, [16, 1, 1, 3]);
    let error = |n| {
        let levels = TrainingLevels::karras(n, 0.002, 80.0, 7.0).unwrap();
        let noise = invert(&model, points.clone(), &levels, &Condition::default()).unwrap();
        let back = model.consistency_function(noise * 80.0, &[80.0; 16]).unwrap();
        apart(&values(back), &values(points.clone()))
    };
    let (coarse, fine) = (error(40), error(160));
    assert!(coarse < 0.02 && fine < 0.002, "{coarse} {fine}");
}

#[test]
fn noise_is_estimated_on_flat_and_sloping_and_cut_off_images() {
    let shape = ImageShape { height: 64, width: 64, channels: 3 };
    for (ramp, base) in [(0.0f32, 0.1f32), (0.01, -0.3), (0.0, 1.0)] {
        for sigma in [0.02f32, 0.1, 0.3] {
            let noise = Stream::new(2, Purpose::Test, 0, 0).standard_normal(shape.n_values());
            let image = noise.iter().enumerate().map(|(i, z)| {
                // A third of the last image is mid grey, the rest white, where noise is cut off.
                let clean = if base == 1.0 && i / 192 < 21 { 0.0 } else { base + ramp * (i / 3 % 64) as f32 };
                (clean + sigma * z).clamp(-1.0, 1.0)
            });
            let found = estimate_noise(&image.collect::<Vec<_>>(), shape);
            let ratio = found / f64::from(sigma);
            assert!((0.8..1.2).contains(&ratio), "{base} {sigma}: {ratio}");
        }
    }
    assert_eq!(estimate_noise(&[0.2; 12], ImageShape { height: 2, width: 2, channels: 3 }), 0.0);
    assert_eq!(estimate_noise(&[0.2], ImageShape { height: 1, width: 1, channels: 1 }), 0.0);
}

#[test]
fn the_class_that_explains_the_known_part_is_found() {
    /// Class k knows one image, whatever it is shown.
    struct Memory(Vec<Tensor<4>>);
    impl Denoiser for Memory {
        fn denoise(&self, _: Tensor<4>, _: &[f64], condition: &Condition) -> Result<Tensor<4>, ModelError> {
            let labels = condition.labels.as_ref().expect("labels");
            Ok(Tensor::cat(labels.iter().map(|label| self.0[label.expect("a class")].clone()).collect(), 0))
        }
        fn sigma_min(&self) -> f64 {
            0.002
        }
    }
    let model = Memory((0..3).map(|seed| images(seed, [1, 8, 8, 3])).collect());
    let half: Vec<f32> = (0..64).map(|i| if i < 32 { 1.0 } else { 0.0 }).collect();
    let inpaint = Inpaint::new(&half, [8, 8], &device()).unwrap();
    let super_resolve = SuperResolve::new(2);
    for class in 0..3 {
        for edit in [
            Edit::of(&inpaint, model.0[class].clone()).unwrap(),
            Edit::of(&super_resolve, model.0[class].clone()).unwrap(),
            Edit::from(model.0[class].clone()),
        ] {
            let errors = class_errors(&model, &edit, 3, 0).unwrap();
            let best = (0..3).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap();
            assert_eq!(best, class, "{errors:?}");
        }
    }
}

#[test]
fn every_task_has_levels_for_any_number_of_steps() {
    let range = NoiseRange::default();
    for task in Task::ALL {
        for n in [1, 2, 4, 10, 40] {
            let levels = task.levels(n, &range, 7.0).unwrap();
            assert_eq!(levels.as_slice().len(), n, "{task:?}");
        }
        assert!(task.levels(0, &range, 7.0).is_err());
        assert_eq!(serde_json::to_string(&task).unwrap(), format!("\"{}\"", task.name()));
    }
    assert_eq!(Task::Stroke.levels(2, &range, 7.0).unwrap().as_slice(), [5.38, 2.24]);
}
