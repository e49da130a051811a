//! A gating network goes on learning from what people say of its alarms.
//!
//! A few windows are labelled: what was an anomaly, and what was called one and is none. All others
//! teach the network to say what it said before, of the traffic as it is and of copies with stretches
//! that are missing, halved or multiplied; so it forgets nothing of what an anomaly looks like. What was
//! said before is weighed against labels as in distillation (Hinton, Vinyals & Dean 2015; Li & Hoiem 2016).
//!
//! ```text
//! series ──evidence──▶ tracks ──┬─ labelled chunks ──▶ cross-entropy ─┐
//!    └─shaken──evidence──▶ tracks ─ other chunks ────▶ as before ─────┴─▶ weights
//! ```

use std::ops::Range;

use anomalog_engine::detector::{Detector, Gating, Manifest, Objective};
use anomalog_engine::evidence::{EvidenceExtractor, INPUTS};
use anomalog_engine::network::init::sorted_variables;
use anomalog_engine::network::{GatingNetwork, NetworkConfig};
use anomalog_engine::series::blocks::BlockLayout;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::dataset::{Dataset, Series};
use super::descent::StepReport;
use super::error::TrainingError;
use super::optimiser::ClippedAdamW;
use super::provenance::manifest_training;
use super::settings::TrainingSettings;

/// Labelled chunks of a step, and others.
const LABELLED: usize = 16;
const OTHERS: usize = 32;
/// Peak of the learning rate, which falls by a half cosine.
const LEARNING_RATE: f64 = 2e-3;
/// The weight of what was said before, beside that of labels.
const BEFORE: f64 = 4.0;
/// Log-odds beyond so much, either way, hardly matter.
const SURE: f64 = 4.0;
/// The power where the network is sure that nothing is wrong: what people said is none must be no alarm, how
/// far out it may be.
const VETO: f64 = 0.02;
/// Windows from one shaken stretch to the next, and its lengths.
const APART: Range<usize> = 60..400;
const LENGTHS: Range<usize> = 1..60;
/// What shaken windows are multiplied by.
const FACTORS: [f64; 7] = [0.0, 0.3, 0.5, 1.5, 2.0, 4.0, 8.0];

/// Rows, of which some are labelled.
#[derive(Debug, Clone)]
pub struct Feedback {
    /// The rows.
    pub dataset: Dataset,
    /// For each series of it one label per row: whether it is an anomaly, or `None` where nobody said.
    pub labels: Vec<Vec<Option<bool>>>,
}

/// Trains the network of a gated detector on labels; the detector that comes of it serves the metrics and
/// the step of the rows.
///
/// The same settings and rows give the same weights, bit for bit, on the same machine.
///
/// # Errors
/// When the source has no gate, no row is labelled, or the loss diverges.
pub fn tune_gate(
    settings: &TrainingSettings,
    source: &Detector,
    feedback: &Feedback,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Detector, TrainingError> {
    let Some((gate, &gating)) = source.gating() else {
        return Err(TrainingError::NoGate {
            detector: source.manifest().id(),
        });
    };
    let dataset = &feedback.dataset;
    let layout = BlockLayout::for_gate(dataset.step_micros(), dataset.resolutions());
    let map = variables_of(source)?;
    let config = source.manifest().gate_config(&gating);
    let network = config.network(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu))?;
    let mut tracks = Tracks::new(feedback, &layout, settings.seed);
    tracks.forecast_with(gate.network)?;
    let labelled = tracks.labelled();
    if labelled.is_empty() {
        return Err(TrainingError::NoLabelledRow);
    }
    let variables = sorted_variables(&map);
    let optimised = variables.iter().map(|(_, variable)| variable.clone());
    let mut optimiser = ClippedAdamW::new(optimised.collect())?;
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    for step in 0..settings.steps {
        let batch = tracks.batch(&labelled, &mut random)?;
        let loss = batch.loss(&network)?;
        let found = f64::from(loss.to_scalar::<f32>()?);
        if !found.is_finite() {
            return Err(TrainingError::Diverged { step, loss: found });
        }
        let done = step as f64 / settings.steps as f64;
        optimiser.step(
            &loss,
            LEARNING_RATE * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        )?;
        progress(StepReport {
            step: step + 1,
            steps: settings.steps,
            loss: found,
            stop_loss: None,
        });
    }
    let weights = variables
        .into_iter()
        .map(|(name, variable)| (name, variable.as_tensor().detach()))
        .collect();
    let mut training = manifest_training(settings, std::iter::once(dataset), dataset);
    training.steps = settings.steps;
    training.began_with = Some(source.manifest().id());
    training.input_sha256 = feedback.sha256();
    let manifest = Manifest {
        name: settings.name.clone(),
        version: 0,
        objective: Objective::Gate(Gating {
            floor: gating.floor.min(VETO),
            ..gating
        }),
        metrics: dataset.metrics().to_vec(),
        layout,
        threshold: settings.threshold,
        training,
        ..source.manifest().clone()
    };
    Ok(Detector::new(manifest, &weights)?)
}

