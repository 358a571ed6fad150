//! The nearest images of training: against every pair computed plainly, for copies that are known, and for sets of one kind.

use onestep::data::{ImageShape, Pixels};
use onestep::eval::{Nearest, Neighbor, nearest};
use onestep::noise::{Purpose, Stream};
use onestep::observer::{Event, Flow};

const SHAPE: ImageShape = ImageShape { height: 5, width: 7, channels: 3 };

/// Images of independent bytes.
fn noise(seed: u64, n: usize) -> Vec<Pixels> {
    let image = |index| {
        let values = Stream::new(seed, Purpose::Test, 0, index as u64).standard_normal(SHAPE.n_values());
        let bytes = values.into_iter().map(|value| (128.0 + 40.0 * value).clamp(0.0, 255.0) as u8).collect();
        Pixels::new(SHAPE, bytes).unwrap()
    };
    (0..n).map(image).collect()
}

fn mirrored(picture: &Pixels) -> Pixels {
    let rows = picture.bytes().chunks_exact(SHAPE.width * 3);
    let bytes = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied()).collect();
    Pixels::new(SHAPE, bytes).unwrap()
}

fn find(pictures: &[Pixels], training: &Vec<Pixels>, k: usize) -> Nearest {
    nearest(pictures, training, k, &mut ()).unwrap().expect("nobody stops it")
}

/// The plain way: every distance, sorted.
fn plainly(picture: &Pixels, training: &[Pixels], k: usize) -> Vec<Neighbor> {
    let distance = |one: &Pixels, other: &Pixels| {
        let squares =
            one.bytes().iter().zip(other.bytes()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        (squares.sum::<f64>() / SHAPE.n_values() as f64).sqrt()
    };
    let turned = mirrored(picture);
    let mut all: Vec<Neighbor> = training
        .iter()
        .enumerate()
        .map(|(index, image)| {
            let (straight, mirrored) = (distance(picture, image), distance(&turned, image));
            Neighbor { index, mirrored: mirrored < straight, distance: straight.min(mirrored) }
        })
        .collect();
    all.sort_by(|one, other| one.distance.total_cmp(&other.distance));
    all.truncate(k);
    all
}

#[test]
fn neighbors_are_those_of_comparing_with_all() {
    // More than are read at a time.
    let (training, pictures) = (noise(1, 1500), noise(2, 20));
    for k in [1, 2, 7] {
        let found = find(&pictures, &training, k);
        for (picture, neighbors) in pictures.iter().zip(&found.neighbors) {
            assert_eq!(*neighbors, plainly(picture, &training, k));
        }
    }
    let all = find(&pictures, &training[..3].to_vec(), 10);
    assert!(all.neighbors.iter().all(|neighbors| neighbors.len() == 3));
}

#[test]
fn copies_are_found_mirrored_or_not_and_shown_first() {
    let training = noise(1, 300);
    let mut pictures = noise(2, 30);
    pictures[3] = training[200].clone();
    pictures[17] = mirrored(&training[5]);
    // A copy with a little noise is no repeat, but a copy.
    let mut bytes = training[77].bytes().to_vec();
    bytes.iter_mut().for_each(|byte| *byte = byte.saturating_add(9));
    pictures[9] = Pixels::new(SHAPE, bytes).unwrap();
    let found = find(&pictures, &training, 3);
    assert_eq!((found.n_within(0.0), found.n_within(2.0), found.n_copies()), (2, 2, 3));
    let first = |place: usize| found.neighbors[place][0];
    assert_eq!(first(3), Neighbor { index: 200, mirrored: false, distance: 0.0 });
    assert_eq!(first(17), Neighbor { index: 5, mirrored: true, distance: 0.0 });
    assert_eq!(found.most_suspicious()[..3], [3, 17, 9]);
    assert_eq!(found.quantile(0.0), 0.0);
    let rows = found.examples(&pictures, &training, 2).unwrap();
    assert_eq!(rows.len(), 2 * 4);
    // What was mirrored to be near is shown so.
    assert!(rows[1] == rows[0] && rows[5] == rows[4] && rows[4] == pictures[17]);
    // An image that training holds twice is no copy by its second neighbor, and a repeat all the same.
    let twice = vec![training[0].clone(), training[0].clone(), training[1].clone()];
    let found = find(&[training[0].clone(), pictures[0].clone()], &twice, 2);
    assert_eq!((found.n_within(0.0), found.n_copies(), found.most_suspicious()[0]), (1, 1, 0));
}

#[test]
fn unseen_images_lie_as_far_off_as_others_of_their_kind() {
    let training = noise(1, 400);
    let (one, other) = (find(&noise(2, 200), &training, 1), find(&noise(3, 300), &training, 1));
    let nearer = one.nearer_than(&other);
    assert!((nearer.share - 0.5).abs() < 0.1 && nearer.z.abs() < 3.0, "{nearer:?}");
    let own = find(&training[..100], &training, 1);
    let copies = own.nearer_than(&other);
    assert_eq!(copies.share, 1.0);
    assert!(copies.z < -10.0, "{copies:?}");
    // Against itself there is nothing but ties.
    let same = one.nearer_than(&one);
    assert_eq!((same.share, same.z), (0.5, 0.0));
    assert!((one.nearer_than(&other).share + other.nearer_than(&one).share - 1.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_compared_is_refused_and_a_stop_is_heard() {
    let training = noise(1, 3);
    let refused = |pictures: &[Pixels], training: &Vec<Pixels>, k| {
        nearest(pictures, training, k, &mut ()).unwrap_err().to_string()
    };
    assert!(refused(&[], &training, 1).contains("at least one"));
    assert!(refused(&training, &training, 0).contains("at least 1"));
    assert!(refused(&training, &Vec::new(), 1).contains("not empty"));
    let wide = Pixels::new(ImageShape { width: 8, ..SHAPE }, vec![0; 5 * 8 * 3]).unwrap();
    assert!(refused(std::slice::from_ref(&wide), &training, 1).contains("8x5"));
    assert!(refused(&[training[0].clone(), wide], &training, 1).contains("of one size"));
    let stopped = nearest(&training, &training, 1, &mut |_: &Event| Flow::Stop).unwrap();
    assert_eq!(stopped, None);
}
