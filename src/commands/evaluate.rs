//! `anomalog evaluate`: how good detectors are where anomalies are known.

use std::path::Path;
use std::sync::Arc;

use anomalog_engine::detector::Detector;
use anomalog_engine::detector::DetectorStore;
use datafusion::prelude::DataFrame;

use super::error::Result;
use super::settings::Settings;
use super::windows_input::{self, check_metrics};
use crate::calendar::labels::{self, Label};
use crate::cli::{Candidates, EvaluateArgs};
use crate::evaluation::candidate::Candidate;
use crate::evaluation::collections::labelled_windows;
use crate::evaluation::collections::{self, LabelledSeries};
use crate::evaluation::judge::JudgingRules;
use crate::evaluation::protocol::Learning;
use crate::evaluation::report::{Report, html_page};
use crate::evaluation::results::{Evaluation, Scored};
use crate::evaluation::run;
use crate::evaluation::scores::ScoreFile;
use crate::evaluation::settings::EvaluationSettings;
use crate::evaluation::summary::distinct;
use crate::measures::alarms::AlarmRules;
use crate::progress::Progress;
use crate::scores::{SERIES, WINDOW_START};
use crate::training::dataset::Series;
use crate::training::goal::{
    DEFAULT_CLASSIFIER_HIDDEN, DEFAULT_FINE_TUNE_STEPS, DEFAULT_HIDDEN, DEFAULT_STEPS,
};
use crate::training::loader::{self, Sampling, WindowColumns};
use crate::warehouse::publish;

/// The dataset that windows of the warehouse are.
const DATASET: &str = "windows";

/// Runs `anomalog evaluate`.
///
/// # Errors
/// When series or labels cannot be read, the evaluation would leak or can judge nothing, or a file
/// cannot be written.
pub async fn run(settings: &Settings, args: EvaluateArgs) -> Result<()> {
    let html = args.html.clone();
    if let Some(path) = &html {
        publish::resolve(path)?;
    }
    let markdown = args.markdown;
    let series = match &args.labels {
        None => read(&args.series)?,
        Some(labels) => label(settings, &args, labels).await?,
    };
    let scores = args.scores.as_deref().map(ScoreFile::create).transpose()?;
    let stored = stored(settings, &args.stored)?;
    let evaluation = resolve(args, stored);
    let judged = judge(settings, &series, &evaluation, scores)?;
    let report = Report::new(judged, &evaluation);
    if let Some(path) = html {
        publish::write(&path, html_page(&report)?)?;
    }
    if markdown {
        return Ok(settings.printer.text(&report.markdown())?);
    }
    Ok(settings.printer.answer(&report)?)
}

/// Judges with a bar, and writes scores if there is a file for them.
fn judge(
    settings: &Settings,
    series: &[LabelledSeries],
    evaluation: &EvaluationSettings,
    mut scores: Option<ScoreFile>,
) -> Result<Evaluation> {
    let bar = settings.printer.begin("evaluating", Some(0));
    // Plain computing: other tasks of the runtime may go on meanwhile.
    let judged: Result<Evaluation> = tokio::task::block_in_place(|| match &mut scores {
        None => run::evaluate(series, evaluation, &*bar, None),
        Some(file) => {
            let mut write = |scored: Scored<'_>| Ok(file.write(scored)?);
            run::evaluate(series, evaluation, &*bar, Some(&mut write))
        }
    });
    let judged = judged?;
    if let Some(file) = scores {
        file.finish()?;
    }
    Ok(judged)
}

/// The windows as labelled series.
async fn label(
    settings: &Settings,
    args: &EvaluateArgs,
    labels: &Path,
) -> Result<Vec<LabelledSeries>> {
    let mut labels = labels::read(labels)?;
    labels.retain(Label::is_anomaly);
    let session = settings.open().await?;
    let input = windows_input::open(&session, &args.input).await?;
    check_metrics(&input, &args.metrics)?;
    let since = args
        .since
        .map_or(i64::MIN, |since| since.timestamp_micros());
    let windows = windows(input.frame, &args.metrics).await?;
    Ok(labelled_windows::label(
        DATASET,
        &args.metrics,
        &windows,
        &labels,
        since,
    )?)
}

/// All windows of a frame, by site.
///
/// # Errors
/// When the frame cannot be read.
pub async fn windows(frame: DataFrame, metrics: &[String]) -> Result<Vec<Series>> {
    let key = WindowColumns {
        series: SERIES,
        window_start: WINDOW_START,
    };
    let all = Sampling {
        max_rows: u64::MAX,
        seed: 0,
    };
    Ok(loader::load(frame, key, metrics, all).await?.0)
}

/// Detectors of the warehouse.
fn stored(settings: &Settings, names: &[String]) -> Result<Vec<Arc<Detector>>> {
    let store = DetectorStore::open(settings.warehouse.detectors());
    names
        .iter()
        .map(|name| Ok(store.get(&name.parse()?)?))
        .collect()
}

/// Reads all collections. Files of different folders with one name are told apart by the folder.
fn read(lists: &[std::path::PathBuf]) -> Result<Vec<LabelledSeries>> {
    let mut collections = Vec::new();
    for list in lists {
        collections.push((list, collections::read(list)?));
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

fn resolve(args: EvaluateArgs, stored: Vec<Arc<Detector>>) -> EvaluationSettings {
    let mut candidates: Vec<Candidate> = Vec::new();
    for chosen in args.detectors {
        match chosen {
            Candidates::All => candidates.extend(Candidate::all()),
            Candidates::One(candidate) => candidates.push(candidate),
        }
    }
    let steps = args.steps.unwrap_or(DEFAULT_STEPS) as usize;
    let hidden_size = |default: u32| args.hidden.unwrap_or(default) as usize;
    EvaluationSettings {
        candidates: distinct(candidates.into_iter()),
        stored,
        protocols: distinct(args.protocol.into_iter()),
        seeds: distinct(args.seed.into_iter()),
        learning: Learning {
            steps,
            fine_tune_steps: args.fine_tune_steps.unwrap_or(DEFAULT_FINE_TUNE_STEPS) as usize,
            hidden_size: hidden_size(DEFAULT_HIDDEN),
            classifier_steps: steps,
            classifier_hidden_size: hidden_size(DEFAULT_CLASSIFIER_HIDDEN),
            horizons: None,
            alarms_per_week: args.alarms_per_week,
        },
        rules: JudgingRules {
            hold: args.hold,
            also_hold: None,
            alarms_per_week: args.alarms_per_week,
            alarms: AlarmRules::default(),
            plots: args.html.is_some(),
        },
    }
}
