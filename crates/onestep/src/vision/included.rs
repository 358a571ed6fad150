//! Weights that come with the library, where it was built with them.

/// Those of EfficientNet-Lite0: Apache-2.0, in half precision, with batch norms multiplied in.
#[cfg(feature = "builtin")]
pub(crate) const EFFNET_LITE0: Option<&[u8]> = Some(onestep_effnet_lite0::WEIGHTS);

/// Those of shift-tolerant LPIPS: BSD-2-Clause, in half precision.
#[cfg(feature = "builtin")]
pub(crate) const ST_LPIPS: Option<&[u8]> = Some(onestep_st_lpips::WEIGHTS);

/// Left out of a smaller build.
#[cfg(not(feature = "builtin"))]
pub(crate) const EFFNET_LITE0: Option<&[u8]> = None;

/// Left out of a smaller build.
#[cfg(not(feature = "builtin"))]
pub(crate) const ST_LPIPS: Option<&[u8]> = None;
