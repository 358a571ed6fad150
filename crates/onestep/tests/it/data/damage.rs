//! Pictures of which a part is missing or damaged: none is read as if it were whole.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use onestep::data::{DataError, ImageShape, Pixels, check};

use super::{open_path, png, put, story};

const SHAPE: ImageShape = ImageShape { height: 40, width: 56, channels: 3 };

/// A picture with shades and edges, so that every block of it has something to say.
fn photo(shape: ImageShape) -> Vec<u8> {
    let ImageShape { height, width, channels } = shape;
    let value = |row: usize, column: usize, channel: usize| {
        let wave = (row as f32 / (3.0 + channel as f32)).sin() * 60.0 + (column as f32 / 5.0).cos() * 50.0;
        let edge = if (row / 9 + column / 13).is_multiple_of(2) { 20.0 } else { 0.0 };
        (wave + edge + 118.0) as u8
    };
    let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    places.flat_map(|(row, column)| (0..channels).map(move |c| value(row, column, c))).collect()
}

#[derive(Debug, Clone, Copy)]
struct Jpeg {
    channels: usize,
    progressive: bool,
    sampling: SamplingFactor,
    restart_interval: u16,
}

impl Jpeg {
    /// Sequential and progressive, grey, colored and for print, of several samplings and restart intervals.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for channels in [1, 3, 4] {
            for progressive in [false, true] {
                for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2] {
                    for restart_interval in [0, 1, 5] {
                        all.push(Self { channels, progressive, sampling, restart_interval });
                    }
                }
            }
        }
        all
    }

    fn encode(self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 95);
        encoder.set_progressive(self.progressive);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_restart_interval(self.restart_interval);
        let color = [ColorType::Luma, ColorType::Luma, ColorType::Rgb, ColorType::Cmyk][self.channels - 1];
        let values = photo(ImageShape { channels: self.channels, ..SHAPE });
        encoder.encode(&values, SHAPE.width as u16, SHAPE.height as u16, color).unwrap();
        file
    }

    /// What the decoded picture should be, but for what is lost.
    fn pixels(self) -> Pixels {
        let values = photo(ImageShape { channels: self.channels, ..SHAPE });
        let rgb = |ink: &[u8]| [0, 1, 2].map(|c| (255 - ink[c] as u32) * (255 - ink[3] as u32) / 255);
        match self.channels {
            4 => {
                let bytes = values.chunks_exact(4).flat_map(rgb).map(|value| value as u8).collect();
                Pixels::new(SHAPE, bytes).unwrap()
            }
            channels => Pixels::new(ImageShape { channels, ..SHAPE }, values).unwrap(),
        }
    }
}

fn mean_difference(a: &Pixels, b: &Pixels) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let pairs = a.bytes().iter().zip(b.bytes());
    pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.bytes().len() as f64
}

#[test]
fn whole_jpegs_of_every_kind_are_read() {
    for jpeg in Jpeg::all() {
        let decoded =
            Pixels::decode(&jpeg.encode(), "whole.jpg").unwrap_or_else(|e| panic!("{jpeg:?}: {}", story(&e)));
        let difference = mean_difference(&decoded, &jpeg.pixels());
        // Colors of half the resolution lose most.
        assert!(difference < 5.0, "{jpeg:?} differs by {difference}");
    }
}

/// Also where an end marker was put behind what is left, as recovery programs do.
#[test]
fn a_jpeg_that_is_cut_anywhere_is_an_error_that_says_so() {
    for jpeg in Jpeg::all() {
        let file = jpeg.encode();
        let data = file.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 14;
        let cuts = (1..100).map(|percent| file.len() * percent / 100).chain([file.len() - 2, file.len() - 1]);
        for cut in cuts {
            let error = Pixels::decode(&file[..cut], "cut.jpg").expect_err(&format!("{jpeg:?} cut at {cut}"));
            let story = story(&error);
            assert!(matches!(error, DataError::Image { .. }) && story.contains("cut.jpg"), "{story}");
            if cut <= data || cut >= file.len() - 2 {
                continue;
            }
            assert!(story.contains("ends"), "{story}");
            let mut ended = file[..cut].to_vec();
            ended.extend([0xff, 0xd9]);
            // In a progressive file a cut may fall between two scans, and what was there before is a coarser whole.
            let decoded = Pixels::decode(&ended, "ended.jpg");
            assert!(decoded.is_err() || jpeg.progressive, "{jpeg:?} ended at {cut}");
        }
    }
}

#[test]
fn a_jpeg_with_a_hole_in_its_data_is_an_error() {
    for jpeg in Jpeg::all().into_iter().filter(|jpeg| jpeg.channels != 4) {
        let file = jpeg.encode();
        let data = file.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 14;
        let (start, end) = (data + (file.len() - data) / 3, data + (file.len() - data) * 2 / 3);
        let mut zeros = file.clone();
        zeros[start..end].fill(0);
        let mut hole = file.clone();
        hole.drain(start..end);
        for (kind, damaged) in [("zeros", zeros), ("hole", hole)] {
            let error = Pixels::decode(&damaged, "hole.jpg").expect_err(&format!("{jpeg:?} with {kind}"));
            assert!(story(&error).contains("JPEG"), "{}", story(&error));
        }
    }
}

/// A cut file is an error, or has lost nothing that is part of the picture.
#[test]
fn no_kind_of_picture_loses_its_end_in_silence() {
    let rgb = DynamicImage::ImageRgb8(
        image::ImageBuffer::from_raw(SHAPE.width as u32, SHAPE.height as u32, photo(SHAPE)).unwrap(),
    );
    let formats = [
        ImageFormat::Png,
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Pnm,
        ImageFormat::WebP,
        ImageFormat::Tiff,
    ];
    for (format, picture) in formats.into_iter().flat_map(|format| {
        let others = [DynamicImage::ImageLuma8(rgb.to_luma8()), DynamicImage::ImageRgb16(rgb.to_rgb16())];
        std::iter::once((format, rgb.clone())).chain(others.map(|other| (format, other)))
    }) {
        let mut file = Cursor::new(Vec::new());
        if picture.write_to(&mut file, format).is_err() {
            continue;
        }
        let file = file.into_inner();
        let whole = Pixels::decode(&file, "whole").unwrap();
        for cut in 0..file.len() {
            let Ok(decoded) = Pixels::decode(&file[..cut], "cut") else { continue };
            assert!(decoded == whole, "{format:?} {:?} cut at {cut} of {}", picture.color(), file.len());
        }
    }
}

#[test]
fn a_wrong_checksum_in_a_png_is_an_error() {
    let file = png(SHAPE, 3);
    let data = file.windows(4).position(|kind| kind == b"IDAT").unwrap() + 4;
    for at in [data + 2, data + 500, file.len() - 13, file.len() - 20] {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        assert!(Pixels::decode(&damaged, "flipped.png").is_err(), "a flipped bit at {at}");
    }
}

#[test]
fn check_says_why_each_picture_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = Jpeg { channels: 3, progressive: false, sampling: SamplingFactor::F_2_2, restart_interval: 0 };
    let file = jpeg.encode();
    put(folder.path().join("a.jpg"), &file);
    put(folder.path().join("b.jpg"), &file[..file.len() / 2]);
    let report = check(&*open_path(folder.path()), |_| {});
    assert_eq!(report.bad.len(), 1);
    let story = story(&report.bad[0].error);
    assert!(story.contains("b.jpg") && story.contains("the JPEG ends after"), "{story}");
}
