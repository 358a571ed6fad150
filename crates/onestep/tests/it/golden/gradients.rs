//! Gradients against golden numbers, by the rule that each case states in words.

use std::collections::BTreeMap;

use super::formula::Formula;
use super::{Array, Case};

/// The rule of the cases that state none.
pub(super) const USUAL_RULE: &str = "max|diff| <= 5e-4 * (max|expected| + 1e-3*grad_norm)";

/// Compares each expected gradient with the one of the same name and prints the worst.
///
/// `variable` gives the quantities that the rule names, except for `max|expected|`.
pub fn check_gradients<'a>(
    case: &Case,
    what: &str,
    rule: &str,
    variable: impl Fn(&str) -> f64,
    got: &BTreeMap<String, Array>,
    expected: impl IntoIterator<Item = (&'a str, &'a Array)>,
) {
    let bound = Formula::bound(rule);
    let (mut n_gradients, mut worst) = (0, (0.0, ""));
    for (name, expected) in expected {
        let got = got.get(name).unwrap_or_else(|| panic!("{} {what}: no gradient of {name}", case.name));
        assert_eq!(got.shape, expected.shape, "{} {what}: gradient of {name}", case.name);
        let largest = expected.values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let bound = bound.evaluate(&|name| if name == "max|expected|" { largest } else { variable(name) });
        let difference = got.values.iter().zip(&expected.values).fold(0.0f64, |largest, (got, expected)| {
            // Not f64::max, which would pass over a NaN.
            let difference = (got - expected).abs();
            if largest.is_nan() || difference <= largest { largest } else { difference }
        });
        let fraction = if difference == 0.0 { 0.0 } else { difference / bound };
        assert!(fraction <= 1.0, "{} {what}: gradient of {name}: {difference:e} above {bound:e}", case.name);
        if fraction >= worst.0 {
            worst = (fraction, name);
        }
        n_gradients += 1;
    }
    if n_gradients > 0 {
        let (fraction, name) = worst;
        println!(
            "golden | {} | {what}: {n_gradients} gradients, worst {name} | {fraction:.4} of the tolerance |",
            case.name
        );
    }
}
