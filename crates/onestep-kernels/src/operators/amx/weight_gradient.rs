//! The weight gradient of a convolution by tiles: sums over pixels of outer products of inputs and output gradients.
//!
//! Pixels are the depth here. The gradients are packed with their channels as lines, 32 pixels each; the inputs as pairs of
//! neighbouring pixels, in copies for the columns of the kernel so that pairs begin at even pixels, while rows of the kernel are
//! offsets. A task sums up to 128 outputs by 64 inputs for all taps, over as many images at a time as it is told are near.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use super::super::geometry::Geometry;
use super::forward::suits;
use super::packing::{Packing, TileSource};
use crate::blocking::{Shared, each, filled, threads, with_lines};
use crate::loops::{OuterProduct, PairJob, SUMS, TileJob, TileLoops, UnpackJob};
use crate::simd::Line;

/// Pixels of a step.
const STEP: usize = 32;
/// Lines of a tile.
const TILE: usize = 16;

/// Whether the weight gradient can be summed in tiles: pairs of pixels must not cross rows.
pub(crate) fn suits_gradient(geometry: &Geometry) -> bool {
    suits(geometry) && geometry.output_size()[1].is_multiple_of(2)
}

/// Where the lines of some images lie in one buffer: inputs, `[copy][block][half][image]`, then gradients, `[half block][image][step]`,
/// then sums, `[tap][output block][input block]`.
struct Places {
    images: usize,
    copies: usize,
    /// Pairs of a row of a copy.
    row: usize,
    /// Pairs of a row's outputs, where a step is within a row.
    within: Option<usize>,
    blocks: [usize; 2],
    /// Lines of one image's inputs of one half of a block, an odd number.
    plane: usize,
    steps: usize,
}

impl Places {
    /// As many images as `buffer` bytes have room for.
    fn new(geometry: &Geometry, buffer: usize) -> Self {
        let ([height, width], [kernel_h, kernel_w]) = (geometry.output_size(), geometry.kernel);
        // Where a step is a part of one row, a row has pairs behind its outputs, too, and two columns of the kernel that are two apart
        // share a copy, one pair on.
        let within = width.is_multiple_of(STEP).then_some(width / 2);
        let (copies, behind) =
            if within.is_some() { (kernel_w.min(2), (kernel_w - 1) / 2) } else { (kernel_w, 0) };
        let row = width / 2 + behind;
        let mut places = Self {
            images: 1,
            copies,
            row,
            within,
            blocks: [geometry.inputs, geometry.outputs].map(|channels| channels.div_ceil(32)),
            plane: ((height + kernel_h - 1) * row + TILE) | 1,
            steps: (height * width).div_ceil(STEP),
        };
        places.images = (buffer / (places.sums() * size_of::<Line>())).clamp(1, geometry.batch);
        places
    }

    fn input(&self, copy: usize, block: usize, half: usize, image: usize) -> usize {
        (((copy * self.blocks[0] + block) * 2 + half) * self.images + image) * self.plane
    }

    /// The copy that a column of the kernel reads, and how many pairs on.
    fn column(&self, x: usize) -> [usize; 2] {
        if self.within.is_some() { [x % 2, x / 2] } else { [x, 0] }
    }

    /// Lines from an image's first to those of a step.
    fn step(&self, step: usize) -> usize {
        self.within.map_or(step * TILE, |pairs| step * TILE / pairs * self.row + step * TILE % pairs)
    }

    fn gradient(&self, half_block: usize, image: usize, step: usize) -> usize {
        self.input(self.copies, 0, 0, 0) + ((half_block * self.images + image) * self.steps + step) * TILE
    }

    /// Where the sums begin.
    fn sums(&self) -> usize {
        self.gradient(2 * self.blocks[1], 0, 0)
    }

    fn sum(&self, tap: usize, output: usize, input: usize) -> usize {
        self.sums() + ((tap * self.blocks[1] + output) * self.blocks[0] + input) * SUMS
    }