impl Feedback {
    fn sha256(&self) -> String {
        let mut text = self.dataset.sha256();
        text.extend(self.labels.iter().flatten().map(|label| match label {
            Some(true) => '1',
            Some(false) => '0',
            None => ' ',
        }));
        anomalog_engine::detector::hex_sha256(text.as_bytes())
    }
}

/// The weights of a detector as variables of their own.
fn variables_of(source: &Detector) -> Result<VarMap, TrainingError> {
    let map = VarMap::new();
    let mut variables = map.data().lock().expect("nobody else has the map");
    for (name, tensor) in source.tensors()? {
        variables.insert(name, Var::from_tensor(&tensor)?);
    }
    drop(variables);
    Ok(map)
}

/// The known windows of one metric of a series, in order.
struct Track {
    /// [`INPUTS`] a window.
    inputs: Vec<f32>,
    labels: Vec<Option<bool>>,
    /// What the network said before.
    before: Vec<f32>,
    /// Series of the metric: those of one are judged together.
    series: usize,
}

impl Track {
    fn len(&self) -> usize {
        self.labels.len()
    }

    /// The windows of each label, one after the other.
    fn runs(&self) -> Vec<(Range<usize>, bool)> {
        let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
        for (window, label) in self.labels.iter().enumerate() {
            let Some(label) = *label else { continue };
            match runs.last_mut() {
                Some((run, other)) if run.end == window && *other == label => run.end += 1,
                _ => runs.push((window..window + 1, label)),
            }
        }
        runs
    }
}

/// Where a chunk begins.
#[derive(Debug, Clone, Copy)]
struct Place {
    track: usize,
    start: usize,
}

/// A run of windows with one label.
#[derive(Debug, Clone)]
struct LabelledRun {
    track: usize,
    windows: Range<usize>,
    label: bool,
}

struct Tracks {
    all: Vec<Track>,
    /// Windows of a chunk, and the first of them, of which nothing is asked.
    chunk: usize,
    unasked: usize,
}

impl Tracks {
    fn new(feedback: &Feedback, layout: &BlockLayout, seed: u64) -> Self {
        let metrics = layout.metrics();
        let series = feedback.dataset.series();
        let jobs: Vec<(usize, usize, bool)> = (0..series.len())
            .flat_map(|of| {
                (0..metrics).flat_map(move |metric| [false, true].map(|s| (of, metric, s)))
            })
            .collect();
        let tracks = jobs.par_iter().map(|&(of, metric, is_shaken)| {
            let labels = &feedback.labels[of];
            let seed = seed
                .wrapping_mul(31)
                .wrapping_add((of * metrics + metric) as u64);
            let mut track = track(
                &series[of],
                labels,
                layout,
                metric,
                is_shaken.then_some(seed),
            );
            track.series = of;
            track
        });
        let chunk = layout.sequence_length();
        let mut all: Vec<Track> = tracks.collect();
        all.retain(|track| track.len() >= chunk);
        Self {
            all,
            chunk,
            unasked: layout.lookback,
        }
    }

