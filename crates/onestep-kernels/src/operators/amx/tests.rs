//! Products of tiles against the plain ways, at every instruction set that has them; the plain twin is one on any machine.

use super::super::attention;
use super::super::convolution::Convolution;
use super::super::geometry::{Conv2dOptions, Geometry};
use super::super::heads::AttentionSizes;
use super::super::images::{Images, Stored, Values};
use super::super::norm::{Moments, Norm, NormActOptions, Source};
use super::forward::suits;
use super::packing::TileSource;
use super::weight_gradient::{Cut, cut_as};
use crate::loops::{Activation, Kernels, TileLoops, round, widen};
use crate::plain::{assert_close, numbers};
use crate::simd::{Level, Precision};

fn tiled() -> Vec<(Level, Kernels, TileLoops)> {
    let with_tiles = |level| Kernels::of(level).tiles.map(|tiles| (level, Kernels::of(level), tiles));
    let found: Vec<_> = Level::available().into_iter().filter_map(with_tiles).collect();
    assert!(found.iter().any(|found| found.0 == Level::Wide));
    found
}

fn geometry(
    batch: usize,
    size: [usize; 2],
    [inputs, outputs]: [usize; 2],
    kernel: usize,
    padding: [usize; 4],
) -> Geometry {
    Geometry { batch, size, inputs, kernel: [kernel; 2], outputs, options: Conv2dOptions::new(1, padding) }
}

/// Rows of whole tiles and others, few and many pixels, odd numbers of channels, lopsided borders.
fn geometries() -> Vec<Geometry> {
    let found = vec![
        geometry(3, [16, 16], [32, 32], 3, [1; 4]),
        geometry(2, [32, 32], [40, 17], 3, [1; 4]),
        geometry(5, [7, 6], [33, 50], 3, [1; 4]),
        geometry(2, [9, 16], [16, 3], 3, [2, 0, 0, 1]),
        geometry(7, [4, 4], [64, 32], 3, [1; 4]),
        geometry(2, [8, 8], [70, 33], 1, [0; 4]),
        geometry(1, [1, 1], [20, 5], 1, [0; 4]),
        geometry(2, [11, 13], [24, 24], 2, [0, 1, 1, 0]),
        // More than are packed once for all tasks.
        geometry(30, [16, 16], [64, 48], 3, [1; 4]),
        geometry(60, [10, 12], [32, 16], 3, [1; 4]),
    ];
    assert!(found.iter().all(suits));
    found
}

/// Everything that a convolution of this geometry can be told.
struct Told {
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
    gain: Vec<f32>,
    offset: Vec<f32>,
}

impl Told {
    fn new(geometry: &Geometry) -> Self {
        let count = |shape: [usize; 4]| shape.iter().product::<usize>();
        Self {
            // A mean that is large beside the deviation.
            input: numbers(count(geometry.input_shape()), 1).into_iter().map(|x| x + 3.0).collect(),
            weight: numbers(count(geometry.weight_shape()), 2),
            bias: numbers(geometry.batch * geometry.outputs, 3).into_iter().map(|x| x - 20.0).collect(),
            residual: numbers(count(geometry.output_shape()), 4),
            gain: numbers(geometry.inputs, 5),
            offset: numbers(geometry.inputs, 6),
        }
    }

    fn convolution(&self, geometry: &Geometry, precision: Precision) -> Convolution<&[f32]> {
        let options = NormActOptions { groups: 1, epsilon: 1e-5, activation: Activation::Silu };
        Convolution {
            norm: Some(Norm { gain: &self.gain[..], offset: &self.offset, scale_shift: None, options }),
            bias: Some(&self.bias),
            residual: Some(&self.residual),
            factor: 0.7,
            precision,
            ..Convolution::new(&self.input[..], &self.weight[..], geometry.options)
        }
    }

    /// The output, and the place where its moments were left.
    fn forward(&self, kernels: &Kernels, geometry: &Geometry, precision: Precision) -> (Vec<f32>, Moments) {
        let moments = Moments::new();
        let convolution =
            Convolution { output_moments: Some(moments.clone()), ..self.convolution(geometry, precision) };
        let images = Images::new(&self.input, geometry.input_shape());
        let norm = convolution.norm.unwrap();
        let affine = norm.affine(&images);
        (convolution.forward(kernels, geometry, &norm.source(images, &affine)), moments)
    }
}

