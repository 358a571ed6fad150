//! Levels, curricula, proposals and coefficients against golden numbers and their own properties.

use onestep::model::Preconditioning;
use onestep::noise::{
    AdaptiveExponent, Curriculum, Gap, LogNormal, Proposal, Purpose, SamplingLevels, Stream, TargetRate,
    TrainingLevels, karras_levels, sigma_from_trig, trig_from_sigma,
};
use onestep::objective::Weighting;
use proptest::prelude::*;
use serde_json::Value;

use crate::golden::{self, check_values};
use crate::objectives::weighting;

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn number(block: &Value, key: &str) -> f64 {
    block[key].as_f64().unwrap_or_else(|| panic!("`{key}` is not a number"))
}

fn integer(block: &Value, key: &str) -> u64 {
    block[key].as_u64().unwrap_or_else(|| panic!("`{key}` is not an integer"))
}

#[test]
fn golden_karras_levels() {
    let Some(case) = golden::case("schedules") else { return };
    for block in case.blocks("karras_sigmas") {
        let n = integer(block, "n") as usize;
        let levels = SamplingLevels::karras(
            n,
            number(block, "sigma_min"),
            number(block, "sigma_max"),
            number(block, "rho"),
        )
        .unwrap();
        let what = |precision| format!("karras n={n} {precision}");
        check_values("schedules", &what("f64"), levels.as_slice(), &floats(&block["f64"]), |e| {
            1e-12 * e.abs()
        });
        let f32s = &floats(&block["f32_with_trailing_zero"])[..n];
        let rtol = case.json["karras_f32_rtol"].as_f64().unwrap_or(2e-6);
        check_values("schedules", &what("f32"), levels.as_slice(), f32s, |e| rtol * e.abs());
    }
}

#[test]
fn golden_scalings() {
    let Some(case) = golden::case("schedules") else { return };
    for block in case.blocks("scalings") {
        let (sigma_data, sigma_min) = (number(block, "sigma_data"), number(block, "sigma_min"));
        for (prefix, preconditioning) in
            [("plain", Preconditioning::Edm), ("boundary", Preconditioning::Boundary)]
        {
            let at: Vec<_> = floats(&block["sigmas"])
                .into_iter()
                .map(|sigma| preconditioning.coefficients(sigma, sigma_min, sigma_data))
                .collect();
            for (name, got) in [
                ("c_skip", at.iter().map(|at| at.c_skip).collect::<Vec<_>>()),
                ("c_out", at.iter().map(|at| at.c_out).collect()),
                ("c_in", at.iter().map(|at| at.c_in).collect()),
            ] {
                let key = format!("{prefix}.{name}");
                check_values("schedules", &key, &got, &floats(&block[key.as_str()]), |e| {
                    1e-6 + 1e-5 * e.abs()
                });
                let key = format!("{key}_f64");
                check_values("schedules", &key, &got, &floats(&block[key.as_str()]), |e| {
                    1e-12 + 1e-9 * e.abs()
                });
            }
            // OpenAI's network is told 1000 times our c_noise.
            let time: Vec<f64> = at.iter().map(|at| 1000.0 * at.c_noise).collect();
            check_values("schedules", "rescaled_t", &time, &floats(&block["rescaled_t"]), |e| {
                1e-6 + 1e-5 * e.abs()
            });
        }
    }
    for block in case.blocks("scalings") {
        let sigmas = floats(&block["sigmas"]);
        let weights = block.as_object().expect("a block").iter();
        for (key, name) in weights.filter_map(|(key, _)| Some((key, key.strip_prefix("weight.")?))) {
            let weighting = weighting(name);
            let got: Vec<f64> =
                sigmas.iter().map(|&sigma| weighting.at(sigma, number(block, "sigma_data"))).collect();
            check_values("schedules", key, &got, &floats(&block[key.as_str()]), |e| 1e-6 + 1e-5 * e.abs());
        }
    }
    if let Some(block) = case.json.get("rescaled_t_at_zero") {
        let at_zero = 1000.0 * Preconditioning::Edm.coefficients(0.0, 0.002, 0.5).c_noise;
        check_values("schedules", "rescaled_t at 0", &[at_zero], &[number(block, "f64")], |e| {
            1e-12 * e.abs()
        });
    }
}

