//! `onestep bench`: how fast a network runs and trains here, beside the most that this processor can do.

mod report;

use std::process::ExitCode;

use burn::tensor::Device;
use onestep::model::n_parameters;

use crate::args::{BenchArgs, PassName, PrecisionName};
use crate::device;
use crate::failure::{Failure, Outcome};
use crate::measure::{Case, Measured, NETWORKS, Subject, ceiling, passes};
use crate::progress::bar;

/// Images at a time unless asked otherwise.
const BATCH: usize = 8;
/// Seconds a pass unless asked otherwise.
const SECONDS: f64 = 2.0;

/// What one call measured.
struct Bench {
    subject: Subject,
    batch: usize,
    threads: usize,
    precision: PrecisionName,
    /// Operations a second of multiply-adds alone, before and after everything else.
    ceilings: [f64; 2],
    /// Operations of one evaluation.
    flop_forward: f64,
    forward: Option<Measured>,
    backward: Option<Measured>,
    training_step: Option<Measured>,
}

impl Bench {
    /// The measured passes with the names they are printed by.
    fn passes(&self) -> impl Iterator<Item = (&'static str, &Measured)> {
        [("forward", &self.forward), ("backward", &self.backward), ("training step", &self.training_step)]
            .into_iter()
            .filter_map(|(name, pass)| pass.as_ref().map(|pass| (name, pass)))
    }

    /// What no operator can pass: the larger one, because what else runs on the machine only takes away from it.
    fn ceiling(&self) -> f64 {
        self.ceilings[0].max(self.ceilings[1])
    }

    fn n_parameters(&self) -> usize {
        n_parameters(self.subject.model.network().parameters())
    }
}

/// Runs the command.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome<ExitCode> {
    refuse_precision(args.precision)?;
    if let Some(seconds) = args.seconds
        && !(seconds >= 0.0 && seconds.is_finite())
    {
        return Err(Failure::usage(format!("--seconds must be zero or more, not {seconds}")));
    }
    if let Some(threads) = args.threads {
        device::use_threads(threads as usize)?;
    }
    let bench = measure(args, quiet)?;
    if args.json {
        println!("{:#}", report::json(&bench));
    } else {
        print!("{}", report::text(&bench, args.operators));
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse_precision(precision: PrecisionName) -> Outcome {
    match precision {
        PrecisionName::F32 => Ok(()),
        PrecisionName::Bf16 => Err(Failure::usage("this build does not compute in bf16")
            .hint("leave --precision out, or use --precision f32")),
    }
}

fn measure(args: &BenchArgs, quiet: bool) -> Outcome<Bench> {
    let device = Device::flex();
    let batch = args.batch.map_or(BATCH, |batch| batch as usize);
    let threads = args.threads.map_or_else(device::threads, |threads| threads as usize);
    let seconds = args.seconds.unwrap_or(SECONDS);
    let subject = Subject::open(&args.network, &args.settings, batch, &device).map_err(|failure| {
        let names: Vec<&str> = NETWORKS.iter().map(|(name, ..)| *name).collect();
        if args.network.contains(['/', '.']) {
            failure
        } else {
            failure.hint(format!("{} and model files work too", names.join(", ")))
        }
    })?;
    let case = Case::new(&subject, batch, &device)?;
    let wants = |pass| args.what == pass || args.what == PassName::All;
    let n_passes = if args.what == PassName::All { 3 } else { 1 };
    let bar = bar(n_passes, "measured", quiet);
    let before = ceiling(threads);
    let flop_forward = passes::flop_forward(&subject, &case)?;
    let forward = wants(PassName::Forward)
        .then(|| {
            bar.set_message("· the forward pass");
            passes::forward(&subject, &case, seconds).inspect(|_| bar.inc(1))
        })
        .transpose()?;
    let backward = wants(PassName::Backward)
        .then(|| {
            bar.set_message("· the backward pass");
            passes::backward(&subject, &case, seconds).inspect(|_| bar.inc(1))
        })
        .transpose()?;
    let training_step = wants(PassName::Step)
        .then(|| {
            bar.set_message("· the training step");
            passes::step(&subject, seconds, &device)
        })
        .transpose()?;
    bar.finish_and_clear();
    let ceilings = [before, ceiling(threads)];
    Ok(Bench {
        subject,
        batch,
        threads,
        precision: args.precision,
        ceilings,
        flop_forward,
        forward,
        backward,
        training_step,
    })
}
