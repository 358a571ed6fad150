//! Numbers that formulas are written for: f64, and formulas themselves, as data.
//!
//! A coefficient of the preconditioning is needed as a number wherever σ is known, and as nodes of a
//! [`Graph`](super::network::graph::Graph) wherever σ is an input of an exported model. Written for any [`Number`], it is written
//! once.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::noise::trig_from_sigma;

/// What a formula of the noise level is made of.
pub(super) trait Number:
    Clone
    + From<f64>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The number times itself.
    fn square(self) -> Self;

    /// The square root.
    fn root(self) -> Self;

    /// The natural logarithm of a noise level, finite at 0.
    fn ln_of_level(self) -> Self;

    /// TrigFlow's angle of a noise level.
    fn angle_of_level(self, sigma_data: f64) -> Self;

    /// The time of a noise level in a schedule that only its table knows; none where there is no formula of it.
    fn time(self, table: impl FnOnce(f64) -> f64) -> Option<Self>;
}

impl Number for f64 {
    fn square(self) -> Self {
        self.powi(2)
    }

    fn root(self) -> Self {
        self.sqrt()
    }

    fn ln_of_level(self) -> Self {
        (self + 1e-44).ln()
    }

    fn angle_of_level(self, sigma_data: f64) -> Self {
        trig_from_sigma(self, sigma_data)
    }

    fn time(self, table: impl FnOnce(f64) -> f64) -> Option<Self> {
        Some(table(self))
    }
}

/// A formula of the noise level.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// The noise level itself.
    Level,
    /// A constant.
    Constant(f64),
    /// The sum of two.
    Sum(Box<[Self; 2]>),
    /// The product of two.
    Product(Box<[Self; 2]>),
    /// The first by the second.
    Quotient(Box<[Self; 2]>),
    /// The larger of one and a constant.
    AtLeast(Box<Self>, f64),
    /// The square root.
    Root(Box<Self>),
    /// The natural logarithm.
    Logarithm(Box<Self>),
    /// The arctangent.
    Arctangent(Box<Self>),
}

impl Number for Formula {
    fn square(self) -> Self {
        self.clone() * self
    }

    fn root(self) -> Self {
        Self::Root(self.into())
    }

    /// The logarithm of the level, but of no less than the smallest normal f32: graphs are computed in f32, where smaller
    /// numbers are zero on machines that flush them.
    fn ln_of_level(self) -> Self {
        Self::Logarithm(Self::AtLeast(self.into(), f32::MIN_POSITIVE.into()).into())
    }

    fn angle_of_level(self, sigma_data: f64) -> Self {
        Self::Arctangent((self / sigma_data.into()).into())
    }

    fn time(self, _: impl FnOnce(f64) -> f64) -> Option<Self> {
        None
    }
}

impl From<f64> for Formula {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl Add for Formula {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::Sum([self, other].into())
    }
}

impl Sub for Formula {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Formula {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::Product([self, other].into())
    }
}

impl Div for Formula {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        Self::Quotient([self, other].into())
    }
}

impl Neg for Formula {
    type Output = Self;

    fn neg(self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(-value),
            other => other * (-1.0).into(),
        }
    }
}