#[test]
fn golden_curricula_follow_the_released_code() {
    let Some(case) = golden::case("schedules") else { return };
    for block in case.blocks("ema_and_scales") {
        let start = integer(block, "start_scales") as usize;
        let mode = block["scale_mode"].as_str().expect("a mode");
        let curriculum = match mode {
            "fixed" => Curriculum::Fixed { n_levels: start },
            "progressive" => Curriculum::Progressive {
                start_intervals: start,
                end_intervals: integer(block, "end_scales") as usize,
            },
            "progdist" => Curriculum::Halving {
                start_intervals: start,
                steps_per_stage: integer(block, "distill_steps_per_iter"),
            },
            other => panic!("unknown mode `{other}`"),
        };
        let start_ema = number(block, "start_ema");
        let target = match block["target_ema_mode"].as_str() {
            Some("adaptive") => {
                TargetRate::Adaptive { initial_rate: start_ema, exponent: AdaptiveExponent::ReleasedCode }
            }
            _ if mode == "progdist" => TargetRate::Fixed { rate: 1.0 },
            _ => TargetRate::Fixed { rate: start_ema },
        };
        let total = integer(block, "total_steps");
        let steps: Vec<u64> = floats(&block["steps"]).into_iter().map(|step| step as u64).collect();
        // Progressive distillation counts intervals where the others count levels.
        let count = |&step: &u64| match mode {
            "progdist" => curriculum.n_intervals(step, u64::MAX) as f64,
            _ => curriculum.n_levels(step, total) as f64,
        };
        // The reference never stops; ours is clamped at the end of the run (bug A3).
        let within: Vec<usize> =
            (0..steps.len()).filter(|&i| mode == "progdist" || steps[i] <= total).collect();
        let pick = |all: &[f64]| within.iter().map(|&i| all[i]).collect::<Vec<_>>();
        let name = block["name"].as_str().unwrap_or("");
        let counts: Vec<f64> = steps.iter().map(count).collect();
        let rates: Vec<f64> = steps.iter().map(|&step| target.rate(&curriculum, step, total)).collect();
        let exact = |_| f64::MIN_POSITIVE;
        check_values(
            "schedules",
            &format!("{name} N"),
            &pick(&counts),
            &pick(&floats(&block["num_scales"])),
            exact,
        );
        let expected = pick(&floats(&block["target_ema"]));
        check_values("schedules", &format!("{name} mu"), &pick(&rates), &expected, |e| 1e-12 * e.abs());
    }
}

