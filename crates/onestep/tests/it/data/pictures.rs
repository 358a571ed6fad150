//! Writing PNG files and npz, and reading the parameters back.

use onestep::data::picture::{Grid, MAX_PARAMETERS, encode_png, read_parameters, write_png};
use onestep::data::{DataError, ImageShape, Pixels, check, npz};

use super::{RGB8, labels, open_path, picture, put, scrambled, story, values};

#[test]
fn a_png_keeps_its_pixels_and_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.png");
    let parameters = r#"{"seed": 7, "prompt": "grün ✓"}"#;
    for shape in [RGB8, ImageShape { channels: 1, ..RGB8 }] {
        write_png(&path, &picture(shape, 1), Some(parameters)).unwrap();
        assert_eq!(Pixels::read(&path).unwrap(), picture(shape, 1));
        assert_eq!(read_parameters(&path).unwrap().as_deref(), Some(parameters));
    }
    write_png(&path, &picture(RGB8, 1), None).unwrap();
    assert_eq!(read_parameters(&path).unwrap(), None);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["sample.png"], "no scratch file stays behind");
}

/// Other programs write the same chunk compressed.
#[test]
fn compressed_parameters_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = png_with_text(|chunk| chunk.compress_text().unwrap(), "{\"seed\": 1}");
    let path = put(folder.path().join("a.png"), &file);
    assert_eq!(read_parameters(&path).unwrap().as_deref(), Some("{\"seed\": 1}"));
}

#[test]
fn parameters_that_unpack_to_a_bomb_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = png_with_text(|chunk| chunk.compress_text().unwrap(), &"x".repeat(MAX_PARAMETERS + 1));
    let path = put(folder.path().join("bomb.png"), &file);
    let error = read_parameters(&path).unwrap_err();
    assert!(matches!(error, DataError::Refused { .. }), "{}", story(&error));
}

#[test]
fn damaged_pngs_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = encode_png(&picture(RGB8, 1), Some("{}")).unwrap();
    for length in 0..good.len() {
        let path = put(folder.path().join("cut.png"), &good[..length]);
        // A cut after the text chunk leaves the parameters whole, so they are returned.
        match read_parameters(&path) {
            Ok(parameters) => assert_eq!(parameters.as_deref(), Some("{}"), "cut at {length}"),
            Err(error) => assert!(error.to_string().contains("cut.png"), "{error}"),
        }
    }
    let mut flipped = good.clone();
    let at = good.windows(2).position(|bytes| bytes == b"{}").unwrap();
    flipped[at] = b'[';
    let path = put(folder.path().join("flipped.png"), &flipped);
    assert!(matches!(read_parameters(&path), Err(DataError::Damaged { .. })));
    let path = put(folder.path().join("text.png"), b"just text");
    assert!(matches!(read_parameters(&path), Err(DataError::Unsupported { .. })));
}

