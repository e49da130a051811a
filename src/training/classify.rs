//! Trains a classifier: labelled windows, cross-entropy, odds calibrated on held-back normal ones.
//!
//! The form is that of Kim & Cho (2018): see [`anomalog_engine::network::Classifier`]. Two choices are
//! ours. A window's label is that of its last row, not whether any of its 60 is labelled, so that an
//! alarm is raised at the anomaly and not for an hour after. And half of every batch is anomalous,
//! drawn by event and then within the event: anomalies are rare, and a long one teaches as much as a
//! short one. What odds are worth in traffic where anomalies are rare, calibration says.

use std::ops::Range;
use std::sync::mpsc::SyncSender;

use anomalog_engine::baseline::MERGE;
use anomalog_engine::baseline::Tail;
use anomalog_engine::detector::{
    ClassifierValidation, Classifying, Detector, FORMAT_VERSION, Manifest, Objective, Training,
};
use anomalog_engine::features::{SeriesFeatures, write_window};
use anomalog_engine::forecast::Part;
use anomalog_engine::forecast::classify::{BlockScales, Window, classify};
use anomalog_engine::network::init::{sorted_variables, trainable};
use anomalog_engine::network::{
    Classifier, ClassifierConfig, ClassifierPredictor, DENSE_SIZE, NetworkConfig,
};
use anomalog_engine::series::blocks::BlockLayout;
use anomalog_engine::series::time_zone::TimeZone;
use anomalog_engine::series::{SeriesGrid, lay_on_grid};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn::loss::cross_entropy;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::descent::{Batches, StepReport, descend};
use super::error::TrainingError;
use super::labelled::LabelledDataset;
use super::provenance::{input_sha256, manifest_training};
use super::settings::TrainingSettings;
use super::split::MIN_CALIBRATION_WINDOWS;

/// Windows of each class per batch.
const BATCH_OF_CLASS: usize = 64;
/// Windows of each class that are measured on the stopping range, at most.
const STOP_OF_CLASS: usize = 256;
/// Microseconds in a day.
const DAY_MICROS: f64 = 86_400e6;

/// Trains one classifier on several datasets, each cut in its own ranges; its layout and
/// resolutions are those of the first. Of the ranges, all of which may differ, the manifest has the
/// first's, but the end of everything that was seen.
///
/// The same settings, rows and labels give the same weights, bit for bit, on the same machine.
///
/// # Errors
/// When no fit range has a labelled window, or none another, the data are too few, a series is not
/// one row per window, or the loss diverges.
pub fn train_classifier(
    settings: &TrainingSettings,
    datasets: &[LabelledDataset],
    progress: &mut dyn FnMut(StepReport),
) -> Result<Detector, TrainingError> {
    let Some(first) = datasets.first().map(LabelledDataset::dataset) else {
        let skipped = Vec::new();
        return Err(TrainingError::NoUsableSeries { skipped });
    };
    let layouts: Vec<BlockLayout> = datasets
        .iter()
        .map(|dataset| {
            let dataset = dataset.dataset();
            BlockLayout::for_classifier(dataset.step_micros(), dataset.resolutions())
        })
        .collect();
    let config = ClassifierConfig {
        architecture: settings.architecture,
        features: first.metrics().len(),
        hidden_size: settings.hidden_size,
        dense_size: DENSE_SIZE,
    };
    let mut labelled = Vec::new();
    for (dataset, layout) in datasets.iter().zip(&layouts) {
        labelled.extend(lay_out(dataset, layout)?);
    }
    let segments: Vec<JudgedSegment<'_>> = labelled.par_iter().map(JudgedSegment::new).collect();
    let map = trainable(&config, settings.seed)?;
    let classifier = config.network(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu))?;
    let fit = Sampler::new(&segments, |judged| &judged.segment.fit);
    fit.require_both(datasets)?;
    let stop = Sampler::new(&segments, |judged| &judged.segment.stop).evenly(STOP_OF_CLASS);
    let stop = stop.map(|places| batch(&segments, &places)).transpose()?;
    let batches = FitBatches {
        sampler: fit,
        settings,
    };
    let descended = descend(
        &sorted_variables(&map),
        &batches,
        settings.steps,
        |batch| batch.loss(&classifier),
        || match &stop {
            Some(batch) => Ok(Some(f64::from(
                batch.loss(&classifier)?.to_scalar::<f32>()?,
            ))),
            None => Ok(None),
        },
        progress,
    )?;
    let (tail, validation) = calibrate(&classifier, settings, datasets, &layouts)?;
    let digests: Vec<String> = datasets.iter().map(LabelledDataset::sha256).collect();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        name: settings.name.clone(),
        version: 0,
        architecture: settings.architecture,
        objective: Objective::Classify(Classifying {
            dense_size: DENSE_SIZE,
            tail,
            validation: ClassifierValidation {
                stop_loss: descended.stop_loss,
                untrained_stop_loss: descended.initial_stop_loss,
                ..validation
            },
        }),
        hidden_size: settings.hidden_size,
        metrics: first.metrics().to_vec(),
        for_each_metric: false,
        layout: layouts[0].clone(),
        threshold: settings.threshold,
        training: Training {
            steps: descended.steps,
            input_sha256: input_sha256(&digests),
            ..manifest_training(
                settings,
                datasets.iter().map(LabelledDataset::dataset),
                first,
            )
        },
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        weights_sha256: String::new(),
    };
    Ok(Detector::new(manifest, &descended.weights)?)
}