    /// Bytes of an image's inputs of one block, and of its gradients of one.
    fn bytes(&self) -> [usize; 2] {
        [self.copies * 2 * self.plane, 2 * self.steps * TILE].map(|lines| lines * size_of::<Line>())
    }

    fn lines(&self, taps: usize) -> usize {
        self.sum(taps, 0, 0)
    }
}

/// How a batch is cut, by shapes alone: each group of images has sums of its own, which are added up in the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Groups of images.
    pub groups: usize,
    /// Bytes of packed images at a time, and in an inner loop.
    pub packed: usize,
    pub near: usize,
}

impl Cut {
    fn new(geometry: &Geometry) -> Self {
        // Where an image and all sums stay in the second-level cache, a thread packs images of its own and multiplies them while they
        // are there. Where they do not, all threads pack together, and each has some of the sums.
        const SECOND_LEVEL: usize = 1536 * 1024;
        let one = Places::new(geometry, 0);
        if one.lines(geometry.taps()) * size_of::<Line>() <= SECOND_LEVEL {
            Self { groups: geometry.batch.min(16), packed: 768 * 1024, near: usize::MAX }
        } else {
            Self { groups: 1, packed: 12 * 1024 * 1024, near: 1280 * 1024 }
        }
    }
}

/// The gradient of the weights, `[kernel_h, kernel_w, inputs, outputs]`, from that of the output.
pub(crate) fn weight_gradient(
    loops: &TileLoops,
    geometry: &Geometry,
    source: &TileSource,
    gradient: &[f32],
) -> Vec<f32> {
    cut_as(loops, geometry, source, gradient, Cut::new(geometry))
}

/// [`weight_gradient`], cut in some way.
pub(super) fn cut_as(
    loops: &TileLoops,
    geometry: &Geometry,
    source: &TileSource,
    gradient: &[f32],
    cut: Cut,
) -> Vec<f32> {
    assert_eq!(source.values.len(), geometry.input_shape().iter().product::<usize>());
    assert_eq!(gradient.len(), geometry.output_shape().iter().product::<usize>());
    let (places, batch) = (Places::new(geometry, cut.packed), geometry.batch);
    let lines = places.lines(geometry.taps());
    let per_group = lines - places.sums();
    let task = |group: usize, shared: Shared<Line>| {
        let [first, end] = [group, group + 1].map(|group| group * batch / cut.groups);
        with_lines(lines, |lines| {
            let call = Call { loops, geometry, source, gradient, places: &places, lines: Shared::new(lines) };
            for start in (first..end).step_by(places.images) {
                let count = places.images.min(end - start);
                call.pack(start, count);
                call.sum(count, cut.near, start > first);
            }
            // SAFETY: the place of this group.
            unsafe { shared.slice(group * per_group, per_group) }.copy_from_slice(&lines[places.sums()..]);
        });
    };
    // SAFETY: the tasks are all groups, of which there are no more than images, and each writes all of its sums.
    let sums = unsafe { filled(cut.groups * per_group, cut.groups, task) };
    unpack(loops, geometry, &places, &sums)
}

struct Call<'a> {
    loops: &'a TileLoops,
    geometry: &'a Geometry,
    source: &'a TileSource<'a>,
    gradient: &'a [f32],
    places: &'a Places,
    lines: Shared<Line>,
}