    fn forecast_with(&mut self, network: &GatingNetwork) -> Result<(), TrainingError> {
        let (chunk, unasked) = (self.chunk, self.unasked);
        let asked = chunk - unasked;
        for track in &mut self.all {
            track.before = vec![0.0; track.len()];
            let last = track.len() - chunk;
            let starts: Vec<usize> = (0..last).step_by(asked).chain([last]).collect();
            for starts in starts.chunks(64) {
                let mut inputs: Vec<f32> = Vec::with_capacity(starts.len() * chunk * INPUTS);
                for &start in starts {
                    inputs.extend(&track.inputs[start * INPUTS..(start + chunk) * INPUTS]);
                }
                let shape = (starts.len(), chunk, INPUTS);
                let inputs = Tensor::from_vec(inputs, shape, &Device::Cpu)?;
                let odds = network.forward(&inputs)?.detach().to_vec2::<f32>()?;
                for (&start, odds) in starts.iter().zip(odds) {
                    let first = if start == 0 { 0 } else { unasked };
                    track.before[start + first..start + chunk].copy_from_slice(&odds[first..]);
                }
            }
        }
        Ok(())
    }

    /// The labelled runs: what is no anomaly is none in every metric, what is one is one in the metric
    /// that showed it most.
    fn labelled(&self) -> Vec<LabelledRun> {
        let mut labelled: Vec<LabelledRun> = Vec::new();
        // By series and first window, the log-odds of the metric that shows an anomaly most.
        let mut shown: Vec<(usize, usize, f32)> = Vec::new();
        for (number, track) in self.all.iter().enumerate() {
            for (windows, label) in track.runs() {
                let most = track.before[windows.clone()]
                    .iter()
                    .copied()
                    .fold(f32::NEG_INFINITY, f32::max);
                let key = (track.series, windows.start);
                let run = LabelledRun {
                    track: number,
                    windows,
                    label,
                };
                let same = shown.iter().position(|one| (one.0, one.1) == key && label);
                match same {
                    Some(at) if shown[at].2 >= most => {}
                    Some(at) => {
                        shown[at].2 = most;
                        let is_same = |other: &LabelledRun| {
                            other.label
                                && self.all[other.track].series == key.0
                                && other.windows.start == key.1
                        };
                        if let Some(other) = labelled.iter_mut().find(|other| is_same(other)) {
                            *other = run;
                        }
                    }
                    None => {
                        if label {
                            shown.push((key.0, key.1, most));
                        }
                        labelled.push(run);
                    }
                }
            }
        }
        labelled
    }

    fn batch(
        &self,
        labelled: &[LabelledRun],
        random: &mut ChaCha8Rng,
    ) -> Result<Batch, TrainingError> {
        let mut places = Vec::with_capacity(LABELLED + OTHERS);
        let of_label = |label: bool| -> Vec<&LabelledRun> {
            labelled.iter().filter(|run| run.label == label).collect()
        };
        let both = [of_label(false), of_label(true)];
        for number in 0..LABELLED {
            let runs = &both[number % 2];
            let runs = if runs.is_empty() {
                &both[1 - number % 2]
            } else {
                runs
            };
            let run = runs[random.random_range(0..runs.len())];
            let window = random.random_range(run.windows.clone());
            let at = random.random_range(self.unasked..self.chunk);
            let last = self.all[run.track].len() - self.chunk;
            places.push(Place {
                track: run.track,
                start: window.saturating_sub(at).min(last),
            });
        }
        for _ in 0..OTHERS {
            let track = random.random_range(0..self.all.len());
            let last = self.all[track].len() - self.chunk;
            let start = random.random_range(0..=last);
            places.push(Place { track, start });
        }
        self.of_places(&places)
    }

