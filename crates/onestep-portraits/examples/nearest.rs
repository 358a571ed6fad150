//! How well and how fast the nearest portrait is found: `nearest [COUNT] [SIGMA]`.
//!
//! Draws COUNT portraits, looks each of them up as it is and with normal noise of SIGMA levels, and prints how many are found
//! again by `nearest` and by `likeliest`, attribute by attribute, and the time of a search.

use std::time::Instant;

use onestep_portraits::{Attribute, Portrait, likeliest, nearest};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(2000), |count| count.parse())?;
    let sigma: f32 = arguments.next().map_or(Ok(10.0), |sigma| sigma.parse())?;
    let mut n_exact = 0;
    let mut n_same = [[0; 2]; 16];
    let mut n_images_of = [0; 16];
    // The first search makes the tables.
    nearest(&[0.0; 768]);
    let start = Instant::now();
    for index in 0..count {
        let portrait = Portrait::at(index);
        let found = nearest(&portrait.render().map(f32::from));
        n_exact += u64::from(found.portrait == portrait && found.largest_difference == 0.0);
    }
    let took = start.elapsed();
    let mut random = Normal { state: 1 };
    for index in 0..count {
        let portrait = Portrait::at(index);
        let noisy = portrait.render().map(|byte| f32::from(byte) + sigma * random.draw());
        let found = [nearest(&noisy), likeliest(&noisy, sigma)];
        for (place, attribute) in Attribute::ALL.into_iter().enumerate() {
            let value = portrait.value(attribute);
            // What is not there is counted with the form, not again with the color.
            if attribute.name().ends_with("color") && portrait.name(attribute) == "none" {
                continue;
            }
            n_images_of[place] += 1;
            for (same, found) in n_same[place].iter_mut().zip(&found) {
                *same += u64::from(found.portrait.value(attribute) == value);
            }
        }
    }
    println!("{n_exact} of {count} found exactly, {:.3} ms each", took.as_secs_f64() * 1e3 / count as f64);
    for ((attribute, same), of) in Attribute::ALL.into_iter().zip(n_same).zip(n_images_of) {
        let [nearest, likeliest] = same.map(|same| same as f64 / of as f64 * 100.0);
        println!("{:16} {nearest:7.3} % and {likeliest:7.3} % of {of}", attribute.name());
    }
    Ok(())
}

/// Normal numbers by Box and Muller from a linear congruential generator.
struct Normal {
    state: u64,
}

impl Normal {
    fn uniform(&mut self) -> f32 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 40) as f32 + 0.5) / (1 << 24) as f32
    }

    fn draw(&mut self) -> f32 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f32::consts::TAU * self.uniform()).cos()
    }
}
