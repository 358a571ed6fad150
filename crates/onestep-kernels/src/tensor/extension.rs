//! The operators as a burn backend extension.

use burn::backend::{Backend, Dispatch, ExtensionType, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;

use super::composed;
use crate::operators::{
    AdamCoefficients, Convolution, DepthwiseOptions, DropoutMask, Layouts, LinearMap, Norm, NormActOptions,
    PoolOptions,
};
use crate::simd::Precision;

/// A tensor that an operator can do without.
#[derive(Debug, Clone, ExtensionType)]
pub(crate) enum Optional<B: Backend> {
    /// The tensor.
    Given(FloatTensor<B>),
    /// None.
    Absent,
}

impl Optional<Dispatch> {
    /// What a function was given.
    pub(super) fn from_tensor<const D: usize>(tensor: Option<Tensor<D>>) -> Self {
        Self::from(tensor.map(Tensor::into_dispatch))
    }
}

impl<B: Backend> From<Option<FloatTensor<B>>> for Optional<B> {
    fn from(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::Absent, Self::Given)
    }
}

impl<B: Backend> Optional<B> {
    /// The tensor, if given.
    pub(crate) fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Given(tensor) => Some(tensor),
            Self::Absent => None,
        }
    }
}

/// The operators, for one backend.
///
/// The free functions of this crate are the way to call them; they check the shapes, which the bodies rely on. A backend
/// gets all of them by an empty implementation: the default bodies are composed of burn's own operations, and so are their
/// gradients.
#[backend_extension(
    Flex,
    Cube: cfg(feature = "card"),
    Autodiff,
)]
pub(crate) trait KernelOps: Backend {
    /// See [`Convolution`](crate::Convolution); the bias is `[1, out]` or `[batch, out]`, and the last argument is all that it is
    /// told besides tensors.
    #[allow(clippy::too_many_arguments, reason = "the extension takes tensors one by one")]
    fn conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Optional<Self>,
        #[extension_type] residual: Optional<Self>,
        #[extension_type] gain: Optional<Self>,
        #[extension_type] offset: Optional<Self>,
        #[extension_type] scale: Optional<Self>,
        #[extension_type] shift: Optional<Self>,
        rest: Convolution<()>,
    ) -> FloatTensor<Self> {
        let others = [bias, residual, gain, offset, scale, shift].map(Optional::into_option);
        composed::convolution::<Self>(Convolution::from_parts([input, weight], others, rest))
    }

    /// See [`depthwise_conv2d()`](crate::depthwise_conv2d()).
    fn depthwise_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Optional<Self>,
        options: DepthwiseOptions,
    ) -> FloatTensor<Self> {
        composed::depthwise_conv2d::<Self>(input, weight, bias.into_option(), options)
    }

    /// See [`pool2d()`](crate::pool2d()).
    fn pool2d(input: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        composed::pool2d::<Self>(input, options)
    }

    /// See [`concat()`](crate::concat()); those that are given come first.
    fn concat(
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        #[extension_type] third: Optional<Self>,
        #[extension_type] fourth: Optional<Self>,
        #[extension_type] fifth: Optional<Self>,
        #[extension_type] sixth: Optional<Self>,
    ) -> FloatTensor<Self> {
        let others = [third, fourth, fifth, sixth].into_iter().filter_map(Optional::into_option);
        composed::concat::<Self>([first, second].into_iter().chain(others).collect())
    }

    /// See [`norm_act()`](crate::norm_act()).
    fn norm_act(
        input: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        #[extension_type] scale: Optional<Self>,
        #[extension_type] shift: Optional<Self>,
        options: NormActOptions,
    ) -> FloatTensor<Self> {
        let scale_shift = scale.into_option().zip(shift.into_option());
        composed::norm_act::<Self>(input, Norm { gain, offset, scale_shift, options })
    }

    /// See [`norm_act_tangent()`](crate::norm_act_tangent()).
    #[allow(clippy::too_many_arguments, reason = "the extension takes tensors one by one")]
    fn norm_act_tangent(
        input: FloatTensor<Self>,
        tangent: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        offset: FloatTensor<Self>,
        #[extension_type] scale: Optional<Self>,
        #[extension_type] shift: Optional<Self>,
        #[extension_type] scale_tangent: Optional<Self>,
        #[extension_type] shift_tangent: Optional<Self>,
        options: NormActOptions,
    ) -> FloatTensor<Self> {
        let scale_shift = scale.into_option().zip(shift.into_option());
        let tangents = scale_tangent.into_option().zip(shift_tangent.into_option());
        let norm = Norm { gain, offset, scale_shift, options };
        composed::norm_act_tangent::<Self>([input, tangent], norm, tangents)
    }

    /// See [`attention()`](crate::attention()).
    fn attention(qkv: FloatTensor<Self>, heads: usize, precision: Precision) -> FloatTensor<Self> {
        let _ = precision;
        composed::attention::<Self>(qkv, heads)
    }

    /// See [`linear()`](crate::linear()).
    fn linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Optional<Self>,
        layouts: Option<Layouts>,
    ) -> FloatTensor<Self> {
        drop(layouts);
        composed::linear::<Self>(input, weight, bias.into_option())
    }

    /// See [`silu()`](crate::silu()).
    fn silu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::silu::<Self>(input)
    }

    /// See [`dropout()`](crate::dropout()).
    fn dropout(input: FloatTensor<Self>, mask: DropoutMask) -> FloatTensor<Self> {
        composed::dropout::<Self>(input, &mask)
    }

    /// Applies one sparse matrix to the rows and one to the columns of each image; see [`LinearMap`].
    fn resample(input: FloatTensor<Self>, rows: LinearMap, columns: LinearMap) -> FloatTensor<Self> {
        composed::resample::<Self>(input, &rows, &columns)
    }

    /// See [`adam_update()`](crate::adam_update()).
    fn adam_update(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first_moment: FloatTensor<Self>,
        second_moment: FloatTensor<Self>,
        coefficients: AdamCoefficients,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::adam_update::<Self>(parameter, gradient, first_moment, second_moment, coefficients)
    }

    /// See [`ema_update()`](crate::ema_update()).
    fn ema_update(average: FloatTensor<Self>, source: FloatTensor<Self>, rate: f64) -> FloatTensor<Self> {
        composed::ema_update::<Self>(average, source, rate)
    }

    /// See [`square_sums()`](crate::square_sums()): the sums of the gradients before this one with its own; which part of how many its
    /// first is.
    fn square_sums(
        gradient: FloatTensor<Self>,
        #[extension_type] sums: Optional<Self>,
        place: [usize; 2],
    ) -> FloatTensor<Self> {
        let _ = place;
        composed::square_sums::<Self>(gradient, sums.into_option())
    }
}