/// A dense segment of a series with its labels, and where in it, as grid indices.
struct LabelledSegment<'a> {
    layout: &'a BlockLayout,
    grid: SeriesGrid,
    time_zone: TimeZone,
    /// One per slot.
    labels: Vec<bool>,
    /// Windows that weights are fitted to end here.
    fit: Range<i64>,
    /// Windows that choose when to stop end here.
    stop: Range<i64>,
}

fn lay_out<'a>(
    dataset: &LabelledDataset,
    layout: &'a BlockLayout,
) -> Result<Vec<LabelledSegment<'a>>, TrainingError> {
    let split = dataset.dataset().split();
    let index = |micros: i64| micros.div_euclid(layout.step_micros);
    let (fit_until, stop_until) = (index(split.fit_until), index(split.stop_until));
    let mut all = Vec::new();
    for (series, labels) in dataset.series() {
        let grids = lay_on_grid(series.rows(), layout).map_err(|error| TrainingError::Series {
            series: series.key.clone(),
            source: error.into(),
        })?;
        // Together the segments hold every row once, in order.
        let mut rows = labels.iter();
        for grid in grids {
            let mut labels = vec![false; grid.len()];
            for (slot, label) in grid.row_slots.iter().zip(&mut rows) {
                labels[*slot] = *label;
            }
            all.push(LabelledSegment {
                layout,
                grid,
                time_zone: series.time_zone,
                labels,
                fit: i64::MIN..fit_until,
                stop: fit_until..stop_until,
            });
        }
    }
    Ok(all)
}

/// A segment with what classifiers read of it.
struct JudgedSegment<'a> {
    segment: &'a LabelledSegment<'a>,
    features: SeriesFeatures<'a>,
    /// For each slot whether the window that ends there can be judged.
    is_judged: Vec<bool>,
}

impl<'a> JudgedSegment<'a> {
    fn new(segment: &'a LabelledSegment<'a>) -> Self {
        let features = SeriesFeatures::new(segment.layout, &segment.grid, Some(segment.time_zone));
        let mut scales = BlockScales::default();
        let is_judged = (segment.grid.first..segment.grid.end())
            .map(|index| {
                let window = Window {
                    features: &features,
                    scales: scales.at(&features, index),
                    index,
                };
                window.is_judged()
            })
            .collect();
        Self {
            segment,
            features,
            is_judged,
        }
    }

    /// The slots of a range of grid indices.
    fn slots(&self, range: &Range<i64>) -> Range<usize> {
        let grid = &self.segment.grid;
        let slot = |index: i64| (index.clamp(grid.first, grid.end()) - grid.first) as usize;
        slot(range.start)..slot(range.end)
    }
}

/// A window to learn from.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u32,
    /// Of its last row.
    slot: u32,
    is_anomalous: bool,
}

/// Draws windows of both classes.
struct Sampler<'a> {
    segments: &'a [JudgedSegment<'a>],
    /// The windows of each event, none of them empty.
    events: Vec<Vec<Place>>,
    normal: Vec<Place>,
}