#[test]
fn golden_improved_schedule_and_proposal() {
    let Some(case) = golden::case("schedules") else { return };
    for block in case.blocks("ict_schedule") {
        let curriculum = Curriculum::Doubling {
            start_intervals: integer(block, "s0") as usize,
            end_intervals: integer(block, "s1") as usize,
        };
        let total = integer(block, "total_steps");
        let got: Vec<f64> = floats(&block["steps"])
            .into_iter()
            .map(|step| curriculum.n_levels(step as u64, total) as f64)
            .collect();
        check_values("schedules", "iCT N", &got, &floats(&block["num_sigmas"]), |_| f64::MIN_POSITIVE);
    }
    for block in case.blocks("ict_lognormal_pmf") {
        let n = integer(block, "num_sigmas") as usize;
        let sigma = |key: &str, last: bool| {
            let list = floats(&block[key]);
            if last { list[list.len() - 1] } else { list[0] }
        };
        let (low, high) = (sigma("sigma_first20", false), sigma("sigma_last20", true));
        // The notes of the block state ρ.
        let levels = TrainingLevels::karras(n, low, high, 7.0).unwrap();
        let proposal = LogNormal { p_mean: number(block, "P_mean"), p_std: number(block, "P_std") };
        let pmf = proposal.interval_probabilities(&levels);
        let what = |part| format!("iCT pmf n={n} {part}");
        let first = floats(&block["pmf_first20"]);
        check_values("schedules", &what("first"), &pmf[..first.len()], &first, |e| 1e-9 * e.abs());
        let last = floats(&block["pmf_last20"]);
        check_values("schedules", &what("last"), &pmf[pmf.len() - last.len()..], &last, |e| 1e-9 * e.abs());
        let pairs = levels.as_slice().windows(2);
        let weights: Vec<f64> =
            pairs.map(|pair| Weighting::InverseGap.at_pair(pair[0], pair[1], 0.5)).collect();
        for (part, from_end) in [("first", false), ("last", true)] {
            let expected = floats(&block[format!("weight_{part}20")]);
            let start = if from_end { weights.len() - expected.len() } else { 0 };
            let got = &weights[start..start + expected.len()];
            let what = format!("iCT weights n={n} {part}");
            // The difference of two close levels in f64.
            check_values("schedules", &what, got, &expected, |e| 1e-9 * e.abs());
        }
    }
}

#[test]
fn golden_easy_tuning_gaps() {
    let Some(case) = golden::case("schedules") else { return };
    let Some(sigmas) = case.json.get("ect_t").map(floats) else { return };
    for block in case.blocks("ect_mapping") {
        let (shrink, k, b) = (number(block, "q"), number(block, "k"), number(block, "b"));
        let adjustment = block["adj"].as_str().expect("a name");
        let gap = match adjustment {
            "const" => Gap::Constant { shrink },
            _ => Gap::Sigmoid { shrink, k, b },
        };
        let stage = integer(block, "stage") as u32;
        let got: Vec<f64> = sigmas.iter().map(|&sigma| gap.partner(sigma, stage)).collect();
        let what = format!("gap q={shrink} stage={stage} {adjustment}");
        // The clamp at 0 turns a relative bound into an absolute one at the edge.
        check_values("schedules", &what, &got, &floats(&block["r_f64"]), |e| 1e-12 * e.abs() + 1e-15);
    }
}

/// The reference divides the exponent by N(k) - 1, the paper by N(k): both are there, by name.
#[test]
fn the_paper_and_the_released_code_disagree_about_mu() {
    let curriculum = Curriculum::Progressive { start_intervals: 2, end_intervals: 150 };
    let rate = |exponent| TargetRate::Adaptive { initial_rate: 0.9, exponent }.rate(&curriculum, 0, 800_000);
    assert!((rate(AdaptiveExponent::ReleasedCode) - 0.81).abs() < 1e-12);
    assert!((rate(AdaptiveExponent::Paper) - 0.9).abs() < 1e-12);
}

/// Bug A3 of the reference: training never stops and N(k) grows past its end.
#[test]
fn curricula_stay_at_their_end() {
    for curriculum in [
        Curriculum::Progressive { start_intervals: 2, end_intervals: 150 },
        Curriculum::Doubling { start_intervals: 10, end_intervals: 1280 },
    ] {
        let end = curriculum.n_levels(1000, 1000);
        assert_eq!(
            end,
            match curriculum {
                Curriculum::Doubling { .. } => 1281,
                _ => 151,
            }
        );
        assert_eq!(curriculum.n_levels(5_000_000, 1000), end);
    }
}

