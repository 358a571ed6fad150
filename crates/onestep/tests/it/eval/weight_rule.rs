//! The golden set's rule that makes the weights of a large network from the names of its arrays.

use crate::golden::{Case, case};

/// The rule, with what is put before every name.
pub struct WeightRule {
    prefix: String,
}

impl WeightRule {
    /// The rule of this set; none, with a word about it, if it has none.
    pub fn open() -> Option<Self> {
        case("weight_rule").map(|case| Self::of(&case))
    }

    fn of(case: &Case) -> Self {
        Self { prefix: case.text("prefix").to_owned() }
    }

    fn hash(&self, name: &str) -> u64 {
        (self.prefix.bytes().chain(name.bytes())).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    /// The values of an array, by its name and shape.
    pub fn values(&self, name: &str, shape: &[usize]) -> Vec<f32> {
        let hash = self.hash(name);
        let fan_in: usize = shape.iter().skip(1).product();
        let value = |u: f64| match name.rsplit('.').next() {
            Some("weight" | "running_var") if name.contains(".bn.") => 0.5 + u,
            // The heads of LPIPS.
            Some("weight") if name.starts_with("lin") => {
                ((2.0 * u - 1.0) * (3.0 / fan_in as f64).sqrt() * 1.5).abs()
            }
            Some("weight") => (2.0 * u - 1.0) * (3.0 / fan_in as f64).sqrt() * 1.5,
            _ => 0.1 * (2.0 * u - 1.0),
        };
        let count = shape.iter().product::<usize>() as u64;
        (0..count).map(|index| value(unit(mixed(hash.wrapping_add(index)))) as f32).collect()
    }
}

fn mixed(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(z: u64) -> f64 {
    (z >> 40) as f64 / f64::from(1u32 << 24)
}

#[test]
fn golden_rule_gives_its_own_examples() {
    let Some(case) = case("weight_rule") else { return };
    let rule = WeightRule::of(&case);
    for example in case.blocks("examples") {
        let name = example["name"].as_str().unwrap();
        let sum = rule.hash(name).wrapping_add(example["i"].as_u64().unwrap());
        let hex = |key: &str| u64::from_str_radix(example[key].as_str().unwrap(), 16).unwrap();
        assert_eq!(rule.hash(name), hex("fnv1a64_hex"), "{name}");
        assert_eq!(sum, hex("sum_hex"), "{name}");
        assert_eq!(mixed(sum), hex("splitmix64_hex"), "{name}");
        // The parser of the test may be off by the last bit.
        assert!((unit(mixed(sum)) - example["u"].as_f64().unwrap()).abs() < 1e-15, "{name}");
    }
    println!("golden | weight_rule | {} examples | equal |", case.blocks("examples").len());
}
