//! What the operators do and how long it takes: a recorder for the whole process, off unless somebody asks.
//!
//! [`record`] switches it on around a piece of work and returns an [`Entry`] for every operator that ran in it. While it
//! is off an operator pays one relaxed load for it. This is the one place of the operators that reads the clock, and
//! nothing that is computed depends on it. Operators on types without hand-written bodies are not seen; of graphics cards each
//! kernel that they launch is, by its name and with the time that the card says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::operators::attention::AttentionSizes;
use crate::operators::linear::LinearSizes;
use crate::operators::{Depthwise, Geometry};

static ON: AtomicBool = AtomicBool::new(false);
static ENTRIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
/// Held while a recording lasts, so that two of them do not mix.
static RECORDING: Mutex<()> = Mutex::new(());

/// One operator with its sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What it is and in which direction, for example `conv2d 3x3 weight gradient`.
    pub name: String,
    /// Its sizes, for example `8x32x32x128 to 256`.
    pub shape: String,
    /// Nominal floating-point operations: two for each multiply-add of the direct method, whatever method ran. Zero
    /// where an operator is no sum of products.
    pub flop: f64,
}

/// One operator that ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which one.
    pub operation: Operation,
    /// How long it took.
    pub seconds: f64,
}

/// Runs `body` and returns its result and the operators that the process ran meanwhile, in the order they ended.
///
/// One recording at a time: another one waits. Operators that other threads run for other reasons are recorded too.
///
/// # Panics
///
/// Never returns if `body` records itself.
pub fn record<T>(body: impl FnOnce() -> T) -> (T, Vec<Entry>) {
    /// Switches off also when `body` panics.
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            ON.store(false, Ordering::Relaxed);
        }
    }
    let _alone = lock(&RECORDING);
    lock(&ENTRIES).clear();
    let off = Off;
    ON.store(true, Ordering::Relaxed);
    #[cfg(feature = "card")]
    let kernels = super::card::Watch::new();
    let result = body();
    drop(off);
    let entries = std::mem::take(&mut *lock(&ENTRIES));
    #[cfg(feature = "card")]
    let entries = {
        let kernel = |(name, seconds)| Entry {
            operation: Operation { name, shape: String::new(), flop: 0.0 },
            seconds,
        };
        entries.into_iter().chain(kernels.kernels().into_iter().map(kernel)).collect()
    };
    (result, entries)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An operator that is running; dropping it ends the measurement.
pub(super) struct Running {
    operation: Operation,
    started: Instant,
}

/// Starts measuring an operator if somebody records.
pub(super) fn start(operation: impl FnOnce() -> Operation) -> Option<Running> {
    ON.load(Ordering::Relaxed).then(|| Running { operation: operation(), started: Instant::now() })
}

impl Drop for Running {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let nothing = Operation { name: String::new(), shape: String::new(), flop: 0.0 };
        let operation = std::mem::replace(&mut self.operation, nothing);
        lock(&ENTRIES).push(Entry { operation, seconds });
    }
}

impl Operation {
    /// A convolution or one of its two large gradients, which take as many multiply-adds as it.
    pub(super) fn conv2d(pass: &str, geometry: &Geometry) -> Self {
        let ([kernel_h, kernel_w], [batch, height, width, outputs]) =
            (geometry.kernel, geometry.output_shape());
        let sums = batch * height * width * outputs;
        let stride = match geometry.options.stride {
            1 => String::new(),
            stride => format!(", stride {stride}"),
        };
        Self {
            name: format!("conv2d {kernel_h}x{kernel_w} {pass}"),
            shape: format!("{} to {outputs}{stride}", by(&geometry.input_shape())),
            flop: 2.0 * (sums * kernel_h * kernel_w * geometry.inputs) as f64,
        }
    }

    /// A convolution of each channel by itself.
    pub(super) fn depthwise(depthwise: &Depthwise) -> Self {
        let Depthwise { batch, size: [height, width], kernel: [kernel_h, kernel_w], channels, .. } =
            *depthwise;
        let values: usize = depthwise.output_shape().iter().product();
        Self {
            name: format!("depthwise conv2d {kernel_h}x{kernel_w} forward"),
            shape: format!(
                "{}, stride {}",
                by(&[batch, height, width, channels]),
                depthwise.options.conv.stride
            ),
            flop: 2.0 * (values * kernel_h * kernel_w) as f64,
        }
    }

    /// A linear layer or one of its two large gradients.
    pub(super) fn linear(pass: &str, [rows, inputs, outputs]: LinearSizes) -> Self {
        Self {
            name: format!("linear {pass}"),
            shape: format!("{rows}x{inputs} to {outputs}"),
            flop: 2.0 * (rows * inputs * outputs) as f64,
        }
    }

    /// Attention: `products` matrix products of its size, two forward and four for the gradients.
    pub(super) fn attention(pass: &str, products: usize, sizes: &AttentionSizes) -> Self {
        let AttentionSizes { batch, tokens, heads, width } = *sizes;
        Self {
            name: format!("attention {pass}"),
            shape: by(&[batch, heads, tokens, width]),
            flop: 2.0 * (products * batch * heads * tokens * tokens * width) as f64,
        }
    }

    /// An operator that is no sum of products: it moves or maps numbers.
    pub(super) fn map(name: &str, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: by(shape), flop: 0.0 }
    }
}

fn by(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test of this program that records, so nothing else is in what it sees.
    #[test]
    fn nothing_is_measured_unless_somebody_records() {
        let ask = |name: &str| start(|| Operation::map(name, &[1])).is_some();
        assert!(!ask("before"));
        let (seen, entries) = record(|| ask("during"));
        assert!(seen);
        assert_eq!(entries.iter().map(|entry| &*entry.operation.name).collect::<Vec<_>>(), ["during"]);
        assert!(!ask("after"));

        let failed = std::panic::catch_unwind(|| record(|| panic!("the body fails")));
        assert!(failed.is_err());
        assert!(!ask("after a failure"), "a body that panics leaves it off");
        assert_eq!(record(|| ()).1, [], "nothing is left of the recording before");
    }
}