impl Call<'_> {
    /// Packs inputs and gradients of `count` images.
    fn pack(&self, first: usize, count: usize) {
        // Rows of inputs, and steps of gradients, of a task.
        const ROWS: usize = 8;
        const STEPS: usize = 4;
        let rows = self.geometry.output_size()[0] + self.geometry.kernel[0] - 1;
        let (row_tasks, step_tasks) = (rows.div_ceil(ROWS), self.places.steps.div_ceil(STEPS));
        each(count * (row_tasks + step_tasks), |task| {
            let (image, part) = (task / (row_tasks + step_tasks), task % (row_tasks + step_tasks));
            match part.checked_sub(row_tasks) {
                None => self.pack_inputs(first, image, part * ROWS..((part + 1) * ROWS).min(rows)),
                Some(part) => {
                    for step in part * STEPS..((part + 1) * STEPS).min(self.places.steps) {
                        self.pack_gradient(first, image, step);
                    }
                }
            }
        });
    }

    fn pack_gradient(&self, first: usize, image: usize, step: usize) {
        let ([height, width], outputs) = (self.geometry.output_size(), self.geometry.outputs);
        let pixel = (first + image) * height * width + step * STEP;
        for half in 0..2 * self.places.blocks[1] {
            let columns = outputs.saturating_sub(half * 16).min(16);
            let job = TileJob {
                source: self.gradient[pixel * outputs + (half * 16).min(outputs - 1)..].as_ptr(),
                stride: outputs,
                rows: STEP.min(height * width - step * STEP),
                columns,
                // SAFETY: a tile of this task's.
                target: unsafe { self.lines.pointer(self.places.gradient(half, image, step)) },
            };
            // SAFETY: rows and columns are those that exist, and the target is a tile.
            unsafe { (self.loops.pack_as_lines)(&job) };
        }
    }

    /// Packs the inputs that rows of taps of an image see, counted from the first row of the first tap.
    fn pack_inputs(&self, first: usize, image: usize, rows: std::ops::Range<usize>) {
        let ([height, width], [kernel_h, kernel_w]) = (self.geometry.output_size(), self.geometry.kernel);
        let blocks = self.places.blocks[0];
        // One row at a time, as that of an output one row high.
        let row_of_pixels = Geometry { kernel: [1, kernel_w], ..*self.geometry };
        let packing = Packing::row(&row_of_pixels);
        with_lines(packing.lines(), |packed| {
            for y in rows.clone() {
                // SAFETY: the buffer is this task's and as long as a row.
                unsafe {
                    let target = packed.as_mut_ptr();
                    packing.pack(self.loops, self.source, first + image, [y, 1], 0..blocks, target);
                }
                for block in 0..blocks {
                    for copy in 0..self.places.copies {
                        let pairs = self.places.row.min((width + kernel_w - 1 - copy) / 2);
                        let targets = [0, 1].map(|half| {
                            let at = self.places.input(copy, block, half, image) + y * self.places.row;
                            // SAFETY: a row of this task's.
                            unsafe { self.lines.pointer(at) }
                        });
                        let source = packed[packing.line(block, copy)..][..2 * pairs].as_ptr();
                        // SAFETY: the source has lines for as many pairs, and so have the rows of the targets.
                        unsafe { (self.loops.pair_pixels)(&PairJob { source, pairs, targets }) };
                    }
                }
            }
        });
        if rows.end == height + kernel_h - 1 {
            // What the last step reads behind the last row is multiplied by zeros, and must be numbers.
            let used = rows.end * self.places.row;
            for plane in 0..2 * blocks * self.places.copies {
                let at = self.places.input(0, 0, plane, 0) + image * self.places.plane + used;
                // SAFETY: the end of a plane whose last rows are this task's.
                unsafe { self.lines.slice(at, self.places.plane - used) }.fill(Line([0; 16]));
            }
        }
    }

    /// Sums the outer products of `count` images, on top of what is there or not.
    fn sum(&self, count: usize, near: usize, accumulate: bool) {
        let places = self.places;
        let [input_bytes, gradient_bytes] = places.bytes();
        // A task has so many blocks of inputs and of outputs that what is near serves many products, as long as there are tasks enough.
        let tasks_of = |of_task: [usize; 2]| [0, 1].map(|side| places.blocks[side].div_ceil(of_task[side]));
        let fits = |&[inputs, outputs]: &[usize; 2]| {
            let [tasks_in, tasks_out] = tasks_of([inputs, outputs]);
            inputs * input_bytes + outputs * gradient_bytes <= near && tasks_in * tasks_out >= 2 * threads()
        };
        let of_task = [[2, 4], [2, 2], [1, 2]].into_iter().find(fits).unwrap_or([1, 1]);
        let per_image = of_task[0] * input_bytes + of_task[1] * gradient_bytes;
        let near = (near / per_image).clamp(1, count);
        let offsets: Vec<usize> = (0..near)
            .flat_map(|image| (0..places.steps).map(move |step| image * places.plane + places.step(step)))
            .map(|line| line * size_of::<Line>())
            .collect();
        let tasks = tasks_of(of_task);
        each(tasks[0] * tasks[1], |task| {
            let [inputs, outputs] = [(0, task % tasks[0]), (1, task / tasks[0])].map(|(side, part)| {
                part * of_task[side]..((part + 1) * of_task[side]).min(places.blocks[side])
            });
            let held = self.loops.hold();
            for start in (0..count).step_by(near) {
                let images = near.min(count - start);
                let blocks =
                    outputs.clone().flat_map(|output| inputs.clone().map(move |input| (output, input)));
                for ((output, input), tap) in
                    blocks.flat_map(|pair| (0..self.geometry.taps()).map(move |tap| (pair, tap)))
                {
                    let (y, [copy, pairs]) =
                        (tap / self.geometry.kernel[1], places.column(tap % self.geometry.kernel[1]));
                    // SAFETY: lines of the buffer that were packed, or are zero behind what was packed; and sums of this task's.
                    unsafe {
                        (self.loops.multiply_outer)(&OuterProduct {
                            left: [0, 1].map(|half| {
                                self.lines.pointer(places.gradient(output * 2 + half, start, 0)).cast_const()
                            }),
                            right: [0, 1].map(|half| {
                                let at = places.input(copy, input, half, start) + y * places.row + pairs;
                                self.lines.pointer(at).cast_const()
                            }),
                            offsets: offsets.as_ptr(),
                            steps: images * places.steps,
                            sums: self.lines.pointer(places.sum(tap, output, input)).cast(),
                            accumulate: accumulate || start > 0,
                        });
                    }
                }
            }
            drop(held);
        });
    }
}