impl<'a> Sampler<'a> {
    fn new(
        segments: &'a [JudgedSegment<'a>],
        range: impl Fn(&'a JudgedSegment<'a>) -> &'a Range<i64>,
    ) -> Self {
        let mut events: Vec<Vec<Place>> = Vec::new();
        let mut normal = Vec::new();
        for (number, judged) in segments.iter().enumerate() {
            let mut was_anomalous = false;
            for slot in judged.slots(range(judged)) {
                let is_anomalous = judged.segment.labels[slot];
                if is_anomalous && !was_anomalous {
                    events.push(Vec::new());
                }
                was_anomalous = is_anomalous;
                if !judged.is_judged[slot] {
                    continue;
                }
                let place = Place {
                    segment: number as u32,
                    slot: slot as u32,
                    is_anomalous,
                };
                match events.last_mut().filter(|_| is_anomalous) {
                    Some(event) => event.push(place),
                    None => normal.push(place),
                }
            }
        }
        events.retain(|event| !event.is_empty());
        Self {
            segments,
            events,
            normal,
        }
    }

    fn require_both(&self, datasets: &[LabelledDataset]) -> Result<(), TrainingError> {
        let split = |dataset: &LabelledDataset| dataset.dataset().split();
        let from = datasets.iter().map(|dataset| split(dataset).from).min();
        let until = datasets
            .iter()
            .map(|dataset| split(dataset).fit_until)
            .max();
        let (from, until) = (from.unwrap_or_default(), until.unwrap_or_default());
        if self.events.is_empty() {
            return Err(TrainingError::NoAnomalies { from, until });
        }
        if self.normal.is_empty() {
            return Err(TrainingError::OnlyAnomalies { from, until });
        }
        Ok(())
    }

    /// As many windows of either class.
    fn draw(&self, generator: &mut ChaCha8Rng) -> Vec<Place> {
        let mut places = Vec::with_capacity(2 * BATCH_OF_CLASS);
        for _ in 0..BATCH_OF_CLASS {
            let event = &self.events[generator.random_range(0..self.events.len())];
            places.push(event[generator.random_range(0..event.len())]);
            places.push(self.normal[generator.random_range(0..self.normal.len())]);
        }
        places
    }

    /// At most so many windows of either class, spread evenly; `None` where there are not both.
    fn evenly(&self, most: usize) -> Option<Vec<Place>> {
        let spread = |places: &[Place]| -> Vec<Place> {
            let wanted = most.min(places.len());
            let at = |number: usize| places[number * places.len() / wanted];
            (0..wanted).map(at).collect()
        };
        let (anomalous, normal) = (spread(&self.events.concat()), spread(&self.normal));
        let has_both = !anomalous.is_empty() && !normal.is_empty();
        has_both.then(|| [anomalous, normal].concat())
    }
}

/// Windows, `[batch_size, seq_len, metrics]`, with class and weight of each.
struct Batch {
    inputs: Tensor,
    classes: [Tensor; 2],
    /// Windows of each class.
    counts: [usize; 2],
}

impl Batch {
    /// Mean of both classes' mean cross-entropies.
    fn loss(&self, classifier: &Classifier) -> Result<Tensor, TrainingError> {
        let logits = classifier.forward(&self.inputs)?;
        let [normal, anomalous] = self.counts;
        let of_class = |first: usize, class: usize| {
            cross_entropy(
                &logits.narrow(0, first, self.counts[class])?,
                &self.classes[class],
            )
        };
        debug_assert_eq!(normal + anomalous, logits.dim(0)?, "all have a class");
        Ok(((of_class(0, 0)? + of_class(normal, 1)?)? * 0.5)?)
    }
}

/// Normal windows, then anomalous ones, of which there is one of each at least.
fn batch(segments: &[JudgedSegment<'_>], places: &[Place]) -> Result<Batch, TrainingError> {
    let (anomalous, normal): (Vec<&Place>, Vec<&Place>) =
        places.iter().partition(|place| place.is_anomalous);
    let counts = [normal.len(), anomalous.len()];
    let mut inputs = Vec::new();
    let mut shape = (places.len(), 0, 0);
    for place in normal.into_iter().chain(anomalous) {
        let JudgedSegment {
            segment, features, ..
        } = &segments[place.segment as usize];
        let index = segment.grid.first + i64::from(place.slot);
        let scales = features.scales(segment.layout.block_of(index));
        shape = (places.len(), segment.layout.lookback + 1, scales.len());
        let begin = inputs.len();
        inputs.resize(begin + shape.1 * shape.2, 0.0);
        write_window(features, index, &scales, &mut inputs[begin..]);
    }
    let class = |class: u32, count: usize| Tensor::full(class, count, &Device::Cpu);
    Ok(Batch {
        inputs: Tensor::from_vec(inputs, shape, &Device::Cpu)?,
        classes: [class(0, counts[0])?, class(1, counts[1])?],
        counts,
    })
}

struct FitBatches<'a> {
    sampler: Sampler<'a>,
    settings: &'a TrainingSettings,
}

