//! A convolution by tiles.
//!
//! A task packs the pixels that some rows of output see, once for all taps and outputs, and multiplies them with 32 outputs at a
//! time over the whole depth: sums never leave the tiles, and each is one chain in an order that depends on nothing but the shape
//! of the weights.

#![allow(
    unsafe_code,
    reason = "builds the jobs of the inner loops from checked slices, in buffers of its own"
)]

use std::ops::Range;

use super::super::geometry::Geometry;
use super::super::images::{Stored, Values};
use super::super::norm::{TakenMoments, unit_rows};
use super::packing::{Packing, TileSource};
use crate::blocking::{Shared, TileMatrix, each, filled, threads, with_lines};
use crate::loops::{FinishJob, Rectifier, Results, RunningMoments, SUMS, TileLoops, TileProduct};
use crate::simd::{Line, Precision};

/// What is done to the sums of a convolution: factor · (sum + bias + residual), cut off at two bounds.
pub(crate) struct TileEpilogue<'a> {
    /// `[outputs]` or `[batch, outputs]`
    pub bias: Option<&'a [f32]>,
    /// Like the result.
    pub residual: Option<Values<'a>>,
    pub factor: f32,
    pub bounds: [f32; 2],
    /// In which the result is stored.
    pub store: Precision,
    /// Whether the moments of the result are taken.
    pub moments: bool,
}

impl TileEpilogue<'_> {
    /// The sums as they are.
    pub(crate) const NONE: Self = Self {
        bias: None,
        residual: None,
        factor: 1.0,
        bounds: Rectifier::None.bounds(),
        store: Precision::F32,
        moments: false,
    };
}

/// Whether a convolution can be computed in tiles, and gains by it.
pub(crate) fn suits(geometry: &Geometry) -> bool {
    // Fewer inputs would leave most of a tile's depth empty.
    const INPUTS: usize = 16;
    geometry.options.stride == 1
        && geometry.inputs >= INPUTS
        && geometry.outputs > 0
        && geometry.batch > 0
        && geometry.kernel.iter().all(|&kernel| kernel <= 3)
}

/// How a batch is cut into tasks; no bit of the result depends on it.
struct Cut {
    /// Rows of output of a piece, and pieces of an image.
    rows: usize,
    strips: usize,
    /// Pieces of a task, and tasks.
    pieces: usize,
    tasks: usize,
}

impl Cut {
    fn new(geometry: &Geometry, weights: &TileMatrix) -> Self {
        // Packed pixels stay in the second-level cache beside the weights of 32 outputs.
        const PACKED: usize = 640 * 1024;
        let [height, width] = geometry.output_size();
        let pixels = height * width;
        let most =
            (PACKED / (Packing::copies(geometry) * weights.blocks() * size_of::<Line>())).clamp(128, 512);
        let per_task = most.min((geometry.batch * pixels).div_ceil(2 * threads())).max(128);
        let (rows, pieces) = if pixels <= per_task {
            (height, (per_task / pixels.max(1)).max(1))
        } else {
            let unit = unit_rows([height, width]);
            (height.div_ceil(pixels.div_ceil(per_task)).next_multiple_of(unit).min(height), 1)
        };
        let strips = height.div_ceil(rows);
        Self { rows, strips, pieces, tasks: (geometry.batch * strips).div_ceil(pieces) }
    }
}

/// 16 output pixels one after the other.
#[derive(Clone, Copy)]
struct Tile {
    /// Its first line among those of the task.
    line: usize,
    /// Its first pixel, counted through the batch, and how many there are.
    pixel: usize,
    valid: usize,
    image: usize,
    /// The unit of moments that it belongs to, counted through the batch, and whether it is its last tile.
    unit: usize,
    last: bool,
}

/// Pixels that are packed, and for each step of the depth bytes from a tile's first line.
#[derive(Clone, Copy)]
struct Packed<'a> {
    lines: &'a [Line],
    offsets: &'a [usize],
}