#[test]
fn published_step_lists_give_the_published_levels() {
    let middle = |indices: &[usize], n| {
        let levels = SamplingLevels::from_indices(indices, n, 0.002, 80.0, 7.0).unwrap();
        assert_eq!(levels.as_slice().len(), indices.len() - 1, "the last index is not evaluated");
        levels.as_slice()[1]
    };
    for (indices, n, sigma) in [
        ([0, 22, 39], 40, 1.38237),
        ([0, 106, 200], 201, 1.91284),
        ([0, 17, 39], 40, 4.36556),
        ([0, 18, 39], 40, 3.51970),
        ([0, 67, 150], 151, 3.99122),
        ([0, 62, 150], 151, 5.24850),
        ([0, 11, 17], 18, 0.58535),
    ] {
        assert!((middle(&indices, n) - sigma).abs() < 1e-5);
    }
    assert!(SamplingLevels::from_indices(&[0, 40, 39], 40, 0.002, 80.0, 7.0).is_err());
}

#[test]
fn proposals_draw_what_they_promise() {
    let levels = TrainingLevels::karras(11, 0.002, 80.0, 7.0).unwrap();
    let streams = || (0..40_000).map(|i| Stream::new(3, Purpose::Test, 0, i));
    let uniform = vec![0.1; 10];
    let log_normal = LogNormal { p_mean: -1.1, p_std: 2.0 }.interval_probabilities(&levels);
    for (proposal, expected) in
        [(Proposal::Uniform, uniform), (Proposal::LogNormal { p_mean: -1.1, p_std: 2.0 }, log_normal)]
    {
        let drawn = proposal.draw(&levels, streams());
        for (interval, p) in expected.iter().enumerate() {
            let share = drawn.iter().filter(|&&i| i == interval).count() as f64 / 40_000.0;
            // Five standard deviations of a binomial share.
            assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / 40_000.0).sqrt(), "{proposal:?} {interval}");
        }
    }
}

#[test]
fn levels_out_of_order_are_refused_with_the_pair() {
    let message = SamplingLevels::new(vec![0.82, 80.0]).unwrap_err().to_string();
    assert_eq!(message, "sampling levels must descend: 0.82 comes before 80");
    assert!(SamplingLevels::new(vec![]).is_err());
    assert!(SamplingLevels::new(vec![f64::NAN]).is_err());
    assert!(TrainingLevels::new(vec![1.0, 1.0]).is_err());
    assert!(karras_levels(1, 0.002, 80.0, 7.0).is_err());
    assert!(karras_levels(5, f64::NAN, 80.0, 7.0).is_err());
    assert!(karras_levels(5, 0.002, 80.0, 0.0).is_err());
}

proptest! {
    #[test]
    fn karras_levels_ascend_and_end_exactly(n in 2usize..300, low in 1e-4f64..1.0, factor in 1.5f64..1e5, rho in 1.0f64..10.0) {
        let high = low * factor;
        let levels = karras_levels(n, low, high, rho).unwrap();
        prop_assert_eq!(levels[0], low);
        prop_assert_eq!(levels[n - 1], high);
        prop_assert!(levels.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// Bug B6 of another implementation: c_in without its root.
    #[test]
    fn edm_coefficients_normalize(sigma in 1e-3f64..100.0, sigma_data in 0.1f64..2.0) {
        let at = Preconditioning::Edm.coefficients(sigma, 0.002, sigma_data);
        prop_assert!((at.c_in.powi(2) * (sigma.powi(2) + sigma_data.powi(2)) - 1.0).abs() < 1e-12);
        prop_assert!((at.c_out.powi(2) - sigma.powi(2) * at.c_skip).abs() < 1e-12 * at.c_out.powi(2).max(1e-12));
        let boundary = Preconditioning::Boundary.coefficients(0.002, 0.002, sigma_data);
        prop_assert_eq!((boundary.c_skip, boundary.c_out), (1.0, 0.0));
    }

    #[test]
    fn trig_time_goes_there_and_back(sigma in 1e-3f64..100.0) {
        let back = sigma_from_trig(trig_from_sigma(sigma, 0.5), 0.5);
        prop_assert!((back / sigma - 1.0).abs() < 1e-9);
    }
}
