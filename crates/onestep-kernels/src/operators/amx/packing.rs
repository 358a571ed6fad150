//! Pixels packed as the left side of products of tiles.

#![allow(unsafe_code, reason = "packs into buffers whose length was checked")]

use std::ops::Range;

use super::super::geometry::Geometry;
use super::super::images::Values;
use super::super::norm::Prologue;
use crate::loops::{COPIES, PixelJob, TileLoops};
use crate::simd::Line;

/// Channels of a line.
const LINE: usize = 32;

/// The images that a convolution reads, stored in f32 or bf16, and what is done to their pixels on the way.
pub(crate) struct TileSource<'a> {
    /// `[batch, height, width, channels]`
    pub(super) values: Values<'a>,
    /// For each image factors, then terms, each as many as the lines of a pixel have numbers.
    affine: Option<Vec<f32>>,
    silu: bool,
}

impl<'a> TileSource<'a> {
    /// Images as a norm in front of the convolution leaves them, or as they are.
    pub(crate) fn new(values: Values<'a>, prologue: Option<&Prologue>) -> Self {
        let affine = prologue.map(|prologue| prologue.factors_and_terms(LINE));
        Self { values, affine, silu: prologue.is_some_and(Prologue::is_silu) }
    }
}

/// How a piece of an image, some rows of its output, is packed: `[block of 32 channels][copy][row][pixel]`, a line each.
///
/// A tile is 16 lines one after the other, and the taps of a kernel are offsets from its first. Where rows are whole tiles wide
/// they are packed once, with their border. Else tiles cross rows, and each column of the kernel has a copy of its own without
/// border: copy k has at pixel x what column k of the kernel sees from there.
pub(super) struct Packing<'a> {
    geometry: &'a Geometry,
    /// Rows of output of a piece at most.
    rows: usize,
    pub bordered: bool,
    copies: usize,
    /// Lines of a row of a copy.
    pub row: usize,
    /// Lines of a copy.
    copy: usize,
    /// Lines from a block to the next, an odd number: a power of two apart they would fall into the same few sets of a cache.
    plane: usize,
}

impl<'a> Packing<'a> {
    /// Copies of a pixel: one where rows are whole tiles wide, else one for each column of the kernel.
    pub(super) fn copies(geometry: &Geometry) -> usize {
        if geometry.output_size()[1].is_multiple_of(16) { 1 } else { geometry.kernel[1] }
    }

    pub(super) fn new(geometry: &'a Geometry, rows: usize) -> Self {
        let (width, [kernel_h, kernel_w]) = (geometry.output_size()[1], geometry.kernel);
        let copies = Self::copies(geometry);
        let bordered = kernel_w > copies;
        let row = if bordered { width + kernel_w - 1 } else { width };
        // The last tile of a piece may reach beyond it.
        let copy = (rows + kernel_h - 1) * row + 16;
        Self { geometry, rows, bordered, copies, row, copy, plane: (copies * copy) | 1 }
    }

    /// One row of output a piece, packed once with its border whatever its width.
    pub(super) fn row(geometry: &'a Geometry) -> Self {
        let row = geometry.output_size()[1] + geometry.kernel[1] - 1;
        Self { geometry, rows: 1, bordered: true, copies: 1, row, copy: row, plane: row | 1 }
    }

    /// The line, of a row packed with its border, of a block's pixel.
    pub(super) fn line(&self, block: usize, pixel: usize) -> usize {
        block * self.plane + pixel
    }

    pub(super) fn blocks(&self) -> usize {
        self.geometry.inputs.div_ceil(LINE)
    }

    /// Lines of a piece.
    pub(super) fn lines(&self) -> usize {
        self.blocks() * self.plane
    }

    /// Bytes from a tile's first line to what each step of the depth multiplies.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let [kernel_h, kernel_w] = self.geometry.kernel;
        let mut offsets = Vec::with_capacity(self.blocks() * kernel_h * kernel_w);
        for block in 0..self.blocks() {
            for y in 0..kernel_h {
                for x in 0..kernel_w {
                    let column = if self.bordered { x } else { x * self.copy };
                    offsets.push((block * self.plane + y * self.row + column) * size_of::<Line>());
                }
            }
        }
        offsets
    }

    /// Packs some blocks of channels of the pixels that `count` rows of the output of an image see, from `first` on.
    ///
    /// # Safety
    ///
    /// The target is good for [`Self::lines`] lines, and nobody else touches those of these blocks.
    pub(super) unsafe fn pack(
        &self,
        loops: &TileLoops,
        source: &TileSource,
        image: usize,
        [first, count]: [usize; 2],
        blocks: Range<usize>,
        target: *mut Line,
    ) {
        let ([height, width], channels) = (self.geometry.size, self.geometry.inputs);
        let [top, _, left, _] = self.geometry.options.padding;
        assert!(count <= self.rows && blocks.end <= self.blocks());
        assert_eq!(source.values.len(), self.geometry.batch * height * width * channels);
        let (padded, channel) = (self.blocks() * LINE, blocks.start * LINE);
        let affine = source.affine.as_ref().map_or([std::ptr::null(); 2], |affine| {
            [0, padded].map(|part| affine[image * 2 * padded + part + channel..].as_ptr())
        });
        for y in 0..count + self.geometry.kernel[0] - 1 {
            let seen = (first + y).checked_sub(top).filter(|&y| y < height);
            let mut job = PixelJob {
                source: source.values.at(0),
                pixels: width,
                channels: (blocks.end * LINE).min(channels) - channel,
                stride: channels,
                affine,
                silu: source.silu,
                plane: self.plane,
                targets: [std::ptr::null_mut(); COPIES],
                spans: [[0; 2]; COPIES],
            };
            for copy in 0..self.copies {
                let shift = if self.bordered { 0 } else { copy };
                let [from, to] = if seen.is_some() { self.covered(shift, left, width) } else { [0; 2] };
                let row = target.wrapping_add(blocks.start * self.plane + copy * self.copy + y * self.row);
                for block in 0..blocks.len() {
                    // SAFETY: a row of a copy of one of these blocks, of which the lines that no pixel falls into are cleared.
                    unsafe {
                        let row = row.add(block * self.plane);
                        row.write_bytes(0, from);
                        row.add(to).write_bytes(0, self.row - to);
                    }
                }
                job.targets[copy] = row.wrapping_add(left).wrapping_sub(shift);
                job.spans[copy] = [from, to].map(|line| (line + shift).saturating_sub(left));
            }
            let Some(seen) = seen else { continue };
            job.source = source.values.at((image * height + seen) * width * channels + channel);
            // SAFETY: the source has a row of pixels; spans are those that fall into the row of a copy, which the target holds for
            // every block.
            unsafe { (loops.pack_pixels)(&job) };
        }
    }

    /// The lines of a row of a copy, `shift` pixels on, that pixels fall into, not the border: the first, and the first behind them.
    fn covered(&self, shift: usize, left: usize, width: usize) -> [usize; 2] {
        [0, width].map(|pixel| (pixel + left).saturating_sub(shift).min(self.row))
    }
}
