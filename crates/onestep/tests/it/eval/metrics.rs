//! The metrics: golden numbers, closed forms, and sums that do not depend on how they are cut.

use onestep::eval::{
    BLOCK, Divisor, EvalError, FrechetReference, KernelDistance, Manifold, Moments, Rows, ScoreSums, Splits,
    Statistics, Subset, frechet_distance, kernel_distance, precision_recall, squared_discrepancy, subsets,
};
use onestep::noise::{Purpose, Stream};

use super::{moments, rows};
use crate::golden::cases::beside;
use crate::golden::{self, Array, Case, arrays_at, check_values};

fn statistics(rows: &Rows) -> Statistics {
    moments(rows).statistics(Divisor::Unbiased).expect("two rows or more")
}

/// Rows of independent normals, each feature with its own mean and deviation.
fn normal_rows(seed: u64, n: usize, mean: &[f32], std: &[f32]) -> Rows {
    let width = mean.len();
    let mut values = Stream::new(seed, Purpose::Test, 0, 0).standard_normal(n * width);
    for row in values.chunks_exact_mut(width) {
        row.iter_mut().zip(mean.iter().zip(std)).for_each(|(x, (mean, std))| *x = mean + std * *x);
    }
    Rows::new(width, values).expect("finite rows")
}

/// The tolerance that a case states in json, 0 where it states none.
fn tolerance(case: &Case, key: &str) -> f64 {
    case.json[key].as_f64().unwrap_or(0.0)
}

fn check_one(case: &Case, what: &str, got: f64, expected: f64) {
    let (atol, rtol) = (tolerance(case, "atol"), tolerance(case, "rtol"));
    check_values(&case.name, what, &[got], &[expected], |expected| atol + rtol * expected.abs());
}

#[test]
fn golden_statistics_of_batches() {
    let Some(case) = golden::case("metric_stats") else { return };
    let statistics = statistics(&rows(case.array("x")));
    let width = statistics.width();
    let array = |shape, values: &[f64]| Array { shape, values: values.to_vec() };
    case.check("mean", &array(vec![width], statistics.mean()), case.array("mean"));
    case.check("covariance", &array(vec![width, width], statistics.covariance()), case.array("cov"));
}

#[test]
fn golden_frechet_distances() {
    let Some(case) = golden::case("metric_fid") else { return };
    // Of rows the statistics are computed; a set may hold the statistics alone.
    let of = |name: &str| {
        let stored = || {
            let part = |part: &str| case.find(&format!("{name}.{part}")).map(|array| array.values.clone());
            Some(Statistics::new(part("mean")?, part("cov")?, None).expect("statistics"))
        };
        case.find(name).map(|array| statistics(&rows(array))).or_else(stored)
    };
    for (pair, expected) in case.get("results").as_object().expect("results by pair of arrays") {
        let names = pair.match_indices('_').map(|(place, _)| (&pair[..place], &pair[place + 1..]));
        let (a, b) = names
            .filter_map(|(a, b)| Some((of(a)?, of(b)?)))
            .next()
            .unwrap_or_else(|| panic!("no two arrays are called {pair}"));
        let distance = frechet_distance(&a, &b).expect("equal widths");
        let expected = expected["eigen"].as_f64().expect("a number");
        if a.is_rank_deficient() || b.is_rank_deficient() {
            // `rtol 1e-4 against eigen`.
            let words = case.text("rank_deficient_compare").split_whitespace();
            let rtol: f64 = words.filter_map(|word| word.parse().ok()).next().expect("a tolerance");
            check_values(&case.name, pair, &[distance], &[expected], |expected| rtol * expected.abs());
        } else {
            check_one(&case, pair, distance, expected);
        }
    }
    for (key, mean) in case.arrays() {
        let Some(name) = key.strip_suffix(".mean") else { continue };
        let Some(array) = case.find(name) else { continue };
        let ours = statistics(&rows(array));
        let cov = &case.array(&format!("{name}.cov")).values;
        // Sums of f32 in f64, in another order.
        let bound = |e: f64| 1e-9 + 1e-9 * e.abs();
        check_values(&case.name, key, ours.mean(), &mean.values, bound);
        check_values(&case.name, &format!("{name}.cov"), ours.covariance(), cov, bound);
    }
}

