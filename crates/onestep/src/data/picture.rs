//! Pictures for people: PNG files, grids of samples, and the parameters kept inside them.

use std::io::{self, BufReader, Cursor, Read, Seek, Write};
use std::path::Path;

use flate2::Crc;
use flate2::read::ZlibDecoder;

use super::image::MAX_SIDE;
use super::output::write_whole;
use super::{DataError, ImageShape, Pixels};
use crate::file;
use crate::size::ImageSize;

/// The keyword of the text chunk that holds the parameters.
pub const PARAMETERS_KEY: &str = "onestep";

/// The longest parameters that are written or read back.
pub const MAX_PARAMETERS: usize = 1 << 20;

/// The white space around each picture of a grid.
const PADDING: usize = 2;

const PNG_SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// How a set of pictures is laid out as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Pictures in a row; the last row may be shorter.
    pub columns: usize,
    /// Every pixel becomes a square of this many pixels a side, so that small pictures can be seen.
    pub scale: usize,
}

/// Pixels between so many pictures and around them: who writes one picture means its pixels, and others will read them.
fn padding(n: usize) -> usize {
    if n == 1 { 0 } else { PADDING }
}

impl Grid {
    /// The columns that bring so many pictures close to a square.
    pub fn square_columns(n: usize) -> usize {
        (n as f64).sqrt().ceil() as usize
    }

    /// Returns the pictures row by row on white, two pixels apart; of one picture, that picture without anything around it.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] if there are no pictures, they differ in size, `columns` or `scale`
    /// is zero, or the result would be wider or higher than 16,384 pixels.
    pub fn arrange(&self, pictures: &[Pixels]) -> Result<Pixels, DataError> {
        let setting = |setting, reason: String| Err(DataError::Setting { setting, reason });
        let Some(first) = pictures.first() else {
            return setting("pictures", "needs at least one for a grid".to_owned());
        };
        if self.columns == 0 || self.scale == 0 {
            let Self { columns, scale } = self;
            let reason = format!("needs columns and scale of at least 1, got {columns} and {scale}");
            return setting("grid", reason);
        }
        let ImageShape { height, width, .. } = first.shape();
        if let Some(other) =
            pictures.iter().map(Pixels::shape).find(|s| (s.height, s.width) != (height, width))
        {
            return setting("pictures", format!("must be of one size, got {} and {other}", first.shape()));
        }
        let columns = self.columns.min(pictures.len());
        let (grid_height, grid_width) = self.sides(pictures.len(), first.shape())?;
        let channels = pictures.iter().map(|p| p.shape().channels).max().unwrap_or(1);
        let shape = ImageShape { height: grid_height, width: grid_width, channels };
        let mut bytes = vec![u8::MAX; shape.n_values()];
        for (index, picture) in pictures.iter().enumerate() {
            let padding = padding(pictures.len());
            let top = padding + index / columns * (height * self.scale + padding);
            let left = padding + index % columns * (width * self.scale + padding);
            self.paste(picture, &mut bytes, shape, top, left);
        }
        Pixels::new(shape, bytes)
    }

    /// Takes a grid of pictures of this size apart, whatever its columns: the inverse of [`Grid::arrange`], but that places without a
    /// picture come back white.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] if its sides are not those of a grid of such pictures at this scale.
    pub fn take_apart(&self, grid: &Pixels, size: ImageSize) -> Result<Vec<Pixels>, DataError> {
        let ImageShape { height, width, channels } = grid.shape();
        let [cell_height, cell_width] = [size.height, size.width].map(|extent| extent * self.scale);
        // Of one picture there is that picture alone.
        let padding = if (height, width) == (cell_height, cell_width) { 0 } else { PADDING };
        let count = |side: usize, cell: usize| {
            let (n, rest) =
                ((side - padding.min(side)) / (cell + padding).max(1), side.checked_sub(padding)?);
            (n > 0 && n * (cell + padding) == rest).then_some(n)
        };
        let (Some(rows), Some(columns)) = (count(height, cell_height), count(width, cell_width)) else {
            let reason =
                format!("of {height}x{width} pixels holds no pictures of {size} at scale {}", self.scale);
            return Err(DataError::Setting { setting: "grid", reason });
        };
        let shape = ImageShape { height: size.height, width: size.width, channels };
        let picture = |index: usize| {
            let top = padding + index / columns * (cell_height + padding);
            let left = padding + index % columns * (cell_width + padding);
            let pixel = |at: usize| {
                let (row, column) = (at / size.width * self.scale, at % size.width * self.scale);
                let start = ((top + row) * width + left + column) * channels;
                &grid.bytes()[start..start + channels]
            };
            Pixels::new(shape, (0..size.height * size.width).flat_map(pixel).copied().collect())
        };
        (0..rows * columns).map(picture).collect()
    }

