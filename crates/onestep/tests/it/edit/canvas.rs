//! Pictures of any size, to the model and back.

use onestep::data::{ImageShape, Pixels};
use onestep::edit::{Canvas, CanvasFit, EditError};

fn picture(height: usize, width: usize, channels: usize) -> Pixels {
    let n = height * width * channels;
    Pixels::new(ImageShape { height, width, channels }, (0..n).map(|i| (i * 37 % 251) as u8).collect())
        .unwrap()
}

fn plain(side: usize, value: u8) -> Pixels {
    let shape = ImageShape { height: side, width: side, channels: 3 };
    Pixels::new(shape, vec![value; shape.n_values()]).unwrap()
}

#[test]
fn a_picture_of_the_models_size_is_seen_and_replaced_as_it_is() {
    for fit in [CanvasFit::Crop, CanvasFit::Pad] {
        let canvas = Canvas::new(picture(8, 8, 3), fit, 8);
        assert!(canvas.is_exact());
        assert_eq!(canvas.seen(), picture(8, 8, 3));
        assert_eq!(canvas.paste(&plain(8, 9), None), plain(8, 9));
    }
}

#[test]
fn what_is_not_marked_keeps_its_bytes() {
    for (height, width, channels) in [(8, 8, 3), (40, 24, 3), (19, 50, 3), (5, 3, 3), (30, 30, 1)] {
        for fit in [CanvasFit::Crop, CanvasFit::Pad] {
            let original = picture(height, width, channels);
            let canvas = Canvas::new(original.clone(), fit, 8);
            let unknown: Vec<bool> = (0..height * width).map(|i| i % 5 == 0 && i > width).collect();
            let pasted = canvas.paste(&plain(8, 200), Some(&unknown));
            assert_eq!((pasted.shape().height, pasted.shape().width), (height, width));
            let before = original.into_rgb();
            let mut changed = 0;
            for (pixel, unknown) in unknown.iter().enumerate() {
                let [new, old] = [&pasted, &before].map(|p| &p.bytes()[pixel * 3..pixel * 3 + 3]);
                if *unknown && new == [200; 3] {
                    changed += 1;
                } else {
                    assert_eq!(new, old, "{fit:?} {height}x{width} {pixel}");
                }
            }
            assert!(changed > 0);
        }
    }
}

#[test]
fn cropping_leaves_the_border_alone_and_padding_reaches_everything() {
    let pasted = Canvas::new(picture(10, 20, 3), CanvasFit::Crop, 4).paste(&plain(4, 77), None);
    let count = |p: &Pixels| p.bytes().chunks(3).filter(|p| **p == [77; 3]).count();
    assert!((100..110).contains(&count(&pasted)), "{}", count(&pasted));
    let pasted = Canvas::new(picture(10, 20, 3), CanvasFit::Pad, 4).paste(&plain(4, 77), None);
    assert_eq!(count(&pasted), 200);
    // Wide pictures have rows of their border above and below.
    let seen = Canvas::new(picture(10, 20, 3), CanvasFit::Pad, 8).seen();
    let rows: Vec<&[u8]> = seen.bytes().chunks(24).collect();
    assert_eq!((rows[0], rows[7]), (rows[2], rows[5]));
}

#[test]
fn a_pixel_is_known_only_if_all_under_it_is() {
    let canvas = Canvas::new(picture(16, 16, 3), CanvasFit::Crop, 4);
    let mut unknown = vec![false; 256];
    unknown[5 * 16 + 9] = true;
    let known = canvas.known(&unknown).unwrap();
    assert_eq!(known.iter().filter(|k| **k == 0.0).count(), 1);
    assert_eq!(known[4 + 2], 0.0);
    // Enlarged: one small pixel is several large ones.
    let canvas = Canvas::new(picture(2, 2, 3), CanvasFit::Crop, 6);
    let known = canvas.known(&[false, true, false, false]).unwrap();
    assert_eq!(known.iter().filter(|k| **k == 0.0).count(), 9);
    // Padding is known; a mark outside of the cropped square marks nothing.
    let wide = Canvas::new(picture(10, 20, 3), CanvasFit::Pad, 8);
    assert_eq!(wide.known(&[true; 200]).unwrap().iter().filter(|k| **k == 1.0).count(), 32);
    let cropped = Canvas::new(picture(10, 20, 3), CanvasFit::Crop, 8);
    let left: Vec<bool> = (0..200).map(|i| i % 20 < 5).collect();
    assert!(cropped.known(&left).unwrap().iter().all(|k| *k == 1.0));
    assert!(matches!(canvas.known(&[true]), Err(EditError::MaskSize { .. })));
}

/// Loud colors under the mask do not reach the pixels beside it.
#[test]
fn what_is_hidden_does_not_bleed() {
    let shape = ImageShape { height: 64, width: 64, channels: 3 };
    let unknown: Vec<bool> = (0..64 * 64).map(|i| i % 64 < 32).collect();
    let bytes =
        unknown.iter().flat_map(|&hidden| if hidden { [255, 0, 255] } else { [90, 90, 90] }).collect();
    let canvas = Canvas::new(Pixels::new(shape, bytes).unwrap(), CanvasFit::Crop, 8);
    assert!(canvas.seen_without(&unknown).unwrap().bytes().iter().all(|&byte| byte == 90));
    assert!(canvas.seen().bytes().iter().any(|&byte| byte != 90));
}
