//! Noise levels σ: the Karras grid, ascending for training and descending for sampling.

/// The noise levels of Karras et al.: evenly spaced in σ^(1/ρ), so that they crowd towards the clean end.
///
/// Returns `n_levels` standard deviations in ascending order, bounding `n_levels - 1` intervals.
/// The first is exactly `sigma_min` and the last exactly `sigma_max`; the rest are strictly between.
/// Both ends are pinned rather than computed, because a consistency model is the identity
/// at `sigma_min` only if the level *is* `sigma_min`.
///
/// # Units
///
/// σ is the standard deviation of the added noise, in the units of the data: for images scaled
/// to [-1, 1], `sigma_max = 80.0` drowns the image and `sigma_min = 0.002` is below one grey level.
///
/// # Errors
///
/// - [`LevelsError::TooFewLevels`] if `n_levels < 2`: one level bounds no interval.
/// - [`LevelsError::BadRange`] unless `0 < sigma_min < sigma_max`, both finite.
/// - [`LevelsError::BadRho`] unless `rho` is positive and finite.
///
/// # Source
///
/// Karras et al. 2022 (arXiv:2206.00364), eq. 5, read from the clean end as in
/// Song et al. 2023 (arXiv:2303.01469), section 4; ρ = 7 in both.
///
/// # Examples
///
/// ```
/// let levels = onestep::noise::karras_levels(3, 0.002, 80.0, 7.0)?;
/// assert_eq!(levels[0], 0.002);
/// assert!((levels[1] - 2.515_218_976).abs() < 1e-9);
/// assert_eq!(levels[2], 80.0);
/// # Ok::<(), onestep::noise::LevelsError>(())
/// ```
pub fn karras_levels(
    n_levels: usize,
    sigma_min: f64,
    sigma_max: f64,
    rho: f64,
) -> Result<Vec<f64>, LevelsError> {
    check_grid(n_levels, sigma_min, sigma_max)?;
    if !(0.0 < rho && rho.is_finite()) {
        return Err(LevelsError::BadRho { rho });
    }
    let low = sigma_min.powf(1.0 / rho);
    let high = sigma_max.powf(1.0 / rho);
    let n_intervals = (n_levels - 1) as f64;
    let mut levels: Vec<f64> =
        (0..n_levels).map(|i| (low + i as f64 / n_intervals * (high - low)).powf(rho)).collect();
    levels[0] = sigma_min;
    levels[n_levels - 1] = sigma_max;
    Ok(levels)
}

/// The level at a `place` in [0, 1] of the Karras spacing: `sigma_min` at 0, `sigma_max` at 1, any level between.
///
/// The continuum that [`karras_levels`] takes points of.
pub fn karras_level(place: f64, sigma_min: f64, sigma_max: f64, rho: f64) -> f64 {
    let (low, high) = (sigma_min.powf(1.0 / rho), sigma_max.powf(1.0 / rho));
    (low + place * (high - low)).powf(rho)
}

/// The levels a model is trained on: ascending from σ_min to σ_max, at least two.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingLevels(Vec<f64>);

impl TrainingLevels {
    /// The Karras grid of `n_levels` levels.
    ///
    /// # Errors
    ///
    /// As [`karras_levels`].
    pub fn karras(n_levels: usize, sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Self, LevelsError> {
        karras_levels(n_levels, sigma_min, sigma_max, rho).map(Self)
    }

    /// Levels given as they are.
    ///
    /// # Errors
    ///
    /// [`LevelsError::TooFewLevels`], or [`LevelsError::NotAscending`] with the first pair out of order.
    pub fn new(levels: Vec<f64>) -> Result<Self, LevelsError> {
        if levels.len() < 2 {
            return Err(LevelsError::TooFewLevels { n_levels: levels.len() });
        }
        check_positive(&levels)?;
        match levels.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(LevelsError::NotAscending { first: pair[0], second: pair[1] }),
            None => Ok(Self(levels)),
        }
    }

    /// The levels, ascending.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// Number of intervals between neighboring levels.
    pub fn n_intervals(&self) -> usize {
        self.0.len() - 1
    }
}

/// The levels a sampler visits: descending, at least one, no trailing zero.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingLevels(Vec<f64>);

impl SamplingLevels {
    /// Levels given as they are, for example `[80.0, 0.82]` for two steps.
    ///
    /// # Errors
    ///
    /// [`LevelsError::Empty`], [`LevelsError::NotPositive`], or [`LevelsError::NotDescending`] with the
    /// first pair out of order.
    pub fn new(levels: Vec<f64>) -> Result<Self, LevelsError> {
        if levels.is_empty() {
            return Err(LevelsError::Empty);
        }
        check_positive(&levels)?;
        match levels.windows(2).find(|pair| pair[0] <= pair[1]) {
            Some(pair) => Err(LevelsError::NotDescending { first: pair[0], second: pair[1] }),
            None => Ok(Self(levels)),
        }
    }

