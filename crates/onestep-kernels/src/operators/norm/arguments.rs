//! What a normalisation is told besides its input.

use crate::loops::Activation;

/// The arguments of a normalisation but for its input, in whatever holds their numbers: tensors or slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm<Channels, Samples = Channels> {
    /// `[channels]`
    pub gain: Channels,
    /// `[channels]`
    pub offset: Channels,
    /// Two of `[batch, channels]`.
    pub scale_shift: Option<(Samples, Samples)>,
    /// Groups, epsilon and activation.
    pub options: NormActOptions,
}

/// What a normalisation needs besides tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormActOptions {
    /// Number of groups the channels are cut into.
    pub groups: usize,
    /// Added to the variance before the square root.
    pub epsilon: f64,
    /// Applied last.
    pub activation: Activation,
}

impl<C, S> Norm<C, S> {
    /// The same with one type for all of its numbers.
    pub(crate) fn unified<T>(self, of_channels: impl Fn(C) -> T, of_samples: impl Fn(S) -> T) -> Norm<T> {
        let Self { gain, offset, scale_shift, options } = self;
        let [gain, offset] = [gain, offset].map(of_channels);
        let scale_shift = scale_shift.map(|(scale, shift)| (of_samples(scale), of_samples(shift)));
        Norm { gain, offset, scale_shift, options }
    }
}

impl<T> Norm<T> {
    /// Gain and offset, then scale and shift.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        let both = self.scale_shift.iter().flat_map(|(scale, shift)| [scale, shift]);
        [&self.gain, &self.offset].into_iter().chain(both)
    }

    /// The same of what `body` makes of each.
    pub(crate) fn map<'a, R>(&'a self, body: impl Fn(&'a T) -> R) -> Norm<R> {
        let scale_shift = self.scale_shift.as_ref().map(|(scale, shift)| (body(scale), body(shift)));
        Norm { gain: body(&self.gain), offset: body(&self.offset), scale_shift, options: self.options }
    }
}
