//! Writes 96 portraits, or as many as there is room for, into one picture: `sheet FILE.ppm [FIRST]`.

use std::fs;

use onestep_portraits::Portrait;

const COLUMNS: usize = 12;
const ROWS: usize = 8;
/// Pixels of a portrait's side and of the space around it.
const CELL: usize = 32 + 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: sheet FILE.ppm [FIRST]")?;
    let first: u64 = arguments.next().map_or(Ok(0), |first| first.parse())?;
    let (width, height) = (COLUMNS * CELL, ROWS * CELL);
    let mut bytes = vec![200; width * height * 3];
    for (place, index) in (0..COLUMNS * ROWS).zip(first..) {
        let (top, left) = (place / COLUMNS * CELL + 2, place % COLUMNS * CELL + 2);
        for (row, line) in Portrait::at(index).render_doubled().chunks_exact(32 * 3).enumerate() {
            let start = ((top + row) * width + left) * 3;
            bytes[start..start + line.len()].copy_from_slice(line);
        }
    }
    let mut file = format!("P6 {width} {height} 255\n").into_bytes();
    file.extend_from_slice(&bytes);
    fs::write(path, file)?;
    Ok(())
}
