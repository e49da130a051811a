//! What the shipped detectors learn from, and how they are made.
//!
//! ```text
//! labelled series, before `train_points` ─┐
//! NAB, the first part of each series ─────┼─▶ one dataset each ─▶ training ─▶ pretrained/<architecture>/
//! simulated sites, each metric by itself ─┘                             └──▶ pretrained/series.json
//! ```
//!
//! Each is a series of one metric: what comes out forecasts any metric by itself. Labels are not
//! used. What is judged elsewhere is left out: the rows from `train_points` on, the later part of
//! NAB, and [`LEFT_OUT`].

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anomalog::commands;
use anomalog::evaluation::collections::{self, CollectionError, LabelledSeries};
use anomalog::explain::Explain;
use anomalog::simulation::{COUNTED, Simulation, SimulationError, count};
use anomalog::training::dataset::Series;
use anomalog::training::{self, Dataset, SkippedSeries, StepReport, TrainingSettings};
use anomalog::warehouse::publish;
use anomalog_engine::detector::shipped::{self, SeenSeries};
use anomalog_engine::detector::{Detector, ThresholdPolicy};
use anomalog_engine::network::Architecture;
use chrono::NaiveDate;
use serde::Serialize;

use crate::unlisted;

/// The name of the only metric, which stands for any.
const METRIC: &str = "value";
/// KPI series that are not learned from at all: parts of the files WSD 139 (c69a50cf), WSD 043 and
/// WSD 117 (ffb82d38) of TSB-AD are the same values.
const LEFT_OUT: [&str; 2] = ["c69a50cf", "ffb82d38"];
/// Datasets without a licence that would let anyone ship what was learned from them.
const UNLICENSED: [&str; 3] = ["WSD", "IOPS", "TODS"];
/// Share of each series of NAB that is learned from; NAB has no training range of its own. An
/// evaluation on NAB judges what comes after.
pub(crate) const NAB_SHARE: f64 = 0.4;
/// Folders of NAB whose series are drawn by formulas: they teach square waves.
const NAB_ARTIFICIAL: &str = "artificial";
/// Seed of the simulated worlds, that no example and no test uses.
const WORLD: u64 = 900_000;
/// Traffic of the simulated worlds in proportion to the default: busy, usual and nearly idle sites.
const SCALES: [f64; 3] = [3.0, 1.0, 0.1];
/// First day of the simulated worlds, a Monday.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a date");

/// What to learn from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// Lists of labelled series.
    pub(crate) lists: Vec<PathBuf>,
    /// Folder of NAB.
    pub(crate) nab: Option<PathBuf>,
    /// Simulated sites.
    pub(crate) sites: u32,
    /// Days of each.
    pub(crate) days: u32,
    /// Seed of the simulated worlds, added to their own.
    pub(crate) seed: u64,
}

/// How to learn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pretraining {
    /// Optimiser steps at most.
    pub(crate) steps: usize,
    /// Width of the recurrent state.
    pub(crate) hidden_size: usize,
    /// Seed of weights and batches.
    pub(crate) seed: u64,
    /// Version of the detectors.
    pub(crate) release: u32,
}

/// Why nothing can be learned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PretrainingError {
    /// A list or a series cannot be read.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// A dataset that must not be learned from.
    #[error("`{file}` is of {dataset}, which has no licence to learn from")]
    Unlicensed {
        /// The series.
        file: String,
        /// Its dataset.
        dataset: String,
    },
    /// The simulator refuses its settings.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// No series can be learned from.
    #[error("there is nothing to learn from")]
    Nothing,
}

impl Explain for PretrainingError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Collection(error) => Some(error),
            Self::Simulation(error) => Some(error),
            Self::Unlicensed { .. } | Self::Nothing => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Unlicensed { .. } => Some("leave its list out".into()),
            Self::Nothing => Some("name series with `--series`, or set `--sites`".into()),
            Self::Collection(_) | Self::Simulation(_) => self.inner().and_then(Explain::hint),
        }
    }
}

/// Series to learn from.
#[derive(Debug, Default)]
pub(crate) struct PretrainingSet {
    datasets: Vec<Dataset>,
    /// The labelled series among them, and how much of each.
    pub(crate) seen: Vec<SeenSeries>,
    /// What is not learned from, and why.
    pub(crate) skipped: Vec<SkippedSeries>,
}