#[test]
fn golden_kernel_distances() {
    let Some(case) = golden::case("metric_kid") else { return };
    // `tensors a and b of metric_fid`.
    let words: Vec<&str> = case.text("activations").split_whitespace().collect();
    let ["tensors", a, "and", b, "of", other] = words[..] else { panic!("{words:?}") };
    let Some(activations) = golden::case(other) else { return };
    let (a, b) = (rows(activations.array(a)), rows(activations.array(b)));
    let size = case.number("subset_size") as usize;
    let indices = |key| case.array(key).indices();
    let all: Vec<Subset> = indices("indices_a")
        .chunks(size)
        .zip(indices("indices_b").chunks(size))
        .map(|(a, b)| Subset { samples: a.to_vec(), reference: b.to_vec() })
        .collect();
    assert_eq!(all.len(), case.number("subsets") as usize);
    let each: Vec<f64> = all.iter().map(|s| squared_discrepancy(&a, &b, s).expect("good subsets")).collect();
    case.check("mmd2", &Array { shape: vec![all.len()], values: each }, case.array("mmd2"));
    let KernelDistance { mean, std, .. } = kernel_distance(&a, &b, &all).expect("good subsets");
    check_one(&case, "mean", mean, case.number("mean"));
    check_one(&case, "deviation", std, case.number("std_population"));
    for (key, expected) in case.json.as_object().expect("an object") {
        // `first500_all_in_one_subset`.
        let first = key.strip_prefix("first").and_then(|rest| rest.split('_').next()?.parse::<usize>().ok());
        if let (Some(n), Some(expected)) = (first, expected.as_f64()) {
            let subset = Subset { samples: (0..n).collect(), reference: (0..n).collect() };
            check_one(&case, key, squared_discrepancy(&a, &b, &subset).expect("good subsets"), expected);
        }
    }
}

#[test]
fn golden_inception_scores() {
    let Some(case) = golden::case("metric_is") else { return };
    let logits = rows(case.array("logits"));
    let n_splits = case.number("splits") as usize;
    let score = |order: &[usize], split_of: &[usize]| {
        let mut sums = ScoreSums::new(split_of[split_of.len() - 1] + 1, logits.width());
        for (&row, &split) in order.iter().zip(split_of) {
            sums.add(split, logits.row(row)).expect("finite logits");
        }
        sums.score().expect("logits")
    };
    let in_order: Vec<usize> = (0..logits.n()).collect();
    let chunks = Splits::InOrder(n_splits).of(logits.n());
    let plain = score(&in_order, &chunks);
    check_one(&case, "unshuffled mean", plain.mean, case.number("unshuffled.mean"));
    check_one(&case, "unshuffled deviation", plain.std, case.number("unshuffled.std_population"));
    let shuffled = score(&case.array("permutation").indices(), &chunks);
    check_one(&case, "shuffled mean", shuffled.mean, case.number("shuffled_by_permutation.mean"));
    let std = case.number("shuffled_by_permutation.std_population");
    check_one(&case, "shuffled deviation", shuffled.std, std);
    let size = case.number("openai.split_size") as usize;
    let blocks = score(&in_order, &Splits::OfSize(size).of(logits.n()));
    check_one(&case, "openai mean", blocks.mean, case.number("openai.mean"));
    let expected = case.array("openai_split_scores");
    case.check("openai blocks", &Array { shape: expected.shape.clone(), values: blocks.splits }, expected);
    for (chunk, bounds) in case.blocks("chunks").iter().enumerate() {
        let bounds: Vec<usize> =
            bounds.as_array().unwrap().iter().map(|b| b.as_u64().unwrap() as usize).collect();
        assert!(
            (0..logits.n()).all(|i| (chunks[i] == chunk) == (bounds[0]..bounds[1]).contains(&i)),
            "{chunk}"
        );
    }
}

