//! `anomalog-lab gates`: trains gating networks on made-up sites, and makes detectors of them.

use std::fmt;
use std::path::PathBuf;

use anomalog::cli::printer::Printer;
use anomalog::commands::error::Result;
use anomalog::progress::Progress as _;
use anomalog::training::TrainingError;
use anomalog_engine::detector::{DetectorStore, Gating, Training, shipped};
use anomalog_engine::evidence::INPUTS;
use anomalog_engine::network::{GateCell, GateConfig};
use serde::Serialize;

use crate::cli::{GatesArgs, LearnedStep};
use crate::gates::{
    Corpus, Example, FIRST_HELD_BACK, FIRST_SEED, detector, examples, gating, kinds,
};

/// One site is held back for so many to learn from.
const LEARNED_FOR_ONE: u64 = 4;

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    out: PathBuf,
    windows: usize,
    gates: Vec<TrainedGate>,
}

#[derive(Debug, Serialize)]
struct TrainedGate {
    cell: GateCell,
    /// The loss on sites held back.
    loss: f64,
    constant_loss: f64,
    seconds: f64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = self.out.display();
        write!(
            f,
            "wrote detectors to `{out}`, trained on {} windows",
            self.windows
        )?;
        for gate in &self.gates {
            write!(
                f,
                "\n  {}: loss {:.4} on sites held back (a constant {:.4}), {:.0} s",
                gate.cell.name(),
                gate.loss,
                gate.constant_loss,
                gate.seconds
            )?;
        }
        Ok(())
    }
}

/// Runs `anomalog-lab gates`.
///
/// # Errors
/// When a network cannot be trained, or the folder cannot be written.
pub(crate) fn run(printer: Printer, args: GatesArgs) -> Result<()> {
    let sites = |times: u64| u64::from(args.sites) * times;
    let corpus = Corpus::new(made(printer, &args.step, FIRST_SEED, sites));
    let held_back = |times: u64| sites(times).div_ceil(LEARNED_FOR_ONE);
    let held_back = Corpus::new(made(printer, &args.step, FIRST_HELD_BACK, held_back));
    let mut gates = Vec::new();
    let steps = args.steps as usize;
    for cell in args.cell {
        let bar = printer.begin("training", Some(steps as u64));
        bar.say(format!("training {}", cell.name()));
        let started = std::time::Instant::now();
        let config = GateConfig {
            cell,
            inputs: INPUTS,
            hidden_size: args.hidden as usize,
        };
        let mut progress = |step: usize, _: f64| bar.reach(step as u64 + 1);
        let trained: candle_core::Result<_> = tokio::task::block_in_place(|| {
            let weights = corpus.train(&config, args.seed, steps, &mut progress)?;
            let validation = held_back.validate(&config, &weights)?;
            Ok((weights, validation))
        });
        let (weights, validation) = trained.map_err(TrainingError::from)?;
        let training = Training {
            from_micros: 0,
            fit_until_micros: 0,
            stop_until_micros: 0,
            until_micros: 0,
            series: args
                .step
                .iter()
                .map(|step| sites(step.times) as usize * kinds().len())
                .sum(),
            rows: corpus.windows(),
            seed: args.seed,
            began_with: None,
            steps,
            input_sha256: String::new(),
        };
        let gating = Gating {
            validation,
            ..gating(cell)
        };
        let name = if args.store {
            cell.name().to_owned()
        } else {
            format!("{}{}", shipped::PREFIX, cell.name())
        };
        let made = detector(&name, gating, config.hidden_size, &weights, training)?;
        if args.store {
            DetectorStore::save(&args.output, &made)?;
        } else {
            made.with_version(args.release)
                .export(&args.output.join(cell.name()))?;
        }
        gates.push(TrainedGate {
            cell,
            loss: validation.loss,
            constant_loss: validation.constant_loss,
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    Ok(printer.summary(&Made {
        out: args.output,
        windows: corpus.windows(),
        gates,
    })?)
}

/// The examples of sites from a seed on, of as many as is said for each length of windows.
fn made(
    printer: Printer,
    steps: &[LearnedStep],
    first: u64,
    sites: impl Fn(u64) -> u64,
) -> Vec<Example> {
    let mut all = Vec::new();
    for step in steps {
        let _bar = printer.begin("making sites", None);
        let seeds = first..first + sites(step.times);
        all.extend(tokio::task::block_in_place(|| {
            examples(&kinds(), seeds, step.minutes)
        }));
    }
    all
}
