//! `anomalog-lab pretrain`: makes the detectors that are compiled into the program.

use std::fmt;
use std::path::PathBuf;

use anomalog::cli::printer::Printer;
use anomalog::commands::error::Result;
use anomalog::progress::Progress as _;
use anomalog::training::SkippedSeries;
use serde::Serialize;

use crate::cli::PretrainArgs;
use crate::pretraining::{Pretraining, PretrainingSet, Sources};

/// What was made.
#[derive(Debug, Serialize)]
struct Pretrained {
    out: PathBuf,
    series: usize,
    windows: usize,
    skipped: Vec<SkippedSeries>,
    detectors: Vec<PretrainedDetector>,
}

#[derive(Debug, Serialize)]
struct PretrainedDetector {
    name: String,
    steps: usize,
    stop_loss: f64,
    error_vs_median: f64,
    bytes: usize,
    seconds: f64,
}

impl fmt::Display for Pretrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for skipped in &self.skipped {
            writeln!(f, "left out `{}`: {}", skipped.series, skipped.reason)?;
        }
        write!(
            f,
            "wrote detectors to `{}`, trained on {} windows of {} series",
            self.out.display(),
            self.windows,
            self.series
        )?;
        for detector in &self.detectors {
            write!(
                f,
                "\n  {}: {} steps in {:.0} s, loss {:.4}, error {:.3} of the trailing median's, \
                 {} bytes",
                detector.name,
                detector.steps,
                detector.seconds,
                detector.stop_loss,
                detector.error_vs_median,
                detector.bytes
            )?;
        }
        Ok(())
    }
}

/// Runs `anomalog-lab pretrain`.
///
/// # Errors
/// When a series cannot be read or must not be learned from, or the folder cannot be written.
pub(crate) fn run(printer: Printer, args: PretrainArgs) -> Result<()> {
    let sources = Sources {
        lists: args.series,
        nab: args.nab,
        sites: args.sites,
        days: args.days,
        seed: args.seed,
    };
    let pretraining = Pretraining {
        steps: args.steps as usize,
        hidden_size: args.hidden as usize,
        seed: args.seed,
        release: args.release,
    };
    // Plain computing: other tasks of the runtime may go on meanwhile.
    let training_set = tokio::task::block_in_place(|| PretrainingSet::gather(&sources))?;
    let mut detectors = Vec::new();
    for architecture in args.arch {
        let steps = u64::from(args.steps);
        let bar = printer.begin("training", Some(steps));
        let started = std::time::Instant::now();
        let detector = tokio::task::block_in_place(|| {
            training_set.train(pretraining, architecture, &mut |report| {
                let loss = report.stop_loss.unwrap_or(report.loss);
                bar.say(format!("training {architecture} loss {loss:.3}"));
                bar.reach(report.step as u64);
            })
        })?;
        drop(bar);
        detector.export(&args.out.join(architecture.name()))?;
        let manifest = detector.manifest();
        if let Some(forecasting) = manifest.forecasting() {
            detectors.push(PretrainedDetector {
                name: manifest.name.clone(),
                steps: manifest.training.steps,
                stop_loss: forecasting.validation.stop_loss,
                error_vs_median: forecasting.validation.relative_error(),
                bytes: detector.weight_bytes(),
                seconds: started.elapsed().as_secs_f64(),
            });
        }
    }
    training_set.write_seen(&args.out)?;
    Ok(printer.summary(&Pretrained {
        out: args.out,
        series: training_set.series(),
        windows: training_set.windows(),
        skipped: training_set.skipped,
        detectors,
    })?)
}