impl Batches for FitBatches<'_> {
    type Batch = Batch;

    fn send_batches(&self, sender: &SyncSender<Result<Batch, TrainingError>>) {
        let mut generator = ChaCha8Rng::seed_from_u64(self.settings.seed);
        for _ in 0..self.settings.steps {
            let places = self.sampler.draw(&mut generator);
            let batch = batch(self.sampler.segments, &places);
            if sender.send(batch).is_err() {
                return;
            }
        }
    }
}

/// The odds of the calibration range of one series, one per row.
struct Held {
    log_odds: Vec<f64>,
    labels: Vec<bool>,
    windows_per_day: f64,
}

/// Classifies the calibration ranges as scoring would: how rare odds are in normal windows, and how
/// many of the labelled ones stand out.
fn calibrate(
    classifier: &Classifier,
    settings: &TrainingSettings,
    datasets: &[LabelledDataset],
    layouts: &[BlockLayout],
) -> Result<(Tail, ClassifierValidation), TrainingError> {
    let predictor = ClassifierPredictor::new(classifier)?;
    let mut held = Vec::new();
    for (dataset, layout) in datasets.iter().zip(layouts) {
        let stop_until = dataset.dataset().split().stop_until;
        let series: Vec<_> = dataset.series().collect();
        let of_series: Vec<Held> = series
            .into_par_iter()
            .map(|(series, labels)| {
                let times = &series.window_start;
                let first_row = times.partition_point(|&time| time < stop_until);
                let rows = series.rows();
                let mut odds = classify(&predictor, layout, &[Part { rows, first_row }]).map_err(
                    |source| TrainingError::Series {
                        series: series.key.clone(),
                        source,
                    },
                )?;
                let windows = odds.swap_remove(0).windows;
                let log_odds = windows[first_row..]
                    .iter()
                    .map(|window| window.map_or(f64::NAN, |window| window.log_odds));
                Ok(Held {
                    log_odds: log_odds.collect(),
                    labels: labels[first_row..].to_vec(),
                    windows_per_day: DAY_MICROS / layout.step_micros as f64,
                })
            })
            .collect::<Result<_, TrainingError>>()?;
        held.extend(of_series);
    }
    let (normal, days) = normal_odds(&held);
    let found = normal.iter().filter(|odds| !odds.is_nan()).count();
    let tail = Tail::of_log_odds(&normal, days).filter(|_| found >= MIN_CALIBRATION_WINDOWS);
    let tail = tail.ok_or(TrainingError::TooLittleData {
        range: "calibration",
        found,
        needed: MIN_CALIBRATION_WINDOWS,
    })?;
    let rate = settings.threshold.rate(layouts[0].step_micros);
    let threshold = tail.excess_at(tail.p_at_rate(rate));
    let reaches = |odds: &f64| Tail::odds_excess(*odds) >= threshold;
    let anomalous = held.iter().flat_map(|held| {
        let windows = held.log_odds.iter().zip(&held.labels);
        windows.filter(|(odds, label)| **label && !odds.is_nan())
    });
    let validation = ClassifierValidation {
        windows: held.iter().map(Held::judged).sum(),
        anomalous: anomalous.clone().count(),
        found: anomalous.filter(|(odds, _)| reaches(odds)).count(),
        false_alarms: normal.iter().filter(|odds| reaches(odds)).count(),
        stop_loss: None,
        untrained_stop_loss: None,
    };
    Ok((tail, validation))
}

impl Held {
    fn judged(&self) -> usize {
        self.log_odds.iter().filter(|odds| !odds.is_nan()).count()
    }
}

/// The odds of windows that are neither labelled nor so close to one that an alarm there would be
/// the same, series after series, and the days that they cover. Series are so far apart that no
/// alarm reaches from one into the next.
fn normal_odds(held: &[Held]) -> (Vec<f64>, f64) {
    let mut normal = Vec::new();
    let mut days = 0.0;
    for held in held {
        let begin = normal.len();
        normal.extend(&held.log_odds);
        let labelled = held.labels.iter().enumerate().filter(|(_, label)| **label);
        for (row, _) in labelled {
            let first = begin + row.saturating_sub(MERGE);
            let last = (begin + row + MERGE).min(normal.len() - 1);
            normal[first..=last].fill(f64::NAN);
        }
        normal.extend([f64::NAN; MERGE]);
        days += held.log_odds.len() as f64 / held.windows_per_day;
    }
    (normal, days)
}

#[cfg(test)]
mod tests;
