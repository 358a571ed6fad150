//! The clock of TrigFlow: an angle instead of a standard deviation.

/// The angle of a noise level: arctan(σ/σ_data), in [0, π/2).
///
/// # Source
///
/// Lu and Song 2024 (arXiv:2410.11081), section 3.
pub fn trig_from_sigma(sigma: f64, sigma_data: f64) -> f64 {
    (sigma / sigma_data).atan()
}

/// The noise level of an angle: σ_data·tan(angle).
pub fn sigma_from_trig(trig_time: f64, sigma_data: f64) -> f64 {
    sigma_data * trig_time.tan()
}
