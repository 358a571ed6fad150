//! The search for levels.

use std::collections::BTreeSet;

use onestep::noise::{LevelsError, SamplingLevels};
use onestep::sample::search_levels;

type Result<T> = std::result::Result<T, LevelsError>;

fn grid(n: usize) -> SamplingLevels {
    SamplingLevels::karras(n, 0.002, 80.0, 7.0).unwrap()
}

/// A valley in the second and third level, at places that are none of the grid's.
fn valley(levels: &SamplingLevels) -> f64 {
    let wanted = [80.0f64, 2.2, 0.31];
    levels.as_slice().iter().zip(wanted).map(|(level, wanted)| (level / wanted).ln().powi(2)).sum()
}

#[test]
fn the_bottom_of_a_valley_is_found_with_few_trials() {
    for n in [4, 7, 40, 151] {
        let grid = grid(n);
        let mut calls = Vec::new();
        let found = search_levels(&grid, &[0], 3, &mut |levels| {
            calls.push(levels.as_slice().to_vec());
            Result::Ok(valley(levels))
        })
        .unwrap();
        // What trying everything would choose, one level after the other.
        let mut best = vec![0];
        for _ in 1..3 {
            let last = best[best.len() - 1];
            let value = |&index: &usize| {
                let list: Vec<f64> = best.iter().chain([&index]).map(|&i| grid.as_slice()[i]).collect();
                valley(&SamplingLevels::new(list).unwrap())
            };
            let next = (last + 1..n).min_by(|a, b| value(a).total_cmp(&value(b))).unwrap();
            best.push(next);
        }
        assert_eq!(found.indices, best, "{n}");
        assert_eq!(found.value, valley(&found.levels));
        let all: BTreeSet<String> = calls.iter().map(|c| format!("{c:?}")).collect();
        assert_eq!((all.len(), found.tried.len()), (calls.len(), calls.len()), "nothing is evaluated twice");
        assert!(n < 40 || calls.len() < 2 * n, "{n}: {}", calls.len());
    }
}

#[test]
fn the_first_level_can_be_sought_too() {
    let found = search_levels(&grid(40), &[], 2, &mut |levels| {
        Result::Ok(
            (levels.as_slice()[0] / 3.0).ln().powi(2)
                + levels.as_slice().get(1).map_or(0.0, |level| (level / 0.5).ln().powi(2)),
        )
    })
    .unwrap();
    let nearest = |wanted: f64| {
        let distance = |level: f64| (level / wanted).ln().abs();
        let levels = grid(40).as_slice().to_vec();
        levels.into_iter().min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap()
    };
    assert_eq!(found.levels.as_slice(), [nearest(3.0), nearest(0.5)]);
}

/// Noise breaks the valley; still nothing that was tried for the last level is better than what is taken.
#[test]
fn the_best_of_everything_tried_is_taken() {
    let mut draw = 0u64;
    let found = search_levels(&grid(60), &[0], 2, &mut |levels| {
        draw += 1;
        Result::Ok(valley(levels) + (draw * 7919 % 13) as f64)
    })
    .unwrap();
    let least =
        found.tried.iter().filter(|(list, _)| list.len() == 2).map(|(_, v)| *v).fold(f64::MAX, f64::min);
    assert_eq!(found.value, least);
}

#[test]
fn what_cannot_be_searched_is_an_error_and_worthless_values_lose() {
    let mut any = |_: &SamplingLevels| Result::Ok(1.0);
    assert!(matches!(search_levels(&grid(3), &[0], 5, &mut any), Err(LevelsError::IndexOutside { .. })));
    assert!(search_levels(&grid(3), &[], 0, &mut any).is_err());
    let mut nan_above_one = |levels: &SamplingLevels| -> Result<f64> {
        Ok(if levels.as_slice()[1..].iter().any(|level| *level > 1.0) { f64::NAN } else { 1.0 })
    };
    let found = search_levels(&grid(40), &[0], 2, &mut nan_above_one).unwrap();
    assert!(found.levels.as_slice()[1] <= 1.0 && found.value == 1.0);
}

/// Whoever stops a search gets the very error back that it was stopped with, after no further trial.
#[test]
fn a_search_ends_with_the_error_of_its_objective() {
    #[derive(Debug, PartialEq)]
    enum End {
        Levels,
        Stopped(usize),
    }
    impl From<LevelsError> for End {
        fn from(_: LevelsError) -> Self {
            Self::Levels
        }
    }
    let mut calls = 0;
    let mut objective = |levels: &SamplingLevels| {
        calls += 1;
        if calls == 3 { Err(End::Stopped(calls)) } else { Ok(valley(levels)) }
    };
    assert_eq!(search_levels(&grid(40), &[0], 2, &mut objective), Err(End::Stopped(3)));
    assert_eq!(calls, 3);
    let mut any = |_: &SamplingLevels| Ok(1.0);
    assert_eq!(search_levels(&grid(3), &[0], 5, &mut any), Err(End::Levels));
}
