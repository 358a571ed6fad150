//! The rule by which gradients are compared, read from the words of the golden set.

/// An arithmetic expression with `+`, `*`, parentheses, numbers and named quantities.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    Number(f64),
    Variable(String),
    Sum(Box<Formula>, Box<Formula>),
    Product(Box<Formula>, Box<Formula>),
}

impl Formula {
    /// The right-hand side of the first `<=`; a trailing remark in parentheses is not part of it.
    pub fn bound(rule: &str) -> Self {
        let (_, right) = rule.split_once("<=").unwrap_or_else(|| panic!("no bound in `{rule}`"));
        let mut rest = right;
        sum(&mut rest)
    }

    pub fn evaluate(&self, variable: &dyn Fn(&str) -> f64) -> f64 {
        match self {
            Self::Number(value) => *value,
            Self::Variable(name) => variable(name),
            Self::Sum(a, b) => a.evaluate(variable) + b.evaluate(variable),
            Self::Product(a, b) => a.evaluate(variable) * b.evaluate(variable),
        }
    }
}

fn sum(rest: &mut &str) -> Formula {
    let mut left = product(rest);
    while eat(rest, '+') {
        left = Formula::Sum(left.into(), product(rest).into());
    }
    left
}

fn product(rest: &mut &str) -> Formula {
    let mut left = factor(rest);
    while eat(rest, '*') {
        left = Formula::Product(left.into(), factor(rest).into());
    }
    left
}

fn factor(rest: &mut &str) -> Formula {
    if eat(rest, '(') {
        let inner = sum(rest);
        assert!(eat(rest, ')'), "no `)` at `{rest}`");
        return inner;
    }
    let is_number = rest.starts_with(|c: char| c.is_ascii_digit());
    let mut end = 0;
    for (index, c) in rest.char_indices() {
        // The sign of an exponent belongs to the number.
        let exponent = is_number && (c == '-' || c == '+') && rest[..index].ends_with(['e', 'E']);
        if !(c.is_alphanumeric() || matches!(c, '.' | '_' | '|') || exponent) {
            break;
        }
        end = index + c.len_utf8();
    }
    let (token, remaining) = rest.split_at(end);
    *rest = remaining;
    if is_number {
        Formula::Number(token.parse().unwrap_or_else(|_| panic!("`{token}` is not a number")))
    } else {
        assert!(!token.is_empty(), "nothing to read at `{rest}`");
        Formula::Variable(token.to_string())
    }
}

fn eat(rest: &mut &str, expected: char) -> bool {
    let trimmed = rest.trim_start();
    match trimmed.strip_prefix(expected) {
        Some(after) => {
            *rest = after.trim_start();
            true
        }
        None => {
            *rest = trimmed;
            false
        }
    }
}

#[test]
fn bounds_are_read_as_they_are_written() {
    let value = |rule: &str| {
        Formula::bound(rule).evaluate(&|name| match name {
            "max|expected|" => 10.0,
            "global_grad_norm" => 1000.0,
            other => panic!("{other}"),
        })
    };
    let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    close(
        value("per tensor: max|diff| <= 2e-4 * max|expected| + 1e-6 (some gradients are zero: (a) b)"),
        2.001e-3,
    );
    close(value("per tensor: max|diff| <= 5e-4*(max|expected| + 1e-3*global_grad_norm)"), 5.5e-3);
}