/// The result, `[batch, height, width, outputs]`, and its moments if they were asked for.
pub(crate) fn forward(
    loops: &TileLoops,
    geometry: &Geometry,
    source: &TileSource,
    weights: &TileMatrix,
    epilogue: &TileEpilogue,
) -> (Stored, Option<TakenMoments>) {
    let length: usize = geometry.output_shape().iter().product();
    assert_eq!(
        [weights.taps, weights.depth, weights.columns],
        [geometry.taps(), geometry.inputs, geometry.outputs]
    );
    assert!(epilogue.residual.is_none_or(|residual| residual.len() == length), "residual");
    let per_image = |bias: &[f32]| [1, geometry.batch].contains(&(bias.len() / geometry.outputs));
    assert!(
        epilogue.bias.is_none_or(|bias| bias.len().is_multiple_of(geometry.outputs) && per_image(bias)),
        "bias"
    );
    let [height, width] = geometry.output_size();
    let mut moments =
        epilogue.moments.then(|| TakenMoments::new(geometry.batch, [height, width], geometry.outputs));
    let shared = moments.as_mut().map(|moments| Shared::new(&mut moments.values));
    let call = Call { loops, geometry, source, weights, epilogue, moments: shared };
    let stored = match epilogue.store {
        Precision::F32 => Stored::Full(call.run(length, Results::Full)),
        Precision::Bf16 => Stored::Half(call.run(length, Results::Half)),
    };
    (stored, moments)
}

/// One convolution.
struct Call<'a> {
    loops: &'a TileLoops,
    geometry: &'a Geometry,
    source: &'a TileSource<'a>,
    weights: &'a TileMatrix,
    epilogue: &'a TileEpilogue<'a>,
    moments: Option<Shared>,
}