#[test]
fn norm_bias_residual_and_factor_are_part_of_it() {
    for geometry in geometries() {
        let told = Told::new(&geometry);
        let exact = told.forward(&Kernels::of(Level::Portable), &geometry, Precision::F32).0;
        let exact: Vec<f64> = exact.into_iter().map(f64::from).collect();
        for (level, kernels, _) in tiled() {
            let found = told.forward(&kernels, &geometry, Precision::Bf16).0;
            assert_close(&found, &exact, 0.01, &format!("{level:?} of {geometry:?}"));
        }
    }
}

#[test]
fn moments_are_those_of_the_result() {
    for geometry in geometries() {
        let told = Told::new(&geometry);
        let shape = geometry.output_shape();
        for (level, kernels, _) in tiled() {
            let (output, moments) = told.forward(&kernels, &geometry, Precision::Bf16);
            let known = moments.known(shape).expect("left by the convolution");
            let gain = vec![1.0; geometry.outputs];
            let options = NormActOptions { groups: 1, epsilon: 1e-5, activation: Activation::None };
            let norm = Norm { gain: &gain[..], offset: &gain, scale_shift: None, options };
            let images = Images::new(&output, shape);
            let normalised = |affine| norm.forward(images, &affine);
            let expected: Vec<f64> = normalised(norm.affine(&images)).into_iter().map(f64::from).collect();
            let found = normalised(norm.affine_by(geometry.batch, &known));
            assert_close(&found, &expected, 2e-5, &format!("{level:?} of {geometry:?}"));
            assert!(moments.known([shape[0], shape[1], shape[2], shape[3] + 1]).is_none());
        }
    }
}

#[test]
fn joined_moments_are_those_of_joined_images() {
    let geometry = geometry(2, [16, 16], [32, 24], 3, [1; 4]);
    let told = Told::new(&geometry);
    let (_, kernels, _) = tiled().pop().unwrap();
    let (output, moments) = told.forward(&kernels, &geometry, Precision::Bf16);
    let shape = [2, 16, 16, 48];
    let both: Vec<f32> =
        output.chunks_exact(24).flat_map(|pixel| pixel.iter().chain(pixel).copied()).collect();
    let gain = vec![1.0; 48];
    // Groups that lie in one part, in the other, and across both.
    for groups in [1, 3, 4] {
        let options = NormActOptions { groups, epsilon: 1e-5, activation: Activation::None };
        let norm = Norm { gain: &gain[..], offset: &gain, scale_shift: None, options };
        let images = Images::new(&both, shape);
        let joined = Moments::joined([moments.clone(), moments.clone()]);
        let found = norm.forward(images, &norm.affine_by(2, &joined.known(shape).unwrap()));
        let expected = norm.forward(images, &norm.affine(&images));
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        assert_close(&found, &expected, 2e-5, &format!("{groups} groups"));
    }
    assert!(Moments::joined([moments, Moments::new()]).known(shape).is_none(), "half of it is not known");
}

#[test]
fn a_sample_has_the_same_bits_in_any_batch_and_on_any_number_of_threads() {
    for geometry in geometries() {
        for (level, kernels, _) in tiled() {
            let run = |batch: usize, threads: usize| {
                let geometry = Geometry { batch, ..geometry };
                let told = Told::new(&geometry);
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let (output, moments) = pool.install(|| told.forward(&kernels, &geometry, Precision::Bf16));
                let merged = moments.known(geometry.output_shape()).unwrap();
                let gain = vec![1.0; geometry.outputs];
                let options = NormActOptions { groups: 1, epsilon: 0.0, activation: Activation::None };
                let norm = Norm { gain: &gain[..], offset: &gain, scale_shift: None, options };
                let affine = norm.affine_by(1, &merged);
                let first = output.len() / batch;
                let bits: Vec<u32> = output[..first].iter().map(|x| x.to_bits()).collect();
                (bits, format!("{affine:?}"))
            };
            // The numbers of a sample do not depend on how many follow.
            let alone = run(1, 1);
            for (batch, threads) in [(1, 3), (geometry.batch, 1), (geometry.batch, 2), (geometry.batch, 5)] {
                assert!(
                    run(batch, threads) == alone,
                    "{batch} on {threads} threads, {level:?} of {geometry:?}"
                );
            }
        }
    }
}