#[test]
fn golden_precision_and_recall() {
    let Some(case) = golden::case("metric_prec_recall") else { return };
    let (reference, samples) = (rows(case.array("reference")), rows(case.array("samples")));
    for (name, expected) in case.get("results").as_object().expect("results by k") {
        let Some(k) = name.strip_prefix('k').and_then(|k| k.parse::<usize>().ok()) else { continue };
        let found = precision_recall(&samples, &reference, k).expect("enough points");
        for (what, got) in [
            ("precision", found.precision),
            ("recall", found.recall),
            ("density", found.density),
            ("coverage", found.coverage),
        ] {
            check_one(&case, &format!("{name} {what}"), got, expected[what].as_f64().expect("a number"));
        }
        let real = Manifold::new(&reference, k).expect("enough points");
        let made = Manifold::new(&samples, k).expect("enough points");
        for (what, manifold) in [("reference", &real), ("samples", &made)] {
            let radii = &case.array(&format!("{name}.radii_{what}_squared")).values;
            // f64 through one difference of squares: rounding, and no more.
            check_values(&case.name, &format!("{name} radii"), manifold.radii_squared(), radii, |r| {
                1e-10 * r
            });
        }
        for (what, from, of) in [("sample", &real, &made), ("reference", &made, &real)] {
            let inside: Vec<f64> = from
                .count_balls(of)
                .expect("equal widths")
                .iter()
                .map(|&n| f64::from(u8::from(n > 0)))
                .collect();
            assert_eq!(inside, case.array(&format!("{name}.{what}_inside")).values, "{name}: {what} inside");
        }
    }
}

/// 2,000 activations of real images each: what was computed once with scipy, with eigenvalues, and symmetrically.
#[test]
fn golden_frechet_fixture_of_the_cifar_resnet() {
    let file = |end: &str| beside(&format!("frechet_fixture_resnet20.{end}"));
    let (Some(tensors), Some(json)) = (file("safetensors"), file("json")) else { return };
    let tensors = arrays_at(&tensors).expect("seen before");
    let text = std::fs::read_to_string(json).expect("seen before");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("json");
    let features = |name: &str| statistics(&rows(&tensors[name]));
    let reference = FrechetReference::new(&features("feats_a")).expect("a covariance");
    for (other, key) in [("feats_b", "a_b"), ("feats_noise16", "a_noise16")] {
        let distance = reference.distance(&features(other)).expect("equal widths");
        let symmetric = expected[key][2].as_f64().expect("a number");
        // The three published ways agree to about 1e-12; activations were f32.
        check_values("frechet_fixture_resnet20", key, &[distance], &[symmetric], |e| 1e-9 * e);
    }
}

/// However samples are cut into shards of whole blocks, and in whatever order those are added: the same bits.
#[test]
fn merged_moments_are_those_of_the_whole_to_the_bit() {
    let width = 70;
    let n = 5 * BLOCK + 17;
    let all = normal_rows(3, n, &vec![0.3; width], &vec![1.7; width]);
    let whole = moments(&all);
    let blocks: Vec<&[f32]> = all.values().chunks(BLOCK * width).collect();
    for shards in [vec![vec![0, 1, 2], vec![3, 4, 5]], vec![vec![5], vec![4, 0], vec![2], vec![3, 1]]] {
        let mut merged = Moments::new(width);
        for shard in shards {
            let mut part = Moments::new(width);
            shard.iter().for_each(|&block| part.add_block(blocks[block]).expect("finite rows"));
            merged.merge(&part).expect("equal widths");
        }
        assert!(merged == whole);
        assert_eq!(
            merged.statistics(Divisor::Unbiased).unwrap(),
            whole.statistics(Divisor::Unbiased).unwrap()
        );
    }
    assert!(Moments::new(3).merge(&whole).is_err());
}

#[test]
fn the_number_of_threads_changes_no_bit_of_a_metric() {
    let width = 150;
    let (a, b) = (
        normal_rows(1, 300, &vec![0.0; width], &vec![1.0; width]),
        normal_rows(2, 280, &vec![0.1; width], &vec![1.1; width]),
    );
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            (
                moments(&a),
                kernel_distance(&a, &b, &subsets(300, 280, 5, 100)).unwrap(),
                precision_recall(&a, &b, 3).unwrap(),
                frechet_distance(&statistics(&a), &statistics(&b)).unwrap(),
            )
        })
    };
    assert_eq!(on(1), on(3));
}