impl PretrainingSet {
    /// Reads and simulates all that is to be learned from.
    ///
    /// # Errors
    /// When a series cannot be read, must not be learned from, or nothing is left.
    pub(crate) fn gather(sources: &Sources) -> Result<Self, PretrainingError> {
        let mut training_set = Self::default();
        for list in &sources.lists {
            for series in collections::read(list)? {
                if UNLICENSED.contains(&series.dataset.as_str()) {
                    return Err(PretrainingError::Unlicensed {
                        file: series.file,
                        dataset: series.dataset,
                    });
                }
                if LEFT_OUT
                    .iter()
                    .any(|left_out| series.file.starts_with(left_out))
                {
                    training_set.skip(series.file, "is a part of another dataset");
                } else {
                    training_set.add(&series);
                }
            }
        }
        if let Some(nab) = &sources.nab {
            for path in unlisted::parquet_files(nab)? {
                let file = path
                    .strip_prefix(nab)
                    .unwrap_or(&path)
                    .display()
                    .to_string();
                if file.starts_with(NAB_ARTIFICIAL) {
                    continue;
                }
                match unlisted::read_unlisted(&path, NAB_SHARE) {
                    Ok(series) => training_set.add(&series),
                    Err(error) => training_set.skip(file, &error.to_string()),
                }
            }
        }
        training_set.simulate(sources)?;
        if training_set.datasets.is_empty() {
            return Err(PretrainingError::Nothing);
        }
        Ok(training_set)
    }

    fn skip(&mut self, series: String, reason: &str) {
        self.skipped.push(SkippedSeries {
            series,
            reason: reason.to_owned(),
        });
    }

    /// The training range of a labelled series.
    fn add(&mut self, series: &LabelledSeries) {
        let rows = series.train_points;
        let lesson = Series {
            key: series.file.clone(),
            window_start: series.window_start[..rows].to_vec(),
            metrics: vec![series.metrics[0][..rows].to_vec()],
            ..Series::default()
        };
        match Dataset::new(vec![METRIC.to_owned()], vec![lesson]) {
            Ok(dataset) => {
                self.datasets.push(dataset);
                self.seen.push(SeenSeries {
                    file: series.file.clone(),
                    windows: rows,
                });
            }
            Err(error) => self.skip(series.file.clone(), &error.to_string()),
        }
    }

    /// Simulated sites: a dataset for each metric of each world.
    fn simulate(&mut self, sources: &Sources) -> Result<(), PretrainingError> {
        let worlds = SCALES.len() as u32;
        for (number, scale) in SCALES.into_iter().enumerate() {
            let number = number as u32;
            let sites = sources.sites / worlds + u32::from(number < sources.sites % worlds);
            if sites == 0 {
                continue;
            }
            let counted = count(&Simulation {
                days: sources.days,
                sites,
                seed: WORLD + sources.seed * u64::from(worlds) + u64::from(number),
                start: FIRST_DAY,
                scale,
            })?;
            for (metric, name) in COUNTED.into_iter().enumerate() {
                let series = counted.iter().map(|site| Series {
                    key: site.site.clone(),
                    window_start: site.window_start.clone(),
                    metrics: vec![site.metrics[metric].clone()],
                    ..Series::default()
                });
                match Dataset::new(vec![METRIC.to_owned()], series.collect()) {
                    Ok(dataset) => self.datasets.push(dataset),
                    Err(error) => {
                        self.skip(format!("{name} of world {number}"), &error.to_string());
                    }
                }
            }
        }
        Ok(())
    }

    /// Series that take part.
    #[must_use]
    pub(crate) fn series(&self) -> usize {
        let datasets = self.datasets.iter();
        datasets.map(|dataset| dataset.series().len()).sum()
    }

    /// Windows that take part.
    #[must_use]
    pub(crate) fn windows(&self) -> usize {
        self.datasets.iter().map(Dataset::rows).sum()
    }

    /// Trains the detector of one architecture, under the name under which it is shipped.
    ///
    /// # Errors
    /// As training.
    pub(crate) fn train(
        &self,
        pretraining: Pretraining,
        architecture: Architecture,
        progress: &mut dyn FnMut(StepReport),
    ) -> commands::error::Result<Detector> {
        let settings = TrainingSettings {
            name: shipped::name(architecture).to_owned(),
            architecture,
            hidden_size: pretraining.hidden_size,
            steps: pretraining.steps,
            seed: pretraining.seed,
            began_with: None,
            horizons: None,
            threshold: ThresholdPolicy::default(),
        };
        let datasets: Vec<&Dataset> = self.datasets.iter().collect();
        let detector = training::train_on_all(&settings, &datasets, None, progress)?;
        Ok(detector.with_version(pretraining.release))
    }

    /// Writes which labelled series were seen; the file appears complete or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_seen(&self, folder: &Path) -> Result<(), anomalog::warehouse::Error> {
        #[derive(Serialize)]
        #[serde(transparent)]
        struct Seen<'a>(&'a [SeenSeries]);
        let path = folder.join("series.json");
        let mut text = serde_json::to_string_pretty(&Seen(&self.seen)).unwrap_or_default();
        text.push('\n');
        publish::write(&path, text)
    }
}