    /// Height and width of the grid of so many pictures of this shape.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] if a side would be over 16,384 pixels.
    pub fn sides(&self, n: usize, shape: ImageShape) -> Result<(usize, usize), DataError> {
        let columns = self.columns.clamp(1, n.max(1));
        let rows = n.div_ceil(columns);
        let padding = padding(n);
        let side = |n: usize, extent: usize| {
            extent.checked_mul(self.scale)?.checked_add(padding)?.checked_mul(n)?.checked_add(padding)
        };
        match (side(rows, shape.height), side(columns, shape.width)) {
            (Some(height), Some(width)) if height <= MAX_SIDE && width <= MAX_SIDE => Ok((height, width)),
            _ => {
                let reason = format!(
                    "of {columns} columns, {rows} rows and scale {} would have a side over {MAX_SIDE} pixels; use a smaller \
                     scale or fewer pictures",
                    self.scale
                );
                Err(DataError::Setting { setting: "grid", reason })
            }
        }
    }

    fn paste(&self, picture: &Pixels, grid: &mut [u8], shape: ImageShape, top: usize, left: usize) {
        let from = picture.shape();
        let channels = shape.channels;
        for row in 0..from.height * self.scale {
            let start = ((top + row) * shape.width + left) * channels;
            let end = start + from.width * self.scale * channels;
            for (column, pixel) in grid[start..end].chunks_exact_mut(channels).enumerate() {
                let at = (row / self.scale * from.width + column / self.scale) * from.channels;
                // A grey pixel among color ones is repeated: there is always a last channel to take.
                for (channel, byte) in pixel.iter_mut().enumerate() {
                    *byte = picture.bytes()[at + channel.min(from.channels - 1)];
                }
            }
        }
    }
}

/// Encodes a picture as PNG, with `parameters` in an `iTXt` chunk called [`PARAMETERS_KEY`].
///
/// # Errors
///
/// [`DataError::Setting`] if the parameters are longer than [`MAX_PARAMETERS`] or hold a NUL.
pub fn encode_png(picture: &Pixels, parameters: Option<&str>) -> Result<Vec<u8>, DataError> {
    let setting = |reason| DataError::Setting { setting: "parameters", reason };
    if let Some(text) = parameters {
        if text.len() > MAX_PARAMETERS {
            let reason = format!("must be at most {MAX_PARAMETERS} bytes, got {}", text.len());
            return Err(setting(reason));
        }
        if text.contains('\0') {
            return Err(setting("must not hold a NUL character".to_owned()));
        }
    }
    let mut encoded = Vec::new();
    // Writing to memory does not fail, and every `Pixels` has a shape that PNG has.
    write_chunks(&mut encoded, picture, parameters).map_err(|error| setting(error.to_string()))?;
    Ok(encoded)
}

/// Writes a picture as a PNG file, as [`encode_png`], whole or not at all.
///
/// # Errors
///
/// As [`encode_png`], and [`DataError::Write`] if the file cannot be written.
pub fn write_png(path: &Path, picture: &Pixels, parameters: Option<&str>) -> Result<(), DataError> {
    let encoded = encode_png(picture, parameters)?;
    write_whole(path, |file| file.write_all(&encoded))
}

impl Pixels {
    /// Writes the image as a PNG, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        write_png(path.as_ref(), self, None)
    }
}

/// Returns the parameters in a PNG file, or `None` if it is a PNG without any.
///
/// Only the chunks' headers and the one chunk are read; the picture itself is not decoded.
///
/// # Errors
///
/// - [`DataError::Read`] if the file cannot be read.
/// - [`DataError::Unsupported`] if it is not a PNG.
/// - [`DataError::Damaged`] if it ends early, or the parameters' checksum or text is wrong.
/// - [`DataError::Refused`] if the parameters are longer than [`MAX_PARAMETERS`].
pub fn read_parameters(path: &Path) -> Result<Option<String>, DataError> {
    let file = file::open(path).map_err(|error| DataError::read(path, error))?;
    parameters_in(BufReader::new(file), path)
}

