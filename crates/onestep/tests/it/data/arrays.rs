//! Arrays as numpy users write them, and sparse but honest data.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use onestep::data::{DataError, DataSpec, ImageShape, Split, open};

use super::{gzipped, idx, labels, npy, open_path, put, put_zip, refusal, scrambled, spec};

const SHAPE: ImageShape = ImageShape { height: 6, width: 5, channels: 3 };
const N: usize = 4;

/// An array of numpy: type, extents, numbers.
fn array(descr: &str, fortran: bool, axes: &[usize], numbers: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let axes: String = axes.iter().map(|axis| format!("{axis}, ")).collect();
    npy(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({axes}), }}\n"), numbers)
}

fn bytes() -> Vec<u8> {
    // Black and white are in it, so that the range is.
    let mut bytes = scrambled(N * SHAPE.n_values(), 1);
    bytes[..2].copy_from_slice(&[0, 255]);
    bytes
}

fn floats(of: impl Fn(u8) -> f32) -> Vec<u8> {
    bytes().into_iter().flat_map(|byte| of(byte).to_le_bytes()).collect()
}

fn npz(folder: &Path, entries: &[(&str, &[u8])]) -> PathBuf {
    put_zip(folder.join("a.npz"), entries, true)
}

/// What every array below should be read as.
fn expected(index: usize) -> Vec<f32> {
    let n = SHAPE.n_values();
    bytes()[index * n..(index + 1) * n].iter().map(|&byte| f32::from(byte) / 127.5 - 1.0).collect()
}

/// The numbers of `bytes()` in another order of axes: for each place of the array the place in `bytes()`.
fn reordered(axes: [usize; 4], from: impl Fn([usize; 4]) -> [usize; 4]) -> Vec<u8> {
    let ImageShape { height, width, channels } = SHAPE;
    let all = bytes();
    let mut moved = Vec::new();
    for a in 0..axes[0] {
        for b in 0..axes[1] {
            for c in 0..axes[2] {
                for d in 0..axes[3] {
                    let [n, y, x, channel] = from([a, b, c, d]);
                    moved.push(all[((n * height + y) * width + x) * channels + channel]);
                }
            }
        }
    }
    moved
}

#[test]
fn images_are_read_in_every_usual_order_type_and_range() {
    let folder = tempfile::tempdir().unwrap();
    let last = [N, 6, 5, 3];
    let first = [N, 3, 6, 5];
    let planes = reordered(first, |[n, c, y, x]| [n, y, x, c]);
    // Column-major: the first index is the fastest.
    let columns = reordered([3, 5, 6, N], |[c, x, y, n]| [n, y, x, c]);
    let doubles: Vec<u8> = bytes().iter().flat_map(|&b| (f64::from(b) / 255.0).to_be_bytes()).collect();
    let wide: Vec<u8> = bytes().iter().flat_map(|&b| (u16::from(b) * 257).to_le_bytes()).collect();
    let integers: Vec<u8> = bytes().iter().flat_map(|&b| i64::from(b).to_le_bytes()).collect();
    for (array, part) in [
        (array("|u1", false, &last, &bytes()), "4 images of 5x6"),
        (array("|u1", false, &first, &planes), "channels first"),
        (array("|u1", true, &last, &columns), "4 images"),
        (array("<f4", false, &last, &floats(|b| f32::from(b) / 255.0)), "0 to 1"),
        (array("<f4", false, &last, &floats(|b| f32::from(b) / 127.5 - 1.0)), "-1 to 1"),
        (array("<f4", false, &last, &floats(f32::from)), "0 to 255"),
        (array(">f8", false, &last, &doubles), "0 to 1"),
        (array("<u2", false, &last, &wide), "0 to 65535"),
        (array("<i8", false, &last, &integers), "0 to 255"),
    ] {
        let archive = npz(folder.path(), &[("arr_0.npy", &array)]);
        let alone = put(folder.path().join("a.npy"), &array);
        for path in [archive, alone] {
            let set = open_path(&path);
            assert_eq!((set.len(), set.shape()), (N, SHAPE), "{part}");
            for index in 0..N {
                assert_eq!(set.sample(index).unwrap().values, expected(index), "{part}, image {index}");
            }
            assert!(set.read_as().unwrap().contains(part), "{part}: {:?}", set.read_as());
        }
    }
}

#[test]
fn arrays_go_by_their_usual_names_and_labels_have_any_type() {
    let folder = tempfile::tempdir().unwrap();
    let images = array("|u1", false, &[N, 6, 5, 3], &bytes());
    let classes = [2u8, 0, 1, 2];
    let wide = |of: fn(u8) -> Vec<u8>| classes.iter().flat_map(|&class| of(class)).collect::<Vec<u8>>();
    let bytes = array("|u1", false, &[N], &classes);
    let floats = array("<f4", false, &[N], &wide(|class| f32::from(class).to_le_bytes().to_vec()));
    let columns = array("<i4", false, &[N, 1], &wide(|class| i32::from(class).to_le_bytes().to_vec()));
    let rows = array(
        "<f4",
        false,
        &[N, 3],
        &wide(|class| (0..3).flat_map(|c| f32::from(u8::from(c == class)).to_le_bytes()).collect()),
    );
    for (name, of_labels, array) in [
        ("images", "labels", &bytes),
        ("x", "y", &floats),
        ("data", "label", &columns),
        ("arr_0", "arr_1", &rows),
        ("x_train", "y_train", &bytes),
    ] {
        let (name, of_labels) = (format!("{name}.npy"), format!("{of_labels}.npy"));
        let path = npz(folder.path(), &[(&name, &images), (&of_labels, array)]);
        assert_eq!(labels(&*open_path(&path)), [2, 0, 1, 2].map(Some), "{name}");
    }
    // What is held back is found by its name.
    let held_back =
        super::npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 6, 5, 3), }\n", &[7; 90]);
    let path = npz(folder.path(), &[("x_train.npy", &images), ("x_test.npy", &held_back)]);
    let test = open(&DataSpec { split: Some(Split::Test), ..spec(&path) }).unwrap();
    assert_eq!((test.len(), open_path(&path).len()), (1, N));
    // Labels that nobody wants are not looked at.
    let path = npz(folder.path(), &[("arr_0.npy", &images), ("arr_1.npy", b"no array")]);
    assert!(open(&DataSpec { labels: false.into(), ..spec(&path) }).is_ok());
    let half = array_of_half();
    let path = npz(folder.path(), &[("arr_0.npy", &images), ("arr_1.npy", &half)]);
    let (error, story) = refusal(&spec(&path));
    assert!(matches!(error, DataError::Labels { .. }) && story.contains("0.5"), "{story}");
}

