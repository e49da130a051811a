//! `anomalog-lab judges`: trains judges on made-up sites.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anomalog::cli::printer::Printer;
use anomalog::commands::error::Result;
use anomalog::explain::cannot;
use anomalog::progress::Progress as _;
use anomalog::training::TrainingError;
use anomalog_engine::evidence::INPUTS;
use anomalog_engine::network::{JudgeCell, JudgeConfig};
use candle_core::safetensors;
use serde::Serialize;

use crate::cli::JudgesArgs;
use crate::judges::{Corpus, FIRST_SEED, examples, kinds};

/// Lengths of windows, in minutes, and how many times as many sites each has: short ones are longest.
const WINDOWS: [(usize, u64); 4] = [(1, 1), (5, 1), (15, 2), (60, 4)];

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    out: PathBuf,
    examples: usize,
    judges: Vec<TrainedJudge>,
}

#[derive(Debug, Serialize)]
struct TrainedJudge {
    cell: JudgeCell,
    /// The mean loss of the last tenth of the steps.
    loss: f64,
    seconds: f64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = self.out.display();
        write!(
            f,
            "wrote judges to `{out}`, trained on {} stretches of windows",
            self.examples
        )?;
        for judge in &self.judges {
            let TrainedJudge {
                cell,
                loss,
                seconds,
            } = judge;
            write!(f, "\n  {}: loss {loss:.4}, {seconds:.0} s", cell.name())?;
        }
        Ok(())
    }
}

/// Runs `anomalog-lab judges`.
///
/// # Errors
/// When a judge cannot be trained, or the folder cannot be written.
pub(crate) fn run(printer: Printer, args: JudgesArgs) -> Result<()> {
    let mut all = Vec::new();
    for (minutes, times) in WINDOWS {
        let sites = u64::from(args.sites) * times;
        let _bar = printer.begin("making sites", None);
        let seeds = FIRST_SEED..FIRST_SEED + sites;
        all.extend(tokio::task::block_in_place(|| {
            examples(&kinds(), seeds, minutes)
        }));
    }
    let corpus = Corpus::new(all);
    fs::create_dir_all(&args.out).map_err(cannot("create", &args.out))?;
    let mut judges = Vec::new();
    let steps = args.steps as usize;
    for cell in args.cell {
        let bar = printer.begin("training", Some(steps as u64));
        bar.say(format!("training {}", cell.name()));
        let started = std::time::Instant::now();
        let config = JudgeConfig {
            cell,
            inputs: INPUTS,
            hidden_size: args.hidden as usize,
        };
        let mut last = Vec::new();
        let mut progress = |step: usize, loss: f64| {
            bar.reach(step as u64 + 1);
            if step >= steps - steps.div_ceil(10) {
                last.push(loss);
            }
        };
        let trained = tokio::task::block_in_place(|| {
            let weights = corpus.train(&config, args.seed, steps, &mut progress)?;
            safetensors::save(
                &weights,
                args.out.join(format!("{}.safetensors", cell.name())),
            )
        });
        trained.map_err(TrainingError::from)?;
        judges.push(TrainedJudge {
            cell,
            loss: last.iter().sum::<f64>() / last.len().max(1) as f64,
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    Ok(printer.summary(&Made {
        out: args.out,
        examples: corpus.len(),
        judges,
    })?)
}
