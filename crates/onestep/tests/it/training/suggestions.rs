//! Recipes that are made for a data set.

use onestep::ImageSize;
use onestep::data::{DataSpec, ImageShape, Labels};
use onestep::train::{Draft, Suggestion};

use super::described::Described;

fn images(image: [usize; 3], n: usize, n_classes: usize) -> Described {
    Described::new(image, n_classes).of(n)
}

#[test]
fn a_suggestion_fits_data_of_every_size() {
    for (side, n_levels, smallest) in
        [(28, 3, 7), (32, 3, 8), (48, 3, 12), (64, 4, 8), (96, 4, 12), (128, 5, 8)]
    {
        for (channels, n_classes) in [(3, 0), (1, 10)] {
            let data = images([side, side, channels], 500, n_classes);
            let spec = DataSpec { image_size: Some(side.into()), ..DataSpec::new("my \"photos\"") };
            let suggestion = Suggestion::new("mine", spec.clone(), &data).steps(1234);
            let recipe = suggestion.recipe(&data).unwrap_or_else(|error| panic!("{side}: {error}"));
            let network = recipe.network.build().unwrap();
            assert_eq!(network.image(), [side, side, channels]);
            assert_eq!(network.n_classes(), (n_classes > 0).then_some(n_classes));
            assert_eq!(
                (recipe.data.source.as_str(), recipe.data.image_size),
                (spec.source.as_str(), spec.image_size)
            );
            assert_eq!((recipe.name.as_str(), recipe.train.steps), ("mine", 1234));
            let text = suggestion.to_toml();
            assert!(text.contains(&format!("{n_levels} levels")), "{text}");
            assert!(text.contains(&format!("attention_resolutions = [{smallest}]")), "{text}");
        }
    }
}

#[test]
fn a_suggestion_looks_at_numbers_and_classes() {
    let made = |data: &Described| Suggestion::new("mine", DataSpec::new("photos"), data);
    // A batch is no larger than the set, and smaller where images are large.
    let batch = |data: Described| made(&data).recipe(&data).unwrap().train.batch;
    assert_eq!(batch(images([32, 32, 3], 1000, 0)), 32);
    assert_eq!(batch(images([32, 32, 3], 5, 0)), 5);
    assert_eq!(batch(images([64, 64, 3], 1000, 0)), 8);
    // Classes of a few images each are no classes to learn.
    let data = images([32, 32, 3], 20, 10);
    let draft = Draft::read(&made(&data).to_toml(), &[]).unwrap();
    assert_eq!(draft.data.labels, Labels::None);
    let many = Draft::read(&made(&images([32, 32, 3], 80, 10)).to_toml(), &[]).unwrap();
    assert_eq!(many.data.labels, Labels::Given);
    assert_eq!(made(&images([32, 32, 3], 1000, 0)).steps_of_epochs(10), 313);
    let mut halved = made(&images([32, 32, 3], 1000, 0));
    assert_eq!(
        (0..7).map(|_| halved.halve_batch()).collect::<Vec<_>>(),
        [true, true, true, true, true, false, false]
    );
    // Sizes that no network halves are brought to one that it does.
    let brought =
        |[height, width]: [usize; 2]| Suggestion::size_for(ImageShape { height, width, channels: 3 });
    for (size, brought_to) in [
        ([32, 32], None),
        ([64, 48], None),
        ([128, 128], None),
        ([16, 16], None),
        ([16, 24], None),
        ([33, 33], Some([32, 32])),
        ([50, 40], Some([40, 32])),
        ([400, 600], Some([64, 96])),
        ([1080, 1920], Some([64, 112])),
        ([3, 3], Some([32, 32])),
        ([3000, 10], Some([32, 32])),
    ] {
        let brought_to = brought_to.map(|[height, width]| ImageSize { height, width });
        assert_eq!(brought(size), brought_to, "{size:?}");
    }
}
