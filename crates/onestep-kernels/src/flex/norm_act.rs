//! Group normalisation with its affine map and activation, and their gradients, in f32.
//!
//! Each image is cut into fixed runs of pixels. The statistics of a run are taken per channel around its own mean while it
//! is in cache, and runs are merged in f64, so one pass over memory is enough and nothing cancels. A second pass applies
//! y = activation((x − mean) · factor + term) with one mean, factor and term per image and channel.

#![allow(unsafe_code, reason = "tasks write disjoint runs of pixels of the outputs")]

use super::memory::{Shared, filled};
use super::norm_loops::{
    apply_linear, apply_silu, input_linear, input_silu, moments, sums_linear, sums_silu,
};
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
        let [mean, factor, term] = [&self.affine.mean, &self.affine.factor, &self.affine.term]
            .map(|values| &values[of_image.clone()]);
        match self.activation {
            Activation::None => apply_linear(input, mean, factor, term, output),
            Activation::Silu => apply_silu(input, mean, factor, term, output),
        }
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

    /// Runs `task(image, first pixel, pixels, result row)` for each run, filling `[batch, runs, width]`.
    fn per_run(
        &self,
        width: usize,
        task: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync,
    ) -> Vec<f32> {
        let (run, runs) = (self.run(), self.runs());
        let body = |index: usize, shared: Shared| {
            let (image, first) = (index / runs, index % runs * run);
            let start = image * self.pixels + first;
            let end = image * self.pixels + (first + run).min(self.pixels);
            // SAFETY: each task has its own row of the result.
            task(image, start * self.channels..end * self.channels, unsafe {
                shared.slice(index * width, width)
            });
        };
        // SAFETY: all rows are handed out; the tasks of this module write them whole.
        unsafe { filled(self.batch * runs * width, self.batch * runs, body) }
    }

    /// Runs `task(image, elements)` for each run, filling a tensor like the input.
    fn per_pixel(&self, task: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync) -> Vec<f32> {
        let (run, runs) = (self.run(), self.runs());
        let body = |index: usize, shared: Shared| {
            let (image, first) = (index / runs, index % runs * run);
            let start = (image * self.pixels + first) * self.channels;
            let end = (image * self.pixels + (first + run).min(self.pixels)) * self.channels;
            // SAFETY: each task has its own run; the tasks of this module write it whole.
            task(image, start..end, unsafe { shared.slice(start, end - start) });
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
            moments(&self.input[range], mean, squares);
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

    /// The gradients, from the gradient of the output.
    ///
    /// With z the argument of the activation, n the normalised input and N the elements of a group:
    /// dz = dy · activation'(z), and dx = inverse · (k dz − mean of k dz − n · mean of k dz n), where k = gain · (1 + scale) and
    /// the means are over the group. Everything else follows from the sums of dz and dz n per image and channel.
    pub(crate) fn backward(&self, affine: &Affine, gradient: &[f32]) -> Gradients {
        let channels = self.channels;
        let sums = self.per_run(2 * channels, |image, range, row| {
            let at = image * channels..(image + 1) * channels;
            let (plain, weighted) = row.split_at_mut(channels);
            let [mean, inverse, factor, term] = [&affine.mean, &affine.inverse, &affine.factor, &affine.term]
                .map(|values| &values[at.clone()]);
            let (input, gradient) = (&self.input[range.clone()], &gradient[range]);
            match self.options.activation {
                Activation::None => sums_linear(input, gradient, [mean, inverse], plain, weighted),
                Activation::Silu => {
                    sums_silu(input, gradient, [mean, inverse, factor, term], plain, weighted)
                }
            }
        });

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

        result.input = self.per_pixel(|image, range, output| {
            let at = image * channels..(image + 1) * channels;
            let [mean, factor, term, constant, slope] =
                [&affine.mean, &affine.factor, &affine.term, &constant, &slope]
                    .map(|values| &values[at.clone()]);
            let (input, gradient) = (&self.input[range.clone()], &gradient[range]);
            match self.options.activation {
                Activation::None => input_linear(input, gradient, [mean, factor, constant, slope], output),
                Activation::Silu => {
                    input_silu(input, gradient, [mean, factor, term, constant, slope], output)
                }
            }
        });
        result
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
