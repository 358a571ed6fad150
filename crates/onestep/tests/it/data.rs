//! Data: every container read back from files the test made, and every hostile one refused.

mod arrays;
#[cfg(feature = "avif")]
mod avif;
mod bundled;
mod containers;
mod damage;
mod foreign;
mod hostile;
mod looking;
mod pictures;
mod pixels;
mod portraits;
mod structure;
mod tiff;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use onestep::data::{DataError, DataSpec, Dataset, ImageShape, Pixels, open};

pub const RGB8: ImageShape = ImageShape { height: 8, width: 8, channels: 3 };

/// Bytes without a pattern that a wrong stride could reproduce, and that do not compress.
pub fn scrambled(n_bytes: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..n_bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 11) as u8
        })
        .collect()
}

/// A picture that no other seed has.
pub fn picture(shape: ImageShape, seed: u32) -> Pixels {
    Pixels::new(shape, scrambled(shape.n_values(), seed)).expect("a valid shape")
}

/// The picture as a PNG file in memory.
pub fn png(shape: ImageShape, seed: u32) -> Vec<u8> {
    onestep::data::picture::encode_png(&picture(shape, seed), None).expect("a valid picture")
}

/// What a data set made of [`picture`]s should hand out.
pub fn values(shape: ImageShape, seed: u32) -> Vec<f32> {
    picture(shape, seed).values()
}

pub fn spec(path: &Path) -> DataSpec {
    DataSpec::new(path.to_str().expect("temporary paths are text"))
}

pub fn open_path(path: &Path) -> Box<dyn Dataset> {
    open(&spec(path)).unwrap_or_else(|error| panic!("{}", story(&error)))
}

/// The error that opening `spec` ends in, and all it says.
pub fn refusal(spec: &DataSpec) -> (DataError, String) {
    match open(spec) {
        Ok(set) => panic!("{} was opened, with {} samples", spec.source, set.len()),
        Err(error) => {
            let story = story(&error);
            (error, story)
        }
    }
}

/// An error with its causes, as the command would print it.
pub fn story(error: &dyn std::error::Error) -> String {
    let mut story = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        story.push_str(": ");
        story.push_str(&error.to_string());
        cause = error.source();
    }
    story
}

pub fn labels(set: &dyn Dataset) -> Vec<Option<usize>> {
    (0..set.len()).map(|index| set.sample(index).expect("a good sample").label).collect()
}

/// Writes a file, and the folders above it.
pub fn put(path: PathBuf, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a folder");
    File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("a file");
    path
}

/// Writes a zip of these entries, packed or stored.
pub fn put_zip(path: PathBuf, entries: &[(&str, &[u8])], packed: bool) -> PathBuf {
    let method = if packed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut archive = zip::ZipWriter::new(File::create(&path).expect("a file"));
    for (name, bytes) in entries {
        archive.start_file(*name, options).expect("an entry");
        archive.write_all(bytes).expect("an entry's bytes");
    }
    archive.finish().expect("a directory");
    path
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A tar archive of these entries. Names are written as they are, also those that climb out.
pub fn tarred(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, *bytes).expect("memory");
    }
    archive.into_inner().expect("memory")
}

/// An IDX file: magic number, extents, bytes.
pub fn idx(magic: u32, extents: &[u32], bytes: &[u8]) -> Vec<u8> {
    let numbers = std::iter::once(&magic).chain(extents);
    let mut file: Vec<u8> = numbers.flat_map(|number| number.to_be_bytes()).collect();
    file.extend_from_slice(bytes);
    file
}

/// One array in numpy's file format.
pub fn npy(header: &str, bytes: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}