/// Two Gaussians with diagonal covariances: the sum over features of (m₁ - m₂)² + (s₁ - s₂)².
#[test]
fn frechet_distances_of_gaussians_follow_the_formula() {
    let (mean_a, std_a): ([f64; 3], [f64; 3]) = ([0.0, 1.0, -2.0], [1.0, 2.0, 0.5]);
    let (mean_b, std_b): ([f64; 3], [f64; 3]) = ([0.5, 1.0, -1.0], [2.0, 2.0, 0.0]);
    let gaussian = |mean: [f64; 3], std: [f64; 3]| {
        let mut covariance = vec![0.0; 9];
        (0..3).for_each(|i| covariance[4 * i] = std[i] * std[i]);
        Statistics::new(mean.to_vec(), covariance, None).unwrap()
    };
    let expected: f64 = (0..3).map(|i| (mean_a[i] - mean_b[i]).powi(2) + (std_a[i] - std_b[i]).powi(2)).sum();
    let distance = frechet_distance(&gaussian(mean_a, std_a), &gaussian(mean_b, std_b)).unwrap();
    assert!((distance - expected).abs() < 1e-12, "{distance} {expected}");
    assert!(frechet_distance(&gaussian(mean_a, std_a), &gaussian(mean_a, std_a)).unwrap() < 1e-12);

    // The same through samples: the estimate is off by its sampling error, of the order of width/n.
    let rows = |seed, mean: [f64; 3], std: [f64; 3]| {
        normal_rows(seed, 40_000, &mean.map(|x| x as f32), &std.map(|x| x as f32))
    };
    let (a, b) = (statistics(&rows(1, mean_a, std_a)), statistics(&rows(2, mean_b, std_b)));
    let distance = frechet_distance(&a, &b).unwrap();
    assert!((distance - expected).abs() < 0.05, "{distance} {expected}");
}

#[test]
fn too_few_images_are_noticed() {
    let rows = normal_rows(5, 30, &[0.0; 30], &[1.0; 30]);
    assert!(statistics(&rows).is_rank_deficient());
    let rows = normal_rows(5, 31, &[0.0; 30], &[1.0; 30]);
    assert!(!statistics(&rows).is_rank_deficient());
    assert!(moments(&rows.some(1)).statistics(Divisor::Unbiased).is_err());
}

/// The kernel distance of two sets of one distribution is zero on average, and its spread says how near to expect it.
#[test]
fn the_kernel_distance_is_unbiased() {
    let (mean, std) = (vec![0.2; 16], vec![1.0; 16]);
    let (a, b) = (normal_rows(1, 2000, &mean, &std), normal_rows(2, 2000, &mean, &std));
    let same = kernel_distance(&a, &b, &subsets(2000, 2000, 40, 200)).unwrap();
    // Subsets overlap little (a tenth of each set), so their mean is off by about std/√40; five times that.
    assert!(same.mean.abs() < 5.0 * same.std / 40f64.sqrt(), "{same:?}");
    let far = normal_rows(3, 2000, &[0.6; 16], &std);
    let different = kernel_distance(&a, &far, &subsets(2000, 2000, 40, 200)).unwrap();
    assert!(different.mean > 5.0 * different.std, "{different:?}");
    assert_eq!((different.n_subsets, different.subset_size), (40, 200));
    assert!(kernel_distance(&a, &b, &[]).is_err());
    assert!(kernel_distance(&a, &b, &[Subset { samples: vec![0, 2000], reference: vec![0, 1] }]).is_err());
    assert!(kernel_distance(&a, &normal_rows(1, 9, &[0.0], &[1.0]), &subsets(9, 9, 1, 9)).is_err());
}