/// Returns the parameters in the bytes of a PNG file, as [`read_parameters`]; `name` is what errors call it.
///
/// # Errors
///
/// As [`read_parameters`].
pub fn decode_parameters(encoded: &[u8], name: &str) -> Result<Option<String>, DataError> {
    parameters_in(BufReader::new(Cursor::new(encoded)), Path::new(name))
}

fn parameters_in(mut reader: BufReader<impl Read + Seek>, path: &Path) -> Result<Option<String>, DataError> {
    let name = || path.display().to_string();
    let mut signature = [0; 8];
    let n_read = read_up_to(&mut reader, &mut signature).map_err(|e| DataError::read(path, e))?;
    if signature[..n_read] != PNG_SIGNATURE {
        return Err(DataError::unsupported(name(), "parameters are kept in PNG files, this is none"));
    }
    loop {
        let mut header = [0; 8];
        reader.read_exact(&mut header).map_err(|error| ended_early(path, error))?;
        let [l0, l1, l2, l3, kind @ ..] = header;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        match &kind {
            b"IEND" => return Ok(None),
            // Translations and keyword come on top of the text; both are short.
            b"iTXt" if length as usize <= MAX_PARAMETERS + 1024 => {
                let mut data = vec![0; length as usize];
                let mut checksum = [0; 4];
                reader
                    .read_exact(&mut data)
                    .and_then(|()| reader.read_exact(&mut checksum))
                    .map_err(|error| ended_early(path, error))?;
                if let Some(text) = our_text(&data) {
                    let mut crc = Crc::new();
                    crc.update(&kind);
                    crc.update(&data);
                    if crc.sum() != u32::from_be_bytes(checksum) {
                        return Err(DataError::damaged(name(), "the parameters' checksum is wrong"));
                    }
                    return unpack_text(&text, &name()).map(Some);
                }
            }
            // Also an `iTXt` too long to be ours: other programs may keep a novel in theirs.
            _ => {
                let skipped = reader.seek_relative(i64::from(length) + 4);
                skipped.map_err(|error| DataError::read(path, error))?;
            }
        }
    }
}

fn write_chunks(
    encoded: &mut Vec<u8>,
    picture: &Pixels,
    parameters: Option<&str>,
) -> Result<(), png::EncodingError> {
    let ImageShape { height, width, channels } = picture.shape();
    let mut encoder = png::Encoder::new(encoded, width as u32, height as u32);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    if let Some(text) = parameters {
        encoder.add_itxt_chunk(PARAMETERS_KEY.to_owned(), text.to_owned())?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.bytes())?;
    writer.finish()
}

/// The text of an `iTXt` chunk, perhaps still compressed.
struct ChunkText<'a> {
    compressed: bool,
    bytes: &'a [u8],
}

/// Takes an `iTXt` chunk apart, if its keyword is ours: keyword NUL flag method language NUL
/// translated keyword NUL text.
fn our_text(data: &[u8]) -> Option<ChunkText<'_>> {
    let rest = data.strip_prefix(PARAMETERS_KEY.as_bytes())?.strip_prefix(&[0])?;
    let [compressed @ (0 | 1), 0, rest @ ..] = rest else {
        return None;
    };
    let mut fields = rest.splitn(3, |&byte| byte == 0);
    let (_language, _translation, bytes) = (fields.next()?, fields.next()?, fields.next()?);
    Some(ChunkText { compressed: *compressed == 1, bytes })
}

fn unpack_text(text: &ChunkText<'_>, name: &str) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    if text.compressed {
        ZlibDecoder::new(text.bytes)
            .take(MAX_PARAMETERS as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| DataError::damaged(name, format!("the parameters: {error}")))?;
    } else {
        bytes.extend_from_slice(text.bytes);
    }
    if bytes.len() > MAX_PARAMETERS {
        let reason = format!("its parameters are longer than {MAX_PARAMETERS} bytes");
        return Err(DataError::refused(name, reason));
    }
    String::from_utf8(bytes).map_err(|_| DataError::damaged(name, "the parameters are not UTF-8"))
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_read = 0;
    while n_read < buffer.len() {
        match reader.read(&mut buffer[n_read..])? {
            0 => break,
            n => n_read += n,
        }
    }
    Ok(n_read)
}

fn ended_early(path: &Path, error: io::Error) -> DataError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        DataError::damaged(path.display().to_string(), "the PNG ends too early")
    } else {
        DataError::read(path, error)
    }
}