#[test]
fn parameters_too_long_to_read_back_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.png");
    for text in ["x".repeat(MAX_PARAMETERS + 1), "a\0b".to_owned()] {
        let error = write_png(&path, &picture(RGB8, 1), Some(&text)).unwrap_err();
        assert!(matches!(error, DataError::Setting { setting: "parameters", .. }));
    }
    assert!(!path.exists());
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    // A folder where the file should go: the rename fails after everything was written.
    let path = folder.path().join("taken");
    std::fs::create_dir(&path).unwrap();
    let error = write_png(&path, &picture(RGB8, 1), None).unwrap_err();
    assert!(matches!(error, DataError::Write { .. }) && error.to_string().contains("taken"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no scratch file stays behind");
    let nowhere = folder.path().join("missing").join("a.png");
    assert!(matches!(write_png(&nowhere, &picture(RGB8, 1), None), Err(DataError::Write { .. })));
}

#[test]
fn a_grid_places_pictures_two_pixels_apart() {
    let shape = ImageShape { height: 2, width: 3, channels: 3 };
    let pictures: Vec<Pixels> = (0..5).map(|seed| picture(shape, seed)).collect();
    for scale in [1, 3] {
        let grid = Grid { columns: 3, scale }.arrange(&pictures).unwrap();
        let ImageShape { height, width, channels } = grid.shape();
        assert_eq!((height, width, channels), (2 + 2 * (2 * scale + 2), 2 + 3 * (3 * scale + 2), 3));
        let mut n_white = 0;
        for y in 0..height {
            for x in 0..width {
                let pixel = &grid.bytes()[(y * width + x) * 3..][..3];
                let place = |at: usize, side: usize| {
                    let within = (at + side * scale).checked_sub(2 + side * scale)?;
                    let (cell, offset) = (within / (side * scale + 2), within % (side * scale + 2));
                    (offset < side * scale).then_some((cell, offset / scale))
                };
                match (place(y, 2), place(x, 3)) {
                    (Some((row, r)), Some((column, c))) if row * 3 + column < 5 => {
                        let from = pictures[row * 3 + column].bytes();
                        assert_eq!(pixel, &from[(r * 3 + c) * 3..][..3], "at {x}, {y}");
                    }
                    _ => {
                        assert_eq!(pixel, [255; 3], "at {x}, {y}");
                        n_white += 1;
                    }
                }
            }
        }
        assert_eq!(n_white, height * width - 5 * 6 * scale * scale);
    }
}

#[test]
fn grids_that_cannot_be_drawn_say_why() {
    let small = picture(RGB8, 1);
    let other = picture(ImageShape { height: 4, ..RGB8 }, 1);
    let grid = |columns, scale, pictures: &[Pixels]| Grid { columns, scale }.arrange(pictures).map(drop);
    assert!(grid(4, 1, &[]).is_err());
    assert!(grid(0, 1, std::slice::from_ref(&small)).is_err());
    assert!(grid(1, 0, std::slice::from_ref(&small)).is_err());
    assert!(grid(2, 1, &[small.clone(), other]).unwrap_err().to_string().contains("8x4"));
    assert!(grid(1, 5000, std::slice::from_ref(&small)).unwrap_err().to_string().contains("scale"));
    assert!(grid(1, usize::MAX, std::slice::from_ref(&small)).is_err());
    // One grey picture among colored ones is drawn in grey color.
    let grey = picture(ImageShape { channels: 1, ..RGB8 }, 1);
    let mixed = Grid { columns: 2, scale: 1 }.arrange(&[small, grey.clone()]).unwrap();
    let at = (2 * mixed.shape().width + 12) * 3;
    assert_eq!(mixed.bytes()[at..at + 3], [grey.bytes()[0]; 3]);
}

#[test]
fn an_npz_is_read_back_and_is_always_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..5).flat_map(|seed| scrambled(RGB8.n_values(), seed)).collect();
    let paths = ["a.npz", "b.npz"].map(|name| folder.path().join(name));
    for path in &paths {
        npz::write(path, &pixels, RGB8, Some(&[0, 3, 1, 2, 0])).unwrap();
    }
    let [a, b] = paths.each_ref().map(|path| std::fs::read(path).unwrap());
    assert!(a == b, "equal images give equal files");
    let set = open_path(&paths[0]);
    assert_eq!(set.shape(), RGB8);
    assert_eq!(labels(&*set), [0, 3, 1, 2, 0].map(Some));
    assert_eq!(set.sample(4).unwrap().values, values(RGB8, 4));
    assert_eq!(check(&*set, |_| {}).class_counts, [2, 1, 1, 1]);
    npz::write(&paths[0], &pixels, RGB8, None).unwrap();
    assert_eq!(open_path(&paths[0]).sample(0).unwrap().label, None);
}

#[test]
fn an_npz_of_the_wrong_length_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    assert!(npz::write(&path, &[0; 100], RGB8, None).is_err());
    assert!(npz::write(&path, &[0; 192], RGB8, Some(&[1, 2])).is_err());
    assert!(!path.exists());
}

fn png_with_text(change: impl FnOnce(&mut png::text_metadata::ITXtChunk), text: &str) -> Vec<u8> {
    let mut chunk = png::text_metadata::ITXtChunk::new("onestep", text);
    change(&mut chunk);
    let mut file = Vec::new();
    let mut writer = png::Encoder::new(&mut file, 1, 1).write_header().unwrap();
    writer.write_text_chunk(&chunk).unwrap();
    writer.write_image_data(&[0]).unwrap();
    writer.finish().unwrap();
    file
}

#[test]
fn a_grid_is_taken_apart_into_what_it_was_made_of() {
    let shape = ImageShape { height: 3, width: 5, channels: 3 };
    for (n, columns, scale) in [(1, 1, 1), (1, 1, 4), (4, 2, 1), (6, 3, 2), (7, 3, 3), (5, 5, 1), (3, 1, 8)] {
        let pictures: Vec<_> = (0..n).map(|number| picture(shape, number)).collect();
        let grid = Grid { columns, scale };
        let sheet = grid.arrange(&pictures).unwrap();
        let apart = grid.take_apart(&sheet, shape.size()).unwrap();
        assert_eq!(apart[..pictures.len()], pictures, "{n} in {columns} columns at {scale}");
        assert!(apart[pictures.len()..].iter().all(|rest| rest.bytes().iter().all(|&byte| byte == 255)));
        // At another scale it is no grid of such pictures, or one of others.
        let other = Grid { columns, scale: scale + 8 }.take_apart(&sheet, shape.size());
        assert!(other.unwrap_err().to_string().contains("pictures of"));
    }
}