#[test]
fn halves_are_the_rounded_numbers() {
    for geometry in geometries() {
        let told = Told::new(&geometry);
        let halved = |values: &[f32]| {
            let mut bits = vec![0; values.len()];
            round(values, &mut bits);
            bits
        };
        let [input, residual] = [&told.input, &told.residual].map(|values| halved(values));
        let mut wide = [vec![0.0; input.len()], vec![0.0; residual.len()]];
        widen(&input, &mut wide[0]);
        widen(&residual, &mut wide[1]);
        for (level, kernels, loops) in tiled() {
            let plain = Convolution { norm: None, ..told.convolution(&geometry, Precision::Bf16) };
            let full = Convolution { input: &wide[0][..], residual: Some(&wide[1][..]), ..plain.clone() };
            let source = Source::plain(Images::new(&wide[0], geometry.input_shape()));
            let full = full.forward(&kernels, &geometry, &source);
            let half = Convolution {
                input: Values::Half(&input),
                residual: Some(Values::Half(&residual)),
                store: Precision::Bf16,
                ..plain.map(|values| Values::Full(values))
            };
            let Stored::Half(found) = half.by_tiles(&loops, &geometry, None) else {
                panic!("asked for halves")
            };
            assert_eq!(found, halved(&full), "{level:?} of {geometry:?}");
        }
    }
}

#[test]
fn weight_gradients_are_summed_over_pieces_of_a_batch() {
    let geometry = geometry(7, [6, 10], [33, 40], 3, [1; 4]);
    let told = Told::new(&geometry);
    let gradient = numbers(geometry.output_shape().iter().product(), 9);
    for (level, _, loops) in tiled() {
        let source = TileSource::new(Values::Full(&told.input), None);
        let run = |[groups, packed, near]: [usize; 3]| {
            cut_as(&loops, &geometry, &source, &gradient, Cut { groups, packed, near })
        };
        let whole: Vec<f64> = run([1, usize::MAX, usize::MAX]).into_iter().map(f64::from).collect();
        for cut in [[1, 1, 1], [1, 200 * 1024, 1], [1, 300 * 1024, 100 * 1024], [7, 1, 1], [3, 300 * 1024, 1]]
        {
            assert_close(&run(cut), &whole, 1e-5, &format!("{cut:?} at {level:?}"));
        }
    }
}

#[test]
fn weight_gradients_are_near_the_formula() {
    for geometry in [
        // Rows of one step and of two, with kernels that share copies and that do not.
        geometry(2, [5, 32], [70, 150], 3, [1; 4]),
        geometry(2, [4, 64], [33, 40], 3, [2, 0, 0, 2]),
        geometry(3, [6, 33], [20, 17], 2, [0, 1, 0, 0]),
        geometry(1, [3, 32], [16, 300], 1, [0; 4]),
        geometry(2, [6, 10], [40, 130], 3, [1; 4]),
    ] {
        let told = Told::new(&geometry);
        let gradient = numbers(geometry.output_shape().iter().product(), 9);
        let [height, width] = geometry.output_size();
        let [kernel_h, kernel_w] = geometry.kernel;
        let mut exact = vec![0.0f64; geometry.weight_shape().iter().product()];
        for (image, tap, pixel) in (0..geometry.batch)
            .flat_map(|image| (0..kernel_h * kernel_w).map(move |tap| (image, tap)))
            .flat_map(|(image, tap)| (0..height * width).map(move |pixel| (image, tap, pixel)))
        {
            let Some(seen) = geometry.input_pixel(tap, [pixel / width, pixel % width]) else { continue };
            let (inputs, outputs) = (geometry.inputs, geometry.outputs);
            let seen = image * geometry.size[0] * geometry.size[1] + seen;
            let gradient = &gradient[(image * height * width + pixel) * outputs..][..outputs];
            for (input, x) in told.input[seen * inputs..][..inputs].iter().enumerate() {
                let row = &mut exact[(tap * inputs + input) * outputs..][..outputs];
                row.iter_mut().zip(gradient).for_each(|(sum, dy)| *sum += f64::from(*x) * f64::from(*dy));
            }
        }
        for (level, _, loops) in tiled() {
            let source = TileSource::new(Values::Full(&told.input), None);
            // What is near has room for all shapes of a task, down to the smallest.
            for near in [usize::MAX, 100 * 1024, 50 * 1024, 20 * 1024, 1] {
                let cut = Cut { groups: 1, packed: 300 * 1024, near };
                let found = cut_as(&loops, &geometry, &source, &gradient, cut);
                assert_close(&found, &exact, 0.01, &format!("{geometry:?} near {near} at {level:?}"));
            }
        }
    }
}

