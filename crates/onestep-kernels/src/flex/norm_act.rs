//! Group normalisation with its affine map and activation, and their gradients, in f32.
//!
//! Each image is cut into fixed runs of pixels. The statistics of a run are taken per channel around its own mean while it
//! is in cache, and runs are merged in f64, so one pass over memory is enough and nothing cancels. A second pass applies
//! y = activation((x − mean) · factor + term) with one mean, factor and term per image and channel.

#![allow(unsafe_code, reason = "tasks write disjoint runs of pixels of the outputs")]

use super::kernels::Kernels;
use super::memory::{Shared, filled, filled_each};
use super::threads::each;
use crate::activation::Activation;
use crate::norm_act::NormActOptions;

/// The tensors of one call.
#[derive(Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub input: &'a [f32],
    pub gain: &'a [f32],
    pub offset: &'a [f32],
    /// `[batch, channels]` each.
    pub scale: Option<&'a [f32]>,
    pub shift: Option<&'a [f32]>,
    pub batch: usize,
    pub pixels: usize,
    pub channels: usize,
    pub options: NormActOptions,
}

/// For each image and channel, what maps an input to the argument of the activation.
#[derive(Debug)]
pub(crate) struct Affine {
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse: Vec<f32>,
    factor: Vec<f32>,
    term: Vec<f32>,
}

/// A normalisation whose statistics are known, to be applied while something else reads the pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prologue<'a> {
    pub affine: &'a Affine,
    pub activation: Activation,
    pub channels: usize,
}

impl Prologue<'_> {
    /// Applies it to some pixels of an image.
    pub(crate) fn apply(&self, image: usize, input: &[f32], output: &mut [f32]) {
        let of_image = image * self.channels..(image + 1) * self.channels;
        let affine = [&self.affine.mean, &self.affine.factor, &self.affine.term]
            .map(|values| &values[of_image.clone()]);
        // SAFETY: the loops are those of this machine; they check their slices.
        unsafe { (Kernels::best().norm.apply[which(self.activation)])(input, affine, output) }
    }
}

/// The gradients with respect to everything a call was given.
pub(crate) struct Gradients {
    pub input: Vec<f32>,
    pub gain: Vec<f32>,
    pub offset: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

impl Norm<'_> {
    /// Pixels of a run: about 32 KB.
    fn run(&self) -> usize {
        (8192 / self.channels.max(1)).clamp(1, self.pixels.max(1))
    }

    fn runs(&self) -> usize {
        self.pixels.div_ceil(self.run())
    }

    /// The elements of a run, counted through the batch.
    fn elements(&self, index: usize) -> std::ops::Range<usize> {
        let (image, first) = (index / self.runs(), index % self.runs() * self.run());
        let start = image * self.pixels + first;
        let end = image * self.pixels + (first + self.run()).min(self.pixels);
        start * self.channels..end * self.channels
    }

    /// Runs `task(image, elements, result row)` for each run, filling `[batch, runs, width]`.
    fn per_run(
        &self,
        width: usize,
        task: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync,
    ) -> Vec<f32> {
        let runs = self.runs();
        let body = |index: usize, shared: Shared| {
            // SAFETY: each task has its own row of the result.
            task(index / runs, self.elements(index), unsafe { shared.slice(index * width, width) });
        };
        // SAFETY: all rows are handed out; the tasks of this module write them whole.
        unsafe { filled(self.batch * runs * width, self.batch * runs, body) }
    }

    /// Runs `task(image, elements)` for each run, filling a tensor like the input.
    fn per_pixel(&self, task: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
        let runs = self.runs();
        let body = |index: usize, shared: Shared| {
            let range = self.elements(index);
            // SAFETY: each task has its own run; the tasks of this module write it whole.
            let output = unsafe { shared.slice(range.start, range.len()) };
            task(index / runs, range, output);
        };
        // SAFETY: as above.
        unsafe { filled(self.input.len(), self.batch * runs, body) }
    }

    fn per_group(&self) -> usize {
        self.channels / self.options.groups
    }