impl Call<'_> {
    fn run<T: Copy>(&self, length: usize, results: impl Fn(*mut T) -> Results + Sync) -> Vec<T> {
        // Few pixels are packed once for all tasks, and every tile of the weights is read by one thread alone.
        const FEW: usize = 1536 * 1024;
        let whole = Packing::new(self.geometry, self.geometry.output_size()[0]);
        if self.geometry.batch * whole.lines() * size_of::<Line>() <= FEW {
            self.by_outputs(&whole, length, results)
        } else {
            self.by_pixels(length, results)
        }
    }

    /// Every task has some pixels, which it packs, and all outputs.
    fn by_pixels<T: Copy>(&self, length: usize, results: impl Fn(*mut T) -> Results + Sync) -> Vec<T> {
        let cut = Cut::new(self.geometry, self.weights);
        let packing = Packing::new(self.geometry, cut.rows);
        let (height, offsets) = (self.geometry.output_size()[0], packing.offsets());
        let all = self.geometry.batch * cut.strips;
        let task = |task: usize, shared: Shared<T>| {
            let pieces = task * cut.pieces..((task + 1) * cut.pieces).min(all);
            // Two lots of sums of two tiles by two, then the packed pieces.
            with_lines(2 * SUMS + pieces.len() * packing.lines(), |lines| {
                let (sums, packed) = lines.split_at_mut(2 * SUMS);
                let mut tiles = Vec::with_capacity(64);
                for ((index, piece), packed) in
                    pieces.enumerate().zip(packed.chunks_exact_mut(packing.lines()))
                {
                    let (image, first) = (piece / cut.strips, piece % cut.strips * cut.rows);
                    let rows = cut.rows.min(height - first);
                    let (blocks, target) = (0..packing.blocks(), packed.as_mut_ptr());
                    // SAFETY: the buffer is this task's and as long as a piece.
                    unsafe { packing.pack(self.loops, self.source, image, [first, rows], blocks, target) };
                    self.list(&packing, image, [first, rows], index * packing.lines(), &mut tiles);
                }
                // SAFETY: no two tasks have a pixel in common.
                let target = |at: usize| results(unsafe { shared.pointer(at) });
                self.multiply(
                    &tiles,
                    Packed { lines: packed, offsets: &offsets },
                    0..self.weights.wide(),
                    1,
                    sums,
                    target,
                );
            });
        };
        // SAFETY: the tasks are all pieces of all images, and each writes all outputs of its own.
        unsafe { filled(length, cut.tasks, task) }
    }

    /// All pixels are packed first; then every task has some outputs, and all pixels or a part of them.
    fn by_outputs<T: Copy>(
        &self,
        packing: &Packing,
        length: usize,
        results: impl Fn(*mut T) -> Results + Sync,
    ) -> Vec<T> {
        let (batch, [height, _]) = (self.geometry.batch, self.geometry.output_size());
        with_lines(batch * packing.lines(), |packed| {
            let lines = Shared::new(packed);
            let blocks = packing.blocks();
            each(batch * blocks, |task| {
                let (image, block) = (task / blocks, task % blocks);
                // SAFETY: a task has a block of an image, whose lines are no other task's.
                unsafe {
                    let target = lines.pointer(image * packing.lines());
                    packing.pack(self.loops, self.source, image, [0, height], block..block + 1, target);
                }
            });
            let mut tiles = Vec::with_capacity(64);
            for image in 0..batch {
                self.list(packing, image, [0, height], image * packing.lines(), &mut tiles);
            }
            let (offsets, wide) = (packing.offsets(), self.weights.wide());
            // Enough tasks for every thread to be busy to the end; parts of the pixels are whole units of moments.
            let units = tiles.iter().filter(|tile| tile.last).count();
            let parts = (4 * threads()).div_ceil(wide).min(units).max(1);
            let ends: Vec<usize> = (1..=parts)
                .map(|part| tiles.partition_point(|tile| tile.unit < part * units / parts))
                .collect();
            let packed = Packed { lines: packed, offsets: &offsets };
            // All threads go on at about the same pace.
            let next = (threads() / parts).max(1);
            let task = |task: usize, shared: Shared<T>| {
                let (group, part) = (task / parts, task % parts);
                let tiles = &tiles[part.checked_sub(1).map_or(0, |before| ends[before])..ends[part]];
                with_lines(2 * SUMS, |sums| {
                    // SAFETY: no two tasks have both a pixel and an output in common.
                    let target = |at: usize| results(unsafe { shared.pointer(at) });
                    self.multiply(tiles, packed, group..group + 1, next, sums, target);
                });
            };
            // SAFETY: the tasks are all outputs times all pixels, and each writes its own.
            unsafe { filled(length, wide * parts, task) }
        })
    }

    /// Lists the tiles of some rows of an image whose packed lines begin at `start`.
    fn list(
        &self,
        packing: &Packing,
        image: usize,
        [first, rows]: [usize; 2],
        start: usize,
        tiles: &mut Vec<Tile>,
    ) {
        let [height, width] = self.geometry.output_size();
        let unit = unit_rows([height, width]);
        for row in (0..rows).step_by(unit) {
            let unit_rows = unit.min(rows - row);
            let mut push = |line: usize, pixel: usize, valid: usize| {
                tiles.push(Tile {
                    line: start + line,
                    pixel: (image * height + first + row) * width + pixel,
                    valid,
                    image,
                    unit: image * height.div_ceil(unit) + (first + row) / unit,
                    last: false,
                });
            };
            if packing.bordered {
                for y in 0..unit_rows {
                    for x in (0..width).step_by(16) {
                        push((row + y) * packing.row + x, y * width + x, 16);
                    }
                }
            } else {
                let count = unit_rows * width;
                for pixel in (0..count).step_by(16) {
                    push(row * width + pixel, pixel, 16.min(count - pixel));
                }
            }
            if let Some(tile) = tiles.last_mut() {
                tile.last = true;
            }
        }
    }

    /// Multiplies tiles with some groups of 32 outputs and writes what becomes of the sums; `next` groups on is what this thread is
    /// likely to multiply with after each.
    ///
    /// There are two lots of sums: while one pair of tiles is multiplied, what is to be done with the sums of the last is done beside it.
    fn multiply(
        &self,
        tiles: &[Tile],
        Packed { lines: packed, offsets }: Packed,
        wide: Range<usize>,
        next: usize,
        sums: &mut [Line],
        target: impl Fn(usize) -> Results,
    ) {
        let steps = self.weights.steps();
        assert!(offsets.len() == steps && sums.len() == 2 * SUMS);
        let sums = sums.as_mut_ptr().cast::<f32>();
        let passing = tiles.len() >= 16;
        let mut unfinished = None;
        let mut moments = RunningMoments::NONE;
        let held = self.loops.hold();
        let pairs = wide.flat_map(|group| tiles.chunks(2).enumerate().map(move |pair| (group, pair)));
        for (count, (group, (index, pair))) in pairs.enumerate() {
            let sums = sums.wrapping_add(count % 2 * SUMS * 16);
            let left = [pair[0].line, pair[pair.len() - 1].line].map(|line| packed[line..].as_ptr());
            // The weights of the next group come from memory, or from the third-level cache: a part of them beside each pair.
            let ahead = self.weights.group((group + next) % self.weights.wide());
            let part = index * steps * if passing { 2 } else { 8 };
            // SAFETY: the lines of a tile, and those that the offsets lead to, were packed, or are lines of the buffer behind what
            // was packed, whose products are dropped; the weights have two tiles a step, and the sums room for two by two.
            unsafe {
                (self.loops.multiply)(&TileProduct {
                    left,
                    offsets: offsets.as_ptr(),
                    right: self.weights.group(group).as_ptr(),
                    steps,
                    ahead: ahead[part % ahead.len()..].as_ptr(),
                    sums,
                    tall: pair.len() == 2,
                    wide: self.channels(group) > 16,
                    passing,
                });
            }
            if let Some(done) = unfinished.replace((group, pair, sums.cast_const())) {
                self.finish(done, &mut moments, &target);
            }
        }
        if let Some(done) = unfinished {
            self.finish(done, &mut moments, &target);
        }
        drop(held);
    }

    /// How many of a group's 32 outputs exist.
    fn channels(&self, group: usize) -> usize {
        (self.geometry.outputs - group * 32).min(32)
    }

    /// Writes what becomes of the sums of up to two tiles; `moments` are those of the unit that they belong to so far.
    fn finish(
        &self,
        (group, tiles, sums): (usize, &[Tile], *const f32),
        moments: &mut RunningMoments,
        target: impl Fn(usize) -> Results,
    ) {
        let (outputs, column, channels) = (self.geometry.outputs, group * 32, self.channels(group));
        for (index, tile) in tiles.iter().enumerate() {
            let at = tile.pixel * outputs + column;
            let job = FinishJob {
                sums: sums.wrapping_add(index * 512),
                pixels: tile.valid,
                channels,
                bias: self.bias(tile.image, column),
                residual: self.epilogue.residual.map(|residual| residual.at(at)),
                results: target(at),
                stride: outputs,
                factor: self.epilogue.factor,
                bounds: self.epilogue.bounds,
                moments: if self.moments.is_some() { &raw mut *moments } else { std::ptr::null_mut() },
            };
            // SAFETY: the pixels are those of this task, and so are the channels; bias and residual were checked to be as
            // long as they must.
            unsafe { (self.loops.finish)(&job) };
            if let Some(shared) = self.moments.as_ref().filter(|_| tile.last) {
                let at = tile.unit * 2 * outputs + column;
                // SAFETY: a unit is one task's, for its outputs.
                let found = unsafe { [shared.slice(at, channels), shared.slice(at + outputs, channels)] };
                moments.finish(found);
                *moments = RunningMoments::NONE;
            }
        }
    }

    /// The bias of an image from a column on, or null.
    fn bias(&self, image: usize, column: usize) -> *const f32 {
        let outputs = self.geometry.outputs;
        self.epilogue.bias.map_or(std::ptr::null(), |bias| {
            let first = if bias.len() == outputs { column } else { image * outputs + column };
            bias[first..].as_ptr()
        })
    }
}
