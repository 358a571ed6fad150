//! Changes of resolution: each output pixel gathers what it is made of.

use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::launch::{cubes, element, in_order, unwritten, words};
use crate::operators::LinearMap;
use crate::tensor::storage::dims;

/// The maps as one table: for each output position of the rows and then of the columns, as many pairs of position and bits of the
/// weight as the longest has; those that fill up have a position that is read anyway, and weigh nothing.
fn table(map: &LinearMap) -> (usize, impl Iterator<Item = u32> + '_) {
    let taps = map.taps.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let pairs = map.taps.iter().flat_map(move |row| {
        (0..taps).map(|tap| row.get(tap).copied().unwrap_or((row.first().map_or(0, |first| first.0), 0.0)))
    });
    (taps, pairs.flat_map(|(position, weight)| [position as u32, (weight as f32).to_bits()]))
}

/// The rows and the columns of each image mapped.
pub(super) fn resample(input: &CubeTensor, rows: &LinearMap, columns: &LinearMap) -> CubeTensor {
    let input = in_order(input);
    let [batch, height, width, channels] = dims(&input);
    let shape = [batch, rows.outputs(), columns.outputs(), channels];
    let output = unwritten(&input, shape, input.dtype);
    let numbers = shape.iter().product();
    if numbers == 0 {
        return output;
    }
    let ((row_taps, of_rows), (column_taps, of_columns)) = (table(rows), table(columns));
    let table = words(&input, of_rows.chain(of_columns));
    let (count, units) = cubes(&input, numbers);
    let dtype = element(&input);
    gather::launch(
        &output.client,
        count,
        units,
        input.into_tensor_arg(),
        table.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        height as u32,
        width as u32,
        channels as u32,
        rows.outputs() as u32,
        columns.outputs() as u32,
        row_taps as u32,
        column_taps as u32,
        dtype,
    );
    output
}

/// A unit gathers one number.
#[cube(launch)]
fn gather<F: Float>(
    input: &Tensor<F>,
    table: &Tensor<u32>,
    output: &mut Tensor<F>,
    height: u32,
    width: u32,
    channels: u32,
    rows: u32,
    columns: u32,
    #[comptime] row_taps: u32,
    #[comptime] column_taps: u32,
    #[define(F)] _element: ElemType,
) {
    if ABSOLUTE_POS < output.len() {
        let at = ABSOLUTE_POS as u32;
        let channel = at % channels;
        let column = at / channels % columns;
        let row = at / channels / columns % rows;
        let image = at / channels / columns / rows;
        let of_row = row * row_taps * 2;
        let of_column = (rows * row_taps + column * column_taps) * 2;
        let mut sum = 0.0f32;
        for i in 0..row_taps {
            let y = table[(of_row + 2 * i) as usize];
            let row_weight = f32::reinterpret(table[(of_row + 2 * i + 1) as usize]);
            let mut along = 0.0f32;
            for j in 0..column_taps {
                let x = table[(of_column + 2 * j) as usize];
                let weight = f32::reinterpret(table[(of_column + 2 * j + 1) as usize]);
                let place = ((image * height + y) * width + x) * channels + channel;
                along += weight * f32::cast_from(input[place as usize]);
            }
            sum += row_weight * along;
        }
        output[ABSOLUTE_POS] = F::cast_from(sum);
    }
}
