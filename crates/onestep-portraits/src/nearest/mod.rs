//! The legal portrait that is nearest to an image.
//!
//! The search is exact: no legal portrait has a smaller squared distance, but for the rounding of sums in single precision.
//! Going through all 4 · 10^15 is possible because few parts meet:
//!
//! 1. A hat covers what is below, so its best color depends on nothing else. The same holds for hair, glasses, mouth, clothes,
//!    earrings and eyes, given what is seen of them and the color of the beard over them.
//! 2. A hat with a hair, 350 pairs that look different, decides what else is seen. Given them, the skin and a beard with its color,
//!    the picture falls into regions that share no pixel: clothes, earrings, mouth, and eyes with the glasses over them. In each
//!    the best is chosen alone.
//! 3. A region is seen in few ways (the mouth in one, the eyes with their glasses in 24), and the best choice in each is found
//!    once for all skins, then added up for every hat with hair, and again for every beard in every color.

mod ledger;
mod plan;
mod region;
mod search;

use plan::Plan;
use search::Search;

use crate::pixels::N_PIXELS;
use crate::portrait::Portrait;

/// The legal portrait that is nearest to an image, and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Nearest {
    /// What the image is taken for.
    pub portrait: Portrait,
    /// Its picture, `[16, 16, 3]`.
    pub picture: [u8; N_PIXELS * 3],
    /// The largest difference between a value of the image and of the picture, in levels.
    pub largest_difference: f32,
    /// The mean of the squared differences, in levels squared.
    pub mean_squared_difference: f64,
}

/// What a value that is not finite counts as, and the farthest that any value counts: no portrait is near.
const FAR: f32 = 10_000.0;

/// Finds the legal portrait that is nearest to an image.
///
/// Nearest is the smallest sum of squared differences, and the search is exact: single precision can mistake one portrait for
/// another only where their distances agree in six digits. Of several at the same distance it is always the same one. It takes
/// about a millisecond, whatever the image.
///
/// Whether an image is legal is better judged by [`largest_difference`](Nearest::largest_difference): the mean hides one wrong
/// pixel. If an image is less than half a level from a portrait everywhere, that is the one found: colors are whole numbers, so
/// another one is no nearer by squares. For wider limits, say 16 of 255, the one found by squares may be farther at its worst
/// pixel than some other, so the share of images that are legal by it is at most too small.
///
/// An attribute of the portrait found is as sure as it is visible: eyes show two to six pixels of their color, and some of those
/// colors are six levels apart.
///
/// # Shapes
///
/// - `image`: `[16, 16, 3]`, row by row from the top left, red, green and blue. Values may be any: those that are not numbers count
///   as 10,000, and none counts as farther than that, so there is always an answer.
///
/// # Units
///
/// Levels, of which 0 is black and 255 is white.
///
/// # Examples
///
/// ```
/// use onestep_portraits::{Portrait, nearest};
///
/// let portrait = Portrait::at(7);
/// let mut image = portrait.render().map(f32::from);
/// image[0] -= 3.0;
/// let found = nearest(&image);
/// assert_eq!(found.portrait, portrait);
/// assert_eq!(found.largest_difference, 3.0);
/// ```
pub fn nearest(image: &[f32; N_PIXELS * 3]) -> Nearest {
    found(image, 0.0)
}

/// Finds the portrait that an image most probably shows, if it is one of [`Portrait::at`] with noise of `sigma` levels.
///
/// That is what to count attributes by in images that are not exact. [`nearest`] gives the benefit of every doubt to what is
/// rare: dark hair makes beards so faint that, in noise of ten levels, one bare face in fourteen is nearer to some beard than to
/// none, more than have one. This adds 2 sigma^2 ln(1/p) to the squared distance of a portrait of the probability p, so rare
/// parts need better evidence. With `sigma` 0 it is [`nearest`].
///
/// The search is as exact as that of [`nearest`] and takes the same time. Where several portraits come to the same picture, by
/// what one part hides of another, it goes by the most probable of them.
///
/// # Shapes
///
/// As [`nearest`].
///
/// # Units
///
/// - `sigma`: the standard deviation of every value of the image, in levels; the root of
///   [`mean_squared_difference`](Nearest::mean_squared_difference) over some images tells it. One that is not above 0 counts as 0.
///
/// # Source
///
/// The maximum of the posterior probability under normal noise.
pub fn likeliest(image: &[f32; N_PIXELS * 3], sigma: f32) -> Nearest {
    let sigma = if sigma > 0.0 { sigma.min(FAR) } else { 0.0 };
    found(image, 2.0 * sigma * sigma)
}

/// The portrait of the smallest squared distance, where a surprise of 1 costs `weight` more.
fn found(image: &[f32; N_PIXELS * 3], weight: f32) -> Nearest {
    let within = image.map(|value| if value.is_nan() { FAR } else { value.clamp(-FAR, FAR) });
    let (pixels, _) = within.as_chunks::<3>();
    let plan = Plan::get();
    let prices = plan.ledger.price(pixels);
    let portrait = Portrait::new(Search::new(plan, &prices, weight).best().choices);
    let picture = portrait.render();
    let differences = || within.iter().zip(picture).map(|(&value, byte)| (value - f32::from(byte)).abs());
    let squared: f64 = differences().map(|difference| f64::from(difference).powi(2)).sum();
    Nearest {
        portrait,
        picture,
        largest_difference: differences().fold(0.0, f32::max),
        mean_squared_difference: squared / (N_PIXELS * 3) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::art::Layer;
    use crate::pixels::PixelSet;

    /// An image without any portrait in it.
    fn noise(index: u32) -> [[f32; 3]; N_PIXELS] {
        let mut state = index.wrapping_add(1).wrapping_mul(0x9e37_79b9);
        [[0.0; 3]; N_PIXELS].map(|pixel: [f32; 3]| {
            pixel.map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as f32
            })
        })
    }

    #[test]
    fn what_was_found_costs_what_the_search_took_it_to_cost() {
        let plan = Plan::get();
        for index in 0..20 {
            let image = noise(index);
            let prices = plan.ledger.price(&image);
            let found = Search::new(plan, &prices, 0.0).best();
            let picture = Portrait::new(found.choices).render();
            let values = image.as_flattened().iter().zip(picture);
            let cost: f64 = values.map(|(&value, byte)| f64::from(value - f32::from(byte)).powi(2)).sum();
            assert!((f64::from(found.cost) / cost - 1.0).abs() < 1e-5, "{index}: {} and {cost}", found.cost);
        }
    }

    /// The search chooses in these without regard to one another.
    #[test]
    fn regions_share_no_pixel_and_with_the_rest_they_are_all() {
        let plan = Plan::get();
        let mut taken = PixelSet::EMPTY;
        for region in &plan.regions {
            assert!((region.pixels() & taken).is_empty(), "{:?}", region.layer());
            taken = taken | region.pixels();
        }
        let bald = plan.scenes.iter().map(|scene| scene.face_pixels.len()).max().unwrap();
        assert!(bald + taken.iter().count() <= N_PIXELS);
        assert!(!plan.eyes.is_under(!PixelSet::EMPTY), "a beard grows over the eyes");
        let mouth = plan.regions.iter().find(|region| region.layer() == Some(Layer::Mouth)).unwrap();
        assert!(mouth.is_under(!PixelSet::EMPTY));
    }
}