fn array_of_half() -> Vec<u8> {
    array("<f4", false, &[N], &[0.5f32; N].map(f32::to_le_bytes).concat())
}

#[test]
fn one_image_in_color_is_one_image() {
    let folder = tempfile::tempdir().unwrap();
    let pixels = scrambled(16 * 17 * 3, 4);
    let set = open_path(&npz(folder.path(), &[("arr_0.npy", &array("|u1", false, &[16, 17, 3], &pixels))]));
    assert_eq!((set.len(), set.shape()), (1, ImageShape { height: 16, width: 17, channels: 3 }));
    assert!(set.read_as().unwrap().contains("one image in color"));
    assert_eq!(set.sample(0).unwrap().values[5], f32::from(pixels[5]) / 127.5 - 1.0);
    // With transparency it is laid on white, as a picture is.
    let clear = [10, 20, 30, 0].repeat(30);
    let set = open_path(&npz(folder.path(), &[("arr_0.npy", &array("|u1", false, &[5, 6, 4], &clear))]));
    assert!(set.sample(0).unwrap().values.iter().all(|&value| value == 1.0));
}

#[test]
fn what_can_be_read_in_two_ways_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    for (array, part) in [
        (array("|u1", false, &[2, 3, 9, 3], &[0; 162]), "transpose"),
        (array("|u1", false, &[3, 40, 40], &[0; 4800]), "one in color"),
        (array("|u1", false, &[10, 784], &[0; 7840]), "reshape"),
        (array("<f4", false, &[N, 6, 5, 3], &floats(|b| f32::from(b) / 50.0 - 2.0)), "float32"),
        (array("<f4", false, &[N, 6, 5, 3], &floats(|b| if b == 0 { f32::NAN } else { 0.5 })), "finite"),
        (array("<u2", false, &[1, 2, 2, 1], &[255, 15, 0, 1, 0, 0, 0, 0]), "12 bits"),
    ] {
        let (_, story) = refusal(&spec(&npz(folder.path(), &[("arr_0.npy", &array)])));
        assert!(story.contains(part) && story.contains("a.npz"), "{part}: {story}");
    }
}

/// A drawing packs to less than a hundredth of itself.
#[test]
fn sparse_data_are_no_bombs() {
    let folder = tempfile::tempdir().unwrap();
    let mut pixels = vec![0; 2000 * 28 * 28];
    pixels.iter_mut().step_by(28 * 28 * 40).for_each(|byte| *byte = 255);
    let images = array("|u1", false, &[2000, 28, 28], &pixels);
    let path = npz(folder.path(), &[("arr_0.npy", &images)]);
    assert!(path.metadata().unwrap().len() * 100 < images.len() as u64);
    assert_eq!(open_path(&path).len(), 2000);
    let path =
        put(folder.path().join("train-images-idx3-ubyte.gz"), &gzipped(&idx(2051, &[2000, 28, 28], &pixels)));
    assert!(path.metadata().unwrap().len() * 100 < images.len() as u64);
    assert_eq!(open_path(&path).len(), 2000);
    let mut bmp = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(256, 256).write_to(&mut bmp, image::ImageFormat::Bmp).unwrap();
    let path =
        put_zip(folder.path().join("bmp.zip"), &[("a.bmp", bmp.get_ref()), ("b.bmp", bmp.get_ref())], true);
    assert!(path.metadata().unwrap().len() * 100 < 2 * bmp.get_ref().len() as u64);
    assert!(open_path(&path).sample(1).unwrap().values.iter().all(|&value| value == -1.0));
}

/// What is too large for memory stays where it is; the file has holes, so it takes no room.
#[test]
fn an_array_larger_than_memory_should_hold_is_read_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let (n, side) = (5600, 256);
    let header = array("|u1", false, &[n, side, side, 3], &[]);
    let path = put(folder.path().join("large.npy"), &header);
    let n_bytes = (n * side * side * 3) as u64;
    assert!(n_bytes > 1 << 30);
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(header.len() as u64 + n_bytes).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(&[255]).unwrap();
    let set = open_path(&path);
    let last = set.sample(n - 1).unwrap().values;
    assert_eq!((set.len(), last[last.len() - 2..].to_vec()), (n, vec![-1.0, 1.0]));
    file.set_len(header.len() as u64 + n_bytes - 1).unwrap();
    assert!(refusal(&spec(&path)).1.contains("fewer"));
}