    pub(crate) fn affine(&self) -> Affine {
        let channels = self.channels;
        // For each run and channel, the mean and the sum of squares around it.
        let moments = self.per_run(2 * channels, |_, range, row| {
            let (mean, squares) = row.split_at_mut(channels);
            // SAFETY: the loops are those of this machine; they check their slices.
            unsafe { (Kernels::best().norm.moments)(&self.input[range], [mean, squares]) }
        });
        let length = self.batch * channels;
        let mut affine = Affine {
            mean: vec![0.0; length],
            inverse: vec![0.0; length],
            factor: vec![0.0; length],
            term: vec![0.0; length],
        };
        let per_group = self.per_group();
        for image in 0..self.batch {
            let rows = &moments[image * self.runs() * 2 * channels..][..self.runs() * 2 * channels];
            for group in 0..self.options.groups {
                let members = group * per_group..(group + 1) * per_group;
                let mut total = Moments::default();
                for (run, row) in rows.chunks_exact(2 * channels).enumerate() {
                    let count = self.run().min(self.pixels - run * self.run()) as f64;
                    for channel in members.clone() {
                        total.merge(count, row[channel].into(), row[channels + channel].into());
                    }
                }
                let inverse = 1.0 / (total.squares / total.count.max(1.0) + self.options.epsilon).sqrt();
                for channel in members {
                    let at = image * channels + channel;
                    let scale = self.scale.map_or(1.0, |scale| 1.0 + scale[at]);
                    affine.mean[at] = total.mean as f32;
                    affine.inverse[at] = inverse as f32;
                    affine.factor[at] = inverse as f32 * self.gain[channel] * scale;
                    affine.term[at] =
                        self.offset[channel] * scale + self.shift.map_or(0.0, |shift| shift[at]);
                }
            }
        }
        affine
    }

    pub(crate) fn forward(&self, affine: &Affine) -> Vec<f32> {
        let prologue = self.prologue(affine);
        self.per_pixel(|image, range, output| prologue.apply(image, &self.input[range], output))
    }