/// The weights' gradient from the sums of all groups.
fn unpack(loops: &TileLoops, geometry: &Geometry, places: &Places, groups: &[Line]) -> Vec<f32> {
    let (inputs, outputs, taps) = (geometry.inputs, geometry.outputs, geometry.taps());
    let blocks = places.blocks;
    let per_group = places.lines(taps) - places.sums();
    let task = |task: usize, shared: Shared| {
        let (tap, block) = (task / blocks[0], task % blocks[0]);
        with_lines(SUMS, |total| {
            for output in 0..blocks[1] {
                let at = places.sum(tap, output, block) - places.sums();
                total.copy_from_slice(&groups[at..][..SUMS]);
                for group in groups.chunks_exact(per_group).skip(1) {
                    for (total, sums) in total.iter_mut().zip(&group[at..][..SUMS]) {
                        for (total, sum) in total.0.iter_mut().zip(sums.0) {
                            *total = (f32::from_bits(*total) + f32::from_bits(sum)).to_bits();
                        }
                    }
                }
                // SAFETY: the sums of two tiles by two; inputs and outputs that exist, and a task has some inputs of a tap of its own.
                unsafe {
                    (loops.unpack_sums)(&UnpackJob {
                        sums: total.as_ptr().cast(),
                        target: shared.pointer((tap * inputs + block * 32) * outputs + output * 32),
                        stride: outputs,
                        inputs: (inputs - block * 32).min(32),
                        outputs: (outputs - output * 32).min(32),
                    });
                }
            }
        });
    };
    // SAFETY: the tasks are all taps and blocks of inputs, and each writes all outputs of its own.
    unsafe { filled(taps * inputs * outputs, taps * blocks[0], task) }
}