#[test]
fn norms_of_halves_are_those_of_their_numbers_rounded() {
    let shape = [2, 40, 30, 33];
    let mut halves = vec![0; shape.iter().product()];
    round(&numbers(halves.len(), 3), &mut halves);
    let mut wide = vec![0.0; halves.len()];
    widen(&halves, &mut wide);
    let (gain, offset) = (numbers(33, 4), numbers(33, 5));
    let options = NormActOptions { groups: 3, epsilon: 1e-5, activation: Activation::Silu };
    let norm = Norm { gain: &gain[..], offset: &offset[..], scale_shift: None, options };
    let Stored::Half(found) = norm.normalised(Values::Half(&halves), shape) else { panic!("not halves") };
    let full = norm.normalised(Values::Full(&wide), shape).into_full();
    let Stored::Half(expected) = Stored::rounded(&full) else { panic!("not halves") };
    assert_eq!(found, expected);
}

#[test]
fn attention_is_near_the_exact_one() {
    for [batch, tokens, heads, width] in [[2, 16, 1, 32], [1, 77, 3, 20], [2, 130, 2, 64], [3, 1, 1, 5]] {
        let qkv = numbers(batch * tokens * 3 * heads * width, 1);
        let sizes = AttentionSizes::new([batch, tokens, 3 * heads * width], heads);
        let portable = Kernels::of(Level::Portable);
        let exact = attention::forward(&portable, &sizes, Values::Full(&qkv), Precision::F32);
        let exact: Vec<f64> = exact.into_full().into_iter().map(f64::from).collect();
        for (level, kernels, _) in tiled() {
            let near = attention::forward(&kernels, &sizes, Values::Full(&qkv), Precision::Bf16);
            assert_close(&near.into_full(), &exact, 0.02, &format!("{sizes:?} at {level:?}"));
            let mut bits = vec![0; qkv.len()];
            round(&qkv, &mut bits);
            let halves = attention::forward(&kernels, &sizes, Values::Half(&bits), Precision::Bf16);
            assert!(matches!(halves, Stored::Half(_)));
            assert_close(&halves.into_full(), &exact, 0.03, &format!("halves of {sizes:?} at {level:?}"));
        }
    }
}

#[test]
fn gradients_of_attention_are_near_the_exact_ones() {
    for [batch, tokens, heads, width] in
        [[2, 16, 1, 32], [1, 77, 3, 20], [2, 130, 2, 64], [1, 100, 1, 40], [3, 1, 1, 5]]
    {
        let qkv = numbers(batch * tokens * 3 * heads * width, 1);
        let gradient = numbers(batch * tokens * heads * width, 2);
        let sizes = AttentionSizes::new([batch, tokens, 3 * heads * width], heads);
        let run =
            |kernels: &Kernels, precision| attention::backward(kernels, &sizes, &qkv, &gradient, precision);
        let exact = run(&Kernels::of(Level::Portable), Precision::F32);
        let exact: Vec<f64> = exact.into_iter().map(f64::from).collect();
        for (level, kernels, _) in tiled() {
            let near = run(&kernels, Precision::Bf16);
            assert_close(&near, &exact, 0.02, &format!("{sizes:?} at {level:?}"));
            let rounded = near.iter().map(|near| f64::from(*near)).collect::<Vec<_>>() != exact;
            assert!(rounded, "{sizes:?} at {level:?}: nothing was rounded");
        }
    }
}