    /// The whole Karras grid, from σ_max down to σ_min.
    ///
    /// # Errors
    ///
    /// As [`karras_levels`].
    pub fn karras(n_levels: usize, sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Self, LevelsError> {
        let mut levels = karras_levels(n_levels, sigma_min, sigma_max, rho)?;
        levels.reverse();
        Ok(Self(levels))
    }

    /// `n_levels` levels from σ_max down to σ_min, evenly spaced in ln σ, with both ends exact.
    ///
    /// # Errors
    ///
    /// As [`karras_levels`].
    ///
    /// # Source
    ///
    /// Lu et al. 2022 (arXiv:2211.01095), section 4: uniform in λ = -ln σ; the paths of consistency mid-training
    /// (arXiv:2509.24526).
    pub fn log_uniform(n_levels: usize, sigma_min: f64, sigma_max: f64) -> Result<Self, LevelsError> {
        check_grid(n_levels, sigma_min, sigma_max)?;
        let n_intervals = (n_levels - 1) as f64;
        let ratio = sigma_min / sigma_max;
        let mut levels: Vec<f64> =
            (0..n_levels).map(|i| sigma_max * ratio.powf(i as f64 / n_intervals)).collect();
        levels[n_levels - 1] = sigma_min;
        Ok(Self(levels))
    }

    /// Levels by their published indices into the descending Karras grid of `n_levels`.
    ///
    /// The published lists end in `n_levels - 1`, the level σ_min at which nothing is evaluated any more;
    /// that last entry is dropped, so that `[0, 22, 39]` of 40 gives two levels.
    ///
    /// # Errors
    ///
    /// [`LevelsError::IndexOutside`] for an index outside the grid, and what [`SamplingLevels::new`] refuses.
    ///
    /// # Source
    ///
    /// `--ts` and `--steps` of openai/consistency_models, `scripts/launch.sh`.
    pub fn from_indices(
        indices: &[usize],
        n_levels: usize,
        sigma_min: f64,
        sigma_max: f64,
        rho: f64,
    ) -> Result<Self, LevelsError> {
        let grid = Self::karras(n_levels, sigma_min, sigma_max, rho)?;
        let indices = match indices {
            [head @ .., last] if *last + 1 == n_levels && !head.is_empty() => head,
            all => all,
        };
        let levels = indices
            .iter()
            .map(|&index| grid.0.get(index).copied().ok_or(LevelsError::IndexOutside { index, n_levels }))
            .collect::<Result<_, _>>()?;
        Self::new(levels)
    }

    /// The levels, descending.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

/// Refuses a grid that bounds no interval.
fn check_grid(n_levels: usize, sigma_min: f64, sigma_max: f64) -> Result<(), LevelsError> {
    if n_levels < 2 {
        return Err(LevelsError::TooFewLevels { n_levels });
    }
    if !(0.0 < sigma_min && sigma_min < sigma_max && sigma_max.is_finite()) {
        return Err(LevelsError::BadRange { sigma_min, sigma_max });
    }
    Ok(())
}

fn check_positive(levels: &[f64]) -> Result<(), LevelsError> {
    match levels.iter().find(|&&level| !(level > 0.0 && level.is_finite())) {
        Some(&level) => Err(LevelsError::NotPositive { level }),
        None => Ok(()),
    }
}

/// A noise schedule that cannot be built from the numbers given.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelsError {
    /// One level bounds no interval.
    #[error("a noise schedule needs at least 2 levels, got {n_levels}")]
    TooFewLevels {
        /// Number of levels asked for.
        n_levels: usize,
    },
    /// The ends of the schedule are out of order, zero or not finite.
    #[error("noise levels need 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}")]
    BadRange {
        /// Lower end.
        sigma_min: f64,
        /// Upper end.
        sigma_max: f64,
    },
    /// The exponent of the Karras grid is zero, negative or not finite.
    #[error("rho must be positive, got {rho}")]
    BadRho {
        /// The exponent given.
        rho: f64,
    },
    /// Sampling needs at least one level.
    #[error("sampling needs at least one noise level")]
    Empty,
    /// A level is zero, negative or not finite.
    #[error("a noise level must be positive and finite, got {level}")]
    NotPositive {
        /// The level given.
        level: f64,
    },
    /// Training levels are out of order.
    #[error("training levels must ascend: {first} comes before {second}")]
    NotAscending {
        /// First of the two.
        first: f64,
        /// Second of the two.
        second: f64,
    },
    /// Sampling levels are out of order.
    #[error("sampling levels must descend: {first} comes before {second}")]
    NotDescending {
        /// First of the two.
        first: f64,
        /// Second of the two.
        second: f64,
    },
    /// An index points outside the grid.
    #[error("level index {index} is outside a grid of {n_levels} levels (0 to {})", n_levels - 1)]
    IndexOutside {
        /// The index given.
        index: usize,
        /// Size of the grid.
        n_levels: usize,
    },
}