    fn of_places(&self, places: &[Place]) -> Result<Batch, TrainingError> {
        let windows = places.len() * self.chunk;
        let mut inputs: Vec<f32> = Vec::with_capacity(windows * INPUTS);
        let mut columns: [Vec<f32>; 4] = Default::default();
        for (number, place) in places.iter().enumerate() {
            let track = &self.all[place.track];
            let chunk = place.start..place.start + self.chunk;
            inputs.extend(&track.inputs[chunk.start * INPUTS..chunk.end * INPUTS]);
            for (at, window) in chunk.enumerate() {
                let is_asked = at >= self.unasked;
                let label = track.labels[window].filter(|_| is_asked && number < LABELLED);
                let is_other = is_asked && track.labels[window].is_none();
                let values = [
                    f32::from(u8::from(label == Some(true))),
                    f32::from(u8::from(label.is_some())),
                    track.before[window],
                    f32::from(u8::from(is_other)),
                ];
                for (column, value) in columns.iter_mut().zip(values) {
                    column.push(value);
                }
            }
        }
        let shape = (places.len(), self.chunk);
        let tensor = |values: Vec<f32>| Tensor::from_vec(values, shape, &Device::Cpu);
        let [labels, labelled, before, others] = columns;
        Ok(Batch {
            inputs: Tensor::from_vec(inputs, (places.len(), self.chunk, INPUTS), &Device::Cpu)?,
            labels: tensor(labels)?,
            labelled: tensor(labelled)?,
            before: tensor(before)?,
            others: tensor(others)?,
        })
    }
}

/// The evidence of one metric of a series, as it is or shaken.
fn track(
    series: &Series,
    labels: &[Option<bool>],
    layout: &BlockLayout,
    metric: usize,
    shaken_by: Option<u64>,
) -> Track {
    let mut values = series.metrics[metric].clone();
    if let Some(seed) = shaken_by {
        shake(&mut values, labels, layout.resolutions[metric], seed);
    }
    let mut extractor = EvidenceExtractor::new(
        layout.step_micros,
        layout.resolutions[metric],
        series.time_zone,
    );
    let mut track = Track {
        inputs: Vec::new(),
        labels: Vec::new(),
        before: Vec::new(),
        series: 0,
    };
    for ((&start, value), label) in series.window_start.iter().zip(values).zip(labels) {
        let value = if value.is_finite() { value } else { f64::NAN };
        let index = start.div_euclid(layout.step_micros);
        if let Some(inputs) = extractor.push(index, value) {
            track.inputs.extend(inputs);
            // What was changed is not what people saw.
            track.labels.push(label.filter(|_| shaken_by.is_none()));
        }
    }
    track
}

/// Changes stretches of windows that nobody labelled.
fn shake(values: &mut [f64], labels: &[Option<bool>], resolution: f64, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut at = random.random_range(APART);
    while at < values.len() {
        let end = (at + random.random_range(LENGTHS)).min(values.len());
        let factor = FACTORS[random.random_range(0..FACTORS.len())];
        if labels[at..end].iter().all(Option::is_none) {
            for value in &mut values[at..end] {
                *value *= factor;
                if resolution > 0.0 {
                    *value = (*value / resolution).round() * resolution;
                }
            }
        }
        at = end + random.random_range(APART);
    }
}

struct Batch {
    inputs: Tensor,
    /// 1 for an anomaly.
    labels: Tensor,
    /// 1 where labels count.
    labelled: Tensor,
    before: Tensor,
    /// 1 where what was said before counts.
    others: Tensor,
}

impl Batch {
    fn loss(&self, network: &GatingNetwork) -> candle_core::Result<Tensor> {
        let odds = network.forward(&self.inputs)?;
        let labelled = mean(&cross_entropy(&odds, &self.labels)?, &self.labelled)?;
        let said = |odds: &Tensor| (odds / SURE)?.tanh();
        let change = (said(&odds)? - said(&self.before)?)?.sqr()?;
        labelled + (mean(&change, &self.others)? * BEFORE)?
    }
}

/// The cross-entropy of log-odds with labels, 1 for an anomaly, in nats, at every place.
///
/// # Errors
/// When shapes differ.
pub fn cross_entropy(log_odds: &Tensor, labels: &Tensor) -> candle_core::Result<Tensor> {
    let certain = log_odds.relu()?;
    let softness = (log_odds.abs()?.neg()?.exp()? + 1.0)?.log()?;
    (certain - (log_odds * labels)?)? + softness
}

/// The mean over places that count; 0 where none does.
fn mean(of: &Tensor, counts: &Tensor) -> candle_core::Result<Tensor> {
    let total = counts.sum_all()?.to_scalar::<f32>()?;
    (of * counts)?.sum_all()? / f64::from(total.max(1.0))
}
