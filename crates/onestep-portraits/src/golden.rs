//! Every part and whole portraits, against what resvg makes of the original part set.

use crate::art::{Art, Layer};
use crate::paint::Palette;

/// One picture: the numbers of its parts and colors from 1, 0 for none, in the order of [`Layer::CHOSEN`] and
/// [`Palette::ALL`] as golden.txt has them.
struct Golden {
    parts: [u8; 8],
    colors: [u8; 8],
    pixels: Vec<u8>,
}

fn golden() -> Vec<Golden> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let text = std::fs::read_to_string(format!("{folder}/golden.txt")).unwrap();
    let file = std::fs::File::open(format!("{folder}/golden.png")).unwrap();
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    assert_eq!(
        header,
        "# accessories clothing eyes glasses beard mouth hair hat skinColor accessoriesColor clothingColor eyesColor \
         glassesColor mouthColor hairColor hatColor"
    );
    let of_line = |(line, pixels): (&str, &[u8])| {
        let numbers: Vec<u8> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let half = |from: usize| std::array::from_fn(|index| numbers[from + index]);
        Golden { parts: half(0), colors: half(8), pixels: pixels.to_vec() }
    };
    let all: Vec<_> = lines.zip(pixels.chunks_exact(768)).map(of_line).collect();
    assert_eq!(all.len(), text.lines().count() - 1, "a picture for every line");
    all
}

#[test]
fn everything_is_drawn_as_the_original_renderer_draws_it() {
    let art = Art::get();
    let all = golden();
    assert!(all.len() > 500);
    for (index, golden) in all.iter().enumerate() {
        let parts = Layer::CHOSEN.into_iter().zip(golden.parts);
        let drawn = art.draw(parts.filter_map(|(layer, part)| art.part(layer, part)), &|palette| {
            art.colors(palette)[usize::from(golden.colors[palette as usize]) - 1]
        });
        let differs =
            drawn.as_flattened().iter().zip(&golden.pixels).position(|(ours, theirs)| ours != theirs);
        assert_eq!(differs, None, "picture {index}: {:?} {:?}", golden.parts, golden.colors);
    }
}

#[test]
fn every_part_and_color_is_among_them() {
    let art = Art::get();
    let all = golden();
    for (place, layer) in Layer::CHOSEN.into_iter().enumerate() {
        for part in 1..=art.parts(layer).len() {
            let is_alone = |golden: &&Golden| {
                let others = golden.parts.iter().filter(|&&other| other > 0).count();
                usize::from(golden.parts[place]) == part && others == 1
            };
            assert!(all.iter().any(|golden| is_alone(&golden)), "{layer:?} {part} alone");
        }
    }
    for palette in Palette::ALL {
        for color in 1..=art.colors(palette).len() {
            assert!(all.iter().any(|golden| usize::from(golden.colors[palette as usize]) == color));
        }
    }
    let n_whole =
        all.iter().filter(|golden| golden.parts.iter().filter(|&&part| part > 0).count() >= 4).count();
    assert!(n_whole >= 200, "{n_whole}");
}
