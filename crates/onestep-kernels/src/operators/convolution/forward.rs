//! The result of a convolution.

use super::super::amx::{self, TileEpilogue, TileSource};
use super::super::dense::{Matrix, dense};
use super::super::geometry::Geometry;
use super::super::images::{Stored, Values};
use super::super::layouts::Layouts;
use super::super::norm::{Prologue, Source};
use super::super::winograd::{self, Factors, Tiling};
use super::arguments::Convolution;
use crate::blocking::{Epilogue, PairPanels, Panels, RowTable, TileMatrix, gathered};
use crate::loops::{Kernels, TileLoops};
use crate::simd::Precision;

/// Whether making the layouts of the weights anew would be a good part of the work of such a call.
fn pays_to_keep(geometry: &Geometry) -> bool {
    let [height, width] = geometry.output_size();
    geometry.batch * height * width <= 2048
}

/// The loops that compute a convolution, or its data gradient, by tiles, where it is to be.
pub(crate) fn tiles_for(kernels: &Kernels, geometry: &Geometry, precision: Precision) -> Option<TileLoops> {
    kernels.tiles.filter(|_| precision == Precision::Bf16 && amx::suits(geometry))
}

impl Convolution<Values<'_>> {
    /// The output by tiles, stored as asked; `prologue` is the norm in front of the input.
    pub(crate) fn by_tiles(
        &self,
        loops: &TileLoops,
        geometry: &Geometry,
        prologue: Option<&Prologue>,
    ) -> Stored {
        let passing = Layouts::default();
        // Tiles are half as large as the weights: they are kept whatever the size of the call.
        let tiles = self.layouts.as_ref().unwrap_or(&passing).tiles(|| {
            let sizes = [geometry.taps(), geometry.inputs, geometry.outputs];
            TileMatrix::from_rows(loops, self.weight.full(), sizes)
        });
        let epilogue = TileEpilogue {
            bias: self.bias.map(Values::full),
            residual: self.residual,
            factor: self.factor as f32,
            bounds: self.rectifier.bounds(),
            store: self.store,
            moments: self.output_moments.is_some(),
        };
        let source = TileSource::new(self.input, prologue);
        let (stored, moments) = amx::forward(loops, geometry, &source, tiles, &epilogue);
        if let Some((place, moments)) = self.output_moments.as_ref().zip(moments) {
            place.set(moments);
        }
        stored
    }
}

impl Convolution<&[f32]> {
    fn epilogue(&self) -> Epilogue<'_> {
        Epilogue {
            bias: self.bias,
            residual: self.residual,
            factor: self.factor as f32,
            bounds: self.rectifier.bounds(),
        }
    }

    /// The output, `source` being the input with the norm in front of it.
    pub(crate) fn forward(&self, kernels: &Kernels, geometry: &Geometry, source: &Source) -> Vec<f32> {
        let (precision, epilogue, passing) = (self.precision, self.epilogue(), Layouts::default());
        if let Some(tiles) = tiles_for(kernels, geometry, precision) {
            let values = Convolution { store: Precision::F32, ..self.map(|values| Values::Full(values)) };
            return values.by_tiles(&tiles, geometry, source.prologue.as_ref()).into_full();
        }
        let layouts = self.layouts.as_ref().filter(|_| pays_to_keep(geometry)).unwrap_or(&passing);
        let sizes = [geometry.inputs, geometry.outputs];
        if let Some(tiling) = Tiling::choose(geometry, precision) {
            let make = || Factors::new(kernels, &tiling, self.weight, sizes).in_precision(precision);
            let factors = layouts.factors(precision, &tiling, make);
            return winograd::forward(kernels, geometry, &tiling, source, factors, &epilogue);
        }
        let depth = geometry.taps() * geometry.inputs;
        let make = || Panels::from_rows(kernels, self.weight, depth, geometry.outputs);
        if geometry.is_pointwise() {
            let matrix = match precision {
                Precision::F32 => Matrix::Full(layouts.panels(make)),
                Precision::Bf16 => Matrix::Pairs(layouts.pair_panels(|| PairPanels::new(kernels, &make()))),
            };
            return dense(kernels, source, matrix, &epilogue);
        }
        let panels = layouts.panels(make);
        let [height, width] = geometry.output_size();
        let table = RowTable::build(kernels, geometry.taps(), height * width, |tap, pixel| {
            geometry.input_pixel(tap, [pixel / width, pixel % width]).map(|pixel| pixel * geometry.inputs)
        });
        gathered(kernels, &source.seen(), geometry.batch, &table, panels, &epilogue)
    }
}
