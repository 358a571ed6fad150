//! Events in, continue or stop out: how drawing, editing, training and judging are watched without the library ever
//! printing.

use std::path::PathBuf;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Something that happened; of a training run, one line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins, or goes on from a checkpoint.
    Start {
        /// Updates done before.
        step: u64,
        /// Updates in all.
        steps: u64,
        /// Images in one update.
        batch: usize,
        /// Trained values of the network.
        parameters: usize,
    },
    /// The run goes on with another value of a key of its recipe, as was asked.
    Changed {
        /// The key.
        key: String,
        /// Its value before.
        from: String,
        /// Its value from here on.
        to: String,
    },
    /// The run goes on with data in which images that could not be read were replaced or removed.
    Repaired {
        /// How many were replaced.
        replaced: usize,
        /// How many were removed.
        removed: usize,
    },
    /// An image could not be read, and the next good one takes its place from now on.
    BadImage {
        /// The image.
        source: String,
        /// Why it could not be read.
        reason: String,
        /// Bad images of the run so far.
        count: usize,
    },
    /// One update was made.
    Step {
        /// Updates done, this one included.
        step: u64,
        /// Images seen, this batch included.
        images_seen: u64,
        /// Mean loss of the batch.
        loss: f64,
        /// Norm of the gradient, before any clipping.
        gradient_norm: f64,
        /// Learning rate of the update.
        learning_rate: f64,
        /// Number of noise levels N(k), for consistency objectives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n_levels: Option<usize>,
        /// Rate of the target μ(k), for consistency objectives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_rate: Option<f64>,
        /// Stage, counted from 0, for objectives that have stages.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<u64>,
        /// Mean loss of the batch's quarters by noise level, from the cleanest to the noisiest.
        loss_by_level: Vec<LevelLoss>,
    },
    /// An update was not made, because its loss or gradient was not finite.
    Skipped {
        /// Updates done, this one counted.
        step: u64,
        /// Loss of the batch; absent where it is not a number.
        loss: Option<f64>,
        /// Lowest noise level of the batch.
        sigma_low: f64,
        /// Highest noise level of the batch.
        sigma_high: f64,
        /// Skipped updates of the run so far.
        skipped: u64,
    },
    /// Pictures of fixed seeds were written.
    Preview {
        /// Updates done.
        step: u64,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Updates done.
        step: u64,
        /// Its folder.
        folder: PathBuf,
    },
    /// Some of the images that are drawn, edited or looked at, or of the tensors that are taken over, are done.
    Progress {
        /// What is being done.
        work: Work,
        /// How many are done.
        done: usize,
        /// How many there are to do.
        total: usize,
    },
    /// The run is over, or was asked to stop.
    End {
        /// Updates done.
        step: u64,
        /// Whether the run reached its last step.
        finished: bool,
    },
}

/// What is done to images, or to tensors, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// They are drawn from a model.
    Drawing,
    /// They are edited.
    Editing,
    /// A feature network looks at them.
    Judging,
    /// Tensors of another program are taken over.
    Importing,
}

/// Mean loss over the samples of a batch whose noise levels lie in a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelLoss {
    /// Lowest level among them.
    pub sigma_low: f64,
    /// Highest level among them.
    pub sigma_high: f64,
    /// Their mean loss.
    pub loss: f64,
}

/// What an observer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Finish what is at hand and end there. A training run is saved and can be resumed; of images, those that are done
    /// are kept.
    Stop,
}

/// The images of a batch as they are after one of the steps they are made in. Of a consistency model each is a clean image; of a
/// diffusion model it is the mean of all that the noisy one could become.
#[derive(Debug)]
pub struct Estimate<'a> {
    /// Which of the images that are made, one place each.
    pub places: &'a [usize],
    /// Steps taken, the one that made this included.
    pub step: usize,
    /// `[places, height, width, channels]`, in [-1, 1].
    pub images: &'a Tensor<4>,
}

/// Watches long work, and can end it: a progress bar, a log file, a page, a test. `()` watches nothing and never stops.
pub trait Observer {
    /// Called on every event, in order. Asking to stop is honored after the current training step, or batch of images.
    fn observe(&mut self, event: &Event) -> Flow;

    /// Called where images are drawn or edited, after every step of a batch. Asking to stop is honored at once: the images of
    /// that batch are given up, those of the batches before it are kept.
    ///
    /// By default nobody looks.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use onestep::data::{Rounding, image::pixels_from_tensor};
    /// use onestep::observer::{Estimate, Event, Flow, Observer};
    ///
    /// /// Keeps every step of the first image as a file.
    /// struct Film;
    ///
    /// impl Observer for Film {
    ///     fn observe(&mut self, _: &Event) -> Flow {
    ///         Flow::Continue
    ///     }
    ///
    ///     fn look(&mut self, estimate: &Estimate<'_>) -> Flow {
    ///         let saved = pixels_from_tensor(estimate.images.clone(), Rounding::Edm)
    ///             .and_then(|images| images[0].save(format!("step-{}.png", estimate.step)));
    ///         if saved.is_ok() { Flow::Continue } else { Flow::Stop }
    ///     }
    /// }
    ///
    /// let model = onestep::open("runs/emoji-cd")?;
    /// model.draw().steps(4).run_with(&mut Film)?;
    /// # Ok::<(), onestep::Error>(())
    /// ```
    fn look(&mut self, estimate: &Estimate<'_>) -> Flow {
        let _ = estimate;
        Flow::Continue
    }
}

impl Observer for () {
    fn observe(&mut self, _event: &Event) -> Flow {
        Flow::Continue
    }
}

impl<F: FnMut(&Event) -> Flow> Observer for F {
    fn observe(&mut self, event: &Event) -> Flow {
        self(event)
    }
}

/// Tells the observer how many images are done; answers whether to go on.
pub(crate) fn tell(observer: &mut dyn Observer, work: Work, done: usize, total: usize) -> bool {
    observer.observe(&Event::Progress { work, done, total }) == Flow::Continue
}