#[test]
fn equal_sets_are_precise_and_recalled_whole() {
    let rows = normal_rows(8, 300, &[1.5; 20], &[0.7; 20]);
    let same = precision_recall(&rows, &rows, 3).unwrap();
    assert_eq!((same.precision, same.recall, same.coverage), (1.0, 1.0, 1.0));
    // A point of the set is in its own ball and in those of the points that count it among their three nearest.
    assert!(same.density > 1.0);
    // Images that occur twice have a ball of no size, in which they still lie.
    let twice: Vec<f32> = rows.values().iter().chain(rows.values()).copied().collect();
    let twice = Rows::new(20, twice).unwrap();
    let same = precision_recall(&twice, &twice, 1).unwrap();
    assert_eq!((same.precision, same.recall), (1.0, 1.0));
    let far = normal_rows(8, 300, &[90.0; 20], &[0.7; 20]);
    let apart = precision_recall(&far, &rows, 3).unwrap();
    assert_eq!((apart.precision, apart.recall, apart.density, apart.coverage), (0.0, 0.0, 0.0, 0.0));
    assert!(precision_recall(&rows, &rows.some(3), 3).is_err());
    assert!(precision_recall(&rows, &rows, 0).is_err());
}

/// A classifier that is sure and sees every class equally often scores the number of classes; one that knows nothing, 1.
#[test]
fn inception_scores_lie_between_one_and_the_number_of_classes() {
    let mut sure = ScoreSums::new(1, 8);
    let mut ignorant = ScoreSums::new(1, 8);
    for sample in 0..80 {
        let mut logits = [0.0; 8];
        ignorant.add(0, &logits).unwrap();
        logits[sample % 8] = 200.0;
        sure.add(0, &logits).unwrap();
    }
    assert!((sure.score().unwrap().mean - 8.0).abs() < 1e-9);
    assert!((ignorant.score().unwrap().mean - 1.0).abs() < 1e-9);
    assert!(ScoreSums::new(3, 8).score().is_err());
    assert!(sure.add(0, &[f32::NAN; 8]).is_err() && sure.add(1, &[0.0; 8]).is_err());
    // Sums of different samples add up in any order.
    let mut merged = ScoreSums::new(1, 8);
    merged.merge(&ignorant).unwrap();
    merged.merge(&sure).unwrap();
    sure.merge(&ignorant).unwrap();
    assert!(sure == merged);
}

#[test]
fn splits_are_of_nearly_equal_size() {
    let count =
        |splits: Splits, n: usize, of: usize| splits.of(n).iter().filter(|&&split| split == of).count();
    assert_eq!([0, 1, 2].map(|split| count(Splits::InOrder(3), 10, split)), [3, 3, 4]);
    assert_eq!([0, 1, 2].map(|split| count(Splits::Shuffled(3), 10, split)), [3, 3, 4]);
    assert_eq!([0, 1, 2].map(|split| count(Splits::OfSize(4), 10, split)), [4, 4, 2]);
    assert_ne!(Splits::Shuffled(3).of(100), Splits::InOrder(3).of(100));
    assert_eq!(Splits::InOrder(10).of(3), [0, 1, 2]);
}

#[test]
fn wrong_numbers_are_refused() {
    let mut moments = Moments::new(2);
    for rows in [
        vec![0.0; 3],
        vec![f32::NAN, 0.0],
        vec![0.0, f32::INFINITY],
        vec![1e6, 0.0],
        vec![0.0; 2 * BLOCK + 2],
    ] {
        assert!(matches!(moments.add_block(&rows), Err(EvalError::Setting { .. })), "{rows:?}");
    }
    assert_eq!(moments.count(), 0);
    for (mean, covariance) in [
        (vec![], vec![]),
        (vec![0.0; 2], vec![0.0; 3]),
        (vec![f64::NAN], vec![1.0]),
        (vec![0.0; 2], vec![1.0, 0.5, 0.4, 1.0]),
        (vec![0.0; 2], vec![1.0, 0.0, 0.0, -1.0]),
    ] {
        assert!(Statistics::new(mean, covariance, None).is_err());
    }
    assert!(Rows::new(2, vec![0.0; 3]).is_err());
    assert!(Rows::new(1, vec![f32::NAN]).is_err());
}
