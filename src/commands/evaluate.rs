//! `anomalog evaluate`: how good detectors are where anomalies are known.

use std::fs;
use std::path::Path;

use super::Settings;
use super::train::{DEFAULT_FINE_TUNE_STEPS, DEFAULT_HIDDEN, DEFAULT_STEPS};
use crate::cli::{Candidates, EvaluateArgs};
use crate::error::{Error, Result};
use crate::evaluation::alarms::AlarmRules;
use crate::evaluation::candidate::Candidate;
use crate::evaluation::collection::{self, LabelledSeries};
use crate::evaluation::judge::JudgingRules;
use crate::evaluation::protocol::Learning;
use crate::evaluation::report::{Report, html_page};
use crate::evaluation::run::{self, EvaluationSettings};
use crate::evaluation::summary::distinct;
use crate::table_files::file_beside;

/// Runs `anomalog evaluate`.
///
/// # Errors
/// When series cannot be read, the evaluation would leak or can judge nothing, or a page cannot be
/// written.
pub fn run(settings: &Settings, args: EvaluateArgs) -> Result<()> {
    let html = args.html.clone();
    let markdown = args.markdown;
    let series = read(&args.series)?;
    let evaluation = resolve(args);
    let trials = run::trials(&evaluation, series.len()) as u64;
    let bar = settings.printer.progress("evaluating", Some(trials));
    // Plain computing: other tasks of the runtime may go on meanwhile.
    let judged =
        tokio::task::block_in_place(|| run::evaluate(&series, &evaluation, &|| bar.inc(1)));
    bar.finish_and_clear();
    let report = Report::new(judged?, &evaluation);
    if let Some(path) = html {
        write_page(&report, &path)?;
    }
    if markdown {
        return settings.printer.text(&report.markdown());
    }
    settings.printer.answer(&report)
}

/// Reads all collections. Files of different folders with one name are told apart by the folder.
fn read(lists: &[std::path::PathBuf]) -> Result<Vec<LabelledSeries>> {
    let mut collections = Vec::new();
    for list in lists {
        collections.push((list, collection::read(list)?));
    }
    let names: Vec<(&Path, String)> = collections
        .iter()
        .flat_map(|(list, series)| {
            let folder = list.parent().unwrap_or(Path::new(""));
            series
                .iter()
                .map(move |series| (folder, series.file.clone()))
        })
        .collect();
    let mut all = Vec::new();
    for (list, series) in collections {
        let folder = list.parent().unwrap_or(Path::new(""));
        for mut series in series {
            let is_elsewhere =
                |(other, name): &(&Path, String)| *other != folder && *name == series.file;
            if names.iter().any(is_elsewhere) {
                series.file = folder.join(&series.file).display().to_string();
            }
            all.push(series);
        }
    }
    Ok(all)
}

fn resolve(args: EvaluateArgs) -> EvaluationSettings {
    let mut candidates: Vec<Candidate> = Vec::new();
    for chosen in args.detectors {
        match chosen {
            Candidates::All => candidates.extend(Candidate::all()),
            Candidates::One(candidate) => candidates.push(candidate),
        }
    }
    EvaluationSettings {
        candidates: distinct(candidates.into_iter()),
        protocols: distinct(args.protocol.into_iter().map(Into::into)),
        seeds: distinct(args.seed.into_iter()),
        learning: Learning {
            steps: args.steps.unwrap_or(DEFAULT_STEPS) as usize,
            fine_tune_steps: args.fine_tune_steps.unwrap_or(DEFAULT_FINE_TUNE_STEPS) as usize,
            hidden_size: args.hidden.unwrap_or(DEFAULT_HIDDEN) as usize,
            alarms_per_week: args.alarms_per_week,
        },
        rules: JudgingRules {
            hold: args.hold,
            alarms_per_week: args.alarms_per_week,
            alarms: AlarmRules::default(),
            plots: args.html.is_some(),
        },
    }
}

/// Writes the page; it appears complete or not at all.
fn write_page(report: &Report, path: &Path) -> Result<()> {
    let page = html_page(report)?;
    let staged = file_beside(path)?;
    fs::write(staged.path(), page).map_err(Error::io("write", path))?;
    let persisted = staged.persist(path);
    persisted.map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}