    pub(crate) fn prologue<'a>(&self, affine: &'a Affine) -> Prologue<'a> {
        Prologue { affine, activation: self.options.activation, channels: self.channels }
    }

    /// The tangent of the output, from the tangents of the input and of scale and shift.
    ///
    /// With n the normalised input and means over the group: n' = inverse · (x' − mean of x' − n · mean of n x'), and the
    /// argument of the activation moves by n' · gain · (1 + scale) + (n · gain + offset) · scale' + shift'.
    pub(crate) fn tangent(
        &self,
        affine: &Affine,
        tangent: &[f32],
        scale_shift_tangent: Option<[&[f32]; 2]>,
    ) -> Vec<f32> {
        let (channels, runs) = (self.channels, self.runs());
        let sums = self.per_run(2 * channels, |image, range, row| {
            let at = image * channels..(image + 1) * channels;
            let affine = [&affine.mean[at.clone()], &affine.inverse[at]];
            let data = [&self.input[range.clone()], &tangent[range]];
            // SAFETY: the loops are those of this machine; they check their slices.
            unsafe { (Kernels::best().norm.along)(data, affine, row.split_at_mut(channels).into()) }
        });
        let [mut slope, mut constant] = [0; 2].map(|_| vec![0.0f32; self.batch * channels]);
        let per_group = self.per_group();
        let count = (self.pixels * per_group).max(1) as f64;
        for image in 0..self.batch {
            let rows = &sums[image * runs * 2 * channels..][..runs * 2 * channels];
            for group in 0..self.options.groups {
                let members = group * per_group..(group + 1) * per_group;
                let mut means = [0.0f64; 2];
                for row in rows.chunks_exact(2 * channels) {
                    for channel in members.clone() {
                        means[0] += f64::from(row[channel]) / count;
                        means[1] += f64::from(row[channels + channel]) / count;
                    }
                }
                for channel in members {
                    let at = image * channels + channel;
                    let [inverse, factor] = [affine.inverse[at], affine.factor[at]].map(f64::from);
                    let [scale, shift] =
                        scale_shift_tangent.map_or([0.0; 2], |both| both.map(|values| f64::from(values[at])));
                    let [gain, offset] = [self.gain[channel], self.offset[channel]].map(f64::from);
                    slope[at] = (inverse * (gain * scale - factor * means[1])) as f32;
                    constant[at] = (offset * scale + shift - factor * means[0]) as f32;
                }
            }
        }
        self.per_pixel(|image, range, output| {
            let at = image * channels..(image + 1) * channels;
            let affine = [&affine.mean, &affine.factor, &affine.term, &slope, &constant]
                .map(|values| &values[at.clone()]);
            let data = [&self.input[range.clone()], &tangent[range]];
            // SAFETY: the loops are those of this machine; they check their slices.
            unsafe { (Kernels::best().norm.tangent[which(self.options.activation)])(data, affine, output) }
        })
    }

    /// The gradients, from the gradient of the output.
    ///
    /// With z the argument of the activation, n the normalised input and N the elements of a group:
    /// dz = dy · activation'(z), and dx = inverse · (k dz − mean of k dz − n · mean of k dz n), where k = gain · (1 + scale) and
    /// the means are over the group. Everything else follows from the sums of dz and dz n per image and channel.
    pub(crate) fn backward(&self, affine: &Affine, gradient: &[f32]) -> Gradients {
        let channels = self.channels;
        let runs = self.runs();
        let body = |index: usize, [slopes, sums]: [Shared; 2]| {
            let (image, range) = (index / runs, self.elements(index));
            let at = image * channels..(image + 1) * channels;
            // SAFETY: each task has its own run and its own row of the sums, and writes them whole.
            let (slopes, row) = unsafe {
                (slopes.slice(range.start, range.len()), sums.slice(index * 2 * channels, 2 * channels))
            };
            let sums: [&mut [f32]; 2] = row.split_at_mut(channels).into();
            let affine = [&affine.mean, &affine.inverse, &affine.factor, &affine.term]
                .map(|values| &values[at.clone()]);
            let (input, gradient) = (&self.input[range.clone()], &gradient[range]);
            // SAFETY: the loops are those of this machine; they check their slices.
            unsafe {
                let slopes_of = Kernels::best().norm.slopes[which(self.options.activation)];
                slopes_of([input, gradient], affine, slopes, sums);
            }
        };
        let tasks = self.batch * runs;
        // SAFETY: as above.
        let [mut slopes, sums] =
            unsafe { filled_each([self.input.len(), tasks * 2 * channels], tasks, body) };

        let mut result = Gradients {
            input: Vec::new(),
            gain: vec![0.0; channels],
            offset: vec![0.0; channels],
            scale: vec![0.0; self.batch * channels],
            shift: vec![0.0; self.batch * channels],
        };
        // dx = (dz · factor) − x-independent part − (x − mean) · slope, the latter two constant over a group.
        let [mut constant, mut slope] = [0; 2].map(|_| vec![0.0f32; self.batch * channels]);
        let mut totals = vec![[0.0f64; 2]; channels];
        let mut parameters = vec![[0.0f64; 2]; channels];
        for image in 0..self.batch {
            totals.fill([0.0; 2]);
            for row in sums[image * self.runs() * 2 * channels..][..self.runs() * 2 * channels]
                .chunks_exact(2 * channels)
            {
                for (channel, total) in totals.iter_mut().enumerate() {
                    total[0] += f64::from(row[channel]);
                    total[1] += f64::from(row[channels + channel]);
                }
            }
            for (channel, [plain, weighted]) in totals.iter().copied().enumerate() {
                let at = image * channels + channel;
                let scale = self.scale.map_or(1.0, |scale| 1.0 + f64::from(scale[at]));
                let [gain, offset] = [self.gain[channel], self.offset[channel]].map(f64::from);
                result.shift[at] = plain as f32;
                result.scale[at] = (gain * weighted + offset * plain) as f32;
                parameters[channel][0] += scale * weighted;
                parameters[channel][1] += scale * plain;
            }
            let per_group = self.per_group();
            for group in 0..self.options.groups {
                let members = group * per_group..(group + 1) * per_group;
                let count = (self.pixels * per_group) as f64;
                let mut means = [0.0f64; 2];
                for channel in members.clone() {
                    let scale =
                        self.scale.map_or(1.0, |scale| 1.0 + f64::from(scale[image * channels + channel]));
                    let k = f64::from(self.gain[channel]) * scale;
                    means[0] += k * totals[channel][0] / count;
                    means[1] += k * totals[channel][1] / count;
                }
                for channel in members {
                    let at = image * channels + channel;
                    let inverse = f64::from(affine.inverse[at]);
                    constant[at] = (inverse * means[0]) as f32;
                    slope[at] = (inverse * inverse * means[1]) as f32;
                }
            }
        }
        for (channel, [gain, offset]) in parameters.into_iter().enumerate() {
            result.gain[channel] = gain as f32;
            result.offset[channel] = offset as f32;
        }

        let shared = Shared::new(&mut slopes);
        each(tasks, |index| {
            let (image, range) = (index / runs, self.elements(index));
            let at = image * channels..(image + 1) * channels;
            let affine = [&affine.mean, &affine.factor, &constant, &slope].map(|values| &values[at.clone()]);
            // SAFETY: each task has its own run; the loops are those of this machine.
            unsafe {
                let slopes = shared.slice(range.start, range.len());
                (Kernels::best().norm.input)(&self.input[range], affine, slopes);
            }
        });
        result.input = slopes;
        result
    }
}

/// The number of the loop for an activation.
fn which(activation: Activation) -> usize {
    match activation {
        Activation::None => 0,
        Activation::Silu => 1,
    }
}

/// Count, mean and sum of squares around the mean, merged pairwise (Chan et al. 1979).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn merge(&mut self, count: f64, mean: f64, squares: f64) {
        let total = self.count + count;
        let difference = mean - self.mean;
        self.squares += squares + difference * difference * self.count * count / total;
        self.mean += difference * count / total;
        self.count = total;
    }
}
