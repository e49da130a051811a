//! The optimiser loop: `AdamW` on random chunks, Laplace likelihood, best weights on the stopping
//! ranges.

use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anomalog_udfs::features::{InputWriter, Scale, SeriesFeatures};
use anomalog_udfs::layout::BlockLayout;
use anomalog_udfs::models::init::{sorted_variables, trainable};
use anomalog_udfs::models::likelihood::laplace_loss;
use anomalog_udfs::models::{Forecaster, ForecasterConfig};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::optimiser::ClippedAdamW;
use super::{StepReport, TrainingError, Weights};

/// Chunks per batch.
const BATCH_SIZE: usize = 64;
/// Peak learning rate of the cosine schedule.
const LEARNING_RATE: f64 = 3e-3;
/// Steps of a chunk that carry no loss: the state has yet to settle.
const BURN_IN: usize = 20;
/// Optimiser steps between measurements on the stopping range, at least …
const STOP_INTERVAL: usize = 20;
/// … and measurements in a whole training, at most.
const STOP_MEASUREMENTS: usize = 20;
/// Measurements without improvement after which training ends.
const PATIENCE: usize = 6;
/// Batches cut before they are wanted.
const BATCHES_AHEAD: usize = 2;
/// Chunks of the stopping range that are measured, at most.
const STOP_CHUNKS: usize = 128;

/// Trained weights.
pub(super) struct Fitted {
    pub(super) forecaster: Forecaster,
    pub(super) weights: Weights,
    pub(super) steps: usize,
    pub(super) stop_loss: f64,
    pub(super) initial_stop_loss: f64,
}

/// A stretch of a series to learn from, and where in it, as grid indices.
#[derive(Debug)]
pub(super) struct Lesson<'a> {
    pub(super) features: SeriesFeatures<'a>,
    /// Targets that weights are fitted to lie here.
    pub(super) fit: Range<i64>,
    /// Targets that choose when to stop lie here.
    pub(super) stop: Range<i64>,
}

/// How to fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct FitSettings<'a> {
    /// Optimiser steps at most.
    pub(super) steps: usize,
    /// Seed of weights and batches.
    pub(super) seed: u64,
    /// Weights to begin with; new ones without.
    pub(super) initial: Option<&'a Weights>,
}

/// Fits a forecaster to the fit ranges; keeps the weights that did best on the stopping ranges.
///
/// All layouts have the same number of steps.
pub(super) fn fit(
    settings: FitSettings<'_>,
    lessons: &[Lesson<'_>],
    config: &ForecasterConfig,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Fitted, TrainingError> {
    let fit_chunks = Chunks::new(lessons, |lesson| &lesson.fit);
    let stop_chunks = Chunks::new(lessons, |lesson| &lesson.stop);
    fit_chunks.require("fit")?;
    stop_chunks.require("stopping")?;

    let map = trainable(config, settings.seed)?;
    let forecaster = Forecaster::new(
        config,
        VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu),
    )?;
    let variables = sorted_variables(&map);
    if let Some(initial) = settings.initial {
        set(&variables, initial)?;
    }
    let mut optimiser = ClippedAdamW::new(variables.iter().map(|(_, var)| var.clone()).collect())?;

    let stop_batches = stop_chunks.even_batches(STOP_CHUNKS, config)?;
    let initial_stop_loss = mean_loss(&forecaster, &stop_batches)?;
    let mut best = Best::new(initial_stop_loss, &variables)?;
    let interval = STOP_INTERVAL.max(settings.steps / STOP_MEASUREMENTS);
    let steps = thread::scope(|scope| {
        // The next batches are cut while the optimiser works on the last.
        let (sender, batches) = sync_channel(BATCHES_AHEAD);
        scope.spawn(move || fit_chunks.send_batches(settings, config, &sender));
        let mut steps = 0;
        for batch in batches {
            let rate = learning_rate(steps, settings.steps);
            let loss = batch?.loss(&forecaster)?;
            let value = f64::from(loss.to_scalar::<f32>()?);
            steps += 1;
            if !value.is_finite() {
                return Err(TrainingError::Diverged {
                    step: steps,
                    loss: value,
                });
            }
            optimiser.step(&loss, rate)?;
            if steps % interval == 0 || steps == settings.steps {
                best.measure(mean_loss(&forecaster, &stop_batches)?, &variables)?;
            }
            progress(StepReport {
                step: steps,
                steps: settings.steps,
                loss: value,
                stop_loss: best.latest,
            });
            if best.stale >= PATIENCE {
                break;
            }
        }
        Ok(steps)
    })?;
    best.restore(&variables)?;
    let weights = best.weights.into_iter().collect();
    Ok(Fitted {
        forecaster,
        weights,
        steps,
        stop_loss: best.loss,
        initial_stop_loss,
    })
}

/// Sets every variable to the weights of its name.
fn set(variables: &[(String, Var)], weights: &Weights) -> Result<(), TrainingError> {
    for (name, variable) in variables {
        let Some(weights) = weights.get(name) else {
            return Err(candle_core::Error::CannotFindTensor { path: name.clone() }.into());
        };
        variable.set(weights)?;
    }
    Ok(())
}

/// Cosine decay from the peak to zero.
fn learning_rate(step: usize, steps: usize) -> f64 {
    let done = step as f64 / steps.max(1) as f64;
    LEARNING_RATE * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// The weights that did best so far.
struct Best {
    loss: f64,
    latest: f64,
    stale: usize,
    weights: Vec<(String, Tensor)>,
}

impl Best {
    fn new(loss: f64, variables: &[(String, Var)]) -> Result<Self, TrainingError> {
        Ok(Self {
            loss,
            latest: loss,
            stale: 0,
            weights: copy(variables)?,
        })
    }

    fn measure(&mut self, loss: f64, variables: &[(String, Var)]) -> Result<(), TrainingError> {
        self.latest = loss;
        if loss < self.loss {
            self.loss = loss;
            self.stale = 0;
            self.weights = copy(variables)?;
        } else {
            self.stale += 1;
        }
        Ok(())
    }

    fn restore(&self, variables: &[(String, Var)]) -> Result<(), TrainingError> {
        for ((_, variable), (_, weights)) in variables.iter().zip(&self.weights) {
            variable.set(weights)?;
        }
        Ok(())
    }
}

fn copy(variables: &[(String, Var)]) -> Result<Vec<(String, Tensor)>, TrainingError> {
    variables
        .iter()
        .map(|(name, variable)| Ok((name.clone(), variable.as_tensor().copy()?)))
        .collect()
}

/// Inputs `[batch_size, seq_len, features]`, targets and mask `[batch_size, seq_len, targets]`.
struct Batch {
    inputs: Tensor,
    targets: Tensor,
    mask: Tensor,
}

impl Batch {
    fn loss(&self, forecaster: &Forecaster) -> Result<Tensor, TrainingError> {
        let forecast = forecaster.forward(&self.inputs)?;
        Ok(laplace_loss(&forecast, &self.targets, &self.mask)?)
    }
}

fn mean_loss(forecaster: &Forecaster, batches: &[Batch]) -> Result<f64, TrainingError> {
    let mut sum = 0.0;
    for batch in batches {
        sum += f64::from(batch.loss(forecaster)?.to_scalar::<f32>()?);
    }
    Ok(sum / batches.len() as f64)
}

/// Places in the lessons from which chunks can be cut.
struct Chunks<'a> {
    /// Features of each lesson, and the grid indices that targets may lie in.
    lessons: Vec<(&'a SeriesFeatures<'a>, &'a Range<i64>)>,
    /// Per place: lesson, first and one past the last possible block start.
    places: Vec<(usize, i64, i64)>,
}

impl<'a> Chunks<'a> {
    fn new(lessons: &'a [Lesson<'a>], range: impl Fn(&'a Lesson<'a>) -> &'a Range<i64>) -> Self {
        let lessons: Vec<_> = lessons
            .iter()
            .map(|lesson| (&lesson.features, range(lesson)))
            .collect();
        let place = |(number, (features, range)): (usize, &(&SeriesFeatures<'_>, &Range<i64>))| {
            let (grid, layout) = (features.grid(), features.layout());
            let first = (grid.first + layout.lookback as i64).max(range.start);
            let end = grid.end().min(range.end) - layout.block as i64 + 1;
            (first < end).then_some((number, first, end))
        };
        let places = lessons.iter().enumerate().filter_map(place).collect();
        Self { lessons, places }
    }

    fn require(&self, range: &'static str) -> Result<(), TrainingError> {
        if self.places.is_empty() {
            let layout = self.lessons.first().map(|(features, _)| features.layout());
            return Err(TrainingError::TooLittleData {
                range,
                found: 0,
                needed: layout.map_or(0, BlockLayout::sequence_length),
            });
        }
        Ok(())
    }

    fn count(&self) -> i64 {
        self.places.iter().map(|(_, first, end)| end - first).sum()
    }

    /// The n-th of [`Self::count`] chunks: lesson and block start.
    fn chunk(&self, mut number: i64) -> (usize, i64) {
        for &(lesson, first, end) in &self.places {
            if number < end - first {
                return (lesson, first + number);
            }
            number -= end - first;
        }
        let &(lesson, _, end) = self.places.last().expect("`require` found a place");
        (lesson, end - 1)
    }

    /// One batch per step, of chunks drawn uniformly over all places, until none is wanted.
    fn send_batches(
        &self,
        settings: FitSettings<'_>,
        config: &ForecasterConfig,
        sender: &SyncSender<Result<Batch, TrainingError>>,
    ) {
        let mut generator = ChaCha8Rng::seed_from_u64(settings.seed);
        let count = self.count();
        for _ in 0..settings.steps {
            let chunks: Vec<_> = (0..BATCH_SIZE)
                .map(|_| self.chunk(generator.random_range(0..count)))
                .collect();
            if sender.send(self.batch(&chunks, config)).is_err() {
                return;
            }
        }
    }

    /// At most so many chunks spread evenly over all places, in batches.
    fn even_batches(
        &self,
        most: usize,
        config: &ForecasterConfig,
    ) -> Result<Vec<Batch>, TrainingError> {
        let count = self.count();
        let wanted = (most as i64).min(count);
        let chunks: Vec<_> = (0..wanted)
            .map(|number| self.chunk(number * count / wanted))
            .collect();
        chunks
            .chunks(BATCH_SIZE)
            .map(|chunks| self.batch(chunks, config))
            .collect()
    }

    fn batch(
        &self,
        chunks: &[(usize, i64)],
        config: &ForecasterConfig,
    ) -> Result<Batch, TrainingError> {
        let first = chunks.first().map(|(lesson, _)| self.lessons[*lesson].0);
        let steps = first.map_or(0, |features| features.layout().sequence_length());
        let mut inputs = vec![0.0; chunks.len() * steps * config.features];
        let mut targets = vec![0.0; chunks.len() * steps * config.targets];
        let mut mask = vec![0.0; targets.len()];
        let mut writer = InputWriter::default();
        for (chunk, &(lesson, start)) in chunks.iter().enumerate() {
            let (features, range) = self.lessons[lesson];
            let scales = features.scales(start);
            let size = steps * config.features;
            writer.write(
                features,
                start,
                &scales,
                &mut inputs[chunk * size..(chunk + 1) * size],
            );
            let size = steps * config.targets;
            let place = chunk * size..(chunk + 1) * size;
            write_targets(
                features,
                range,
                start,
                &scales,
                &mut targets[place.clone()],
                &mut mask[place],
            );
        }
        let tensor =
            |values, width| Tensor::from_vec(values, (chunks.len(), steps, width), &Device::Cpu);
        Ok(Batch {
            inputs: tensor(inputs, config.features)?,
            targets: tensor(targets, config.targets)?,
            mask: tensor(mask, config.targets)?,
        })
    }
}

/// Targets metric by metric, each with all horizons; masked where unknown, out of range or in the
/// burn-in.
fn write_targets(
    features: &SeriesFeatures<'_>,
    range: &Range<i64>,
    start: i64,
    scales: &[Option<Scale>],
    targets: &mut [f32],
    mask: &mut [f32],
) {
    let layout = features.layout();
    let horizons = &layout.horizons;
    let width = scales.len() * horizons.len();
    let origin = start - layout.lookback as i64 - 1;
    for step in BURN_IN..layout.sequence_length() {
        let index = origin + step as i64;
        for (metric, scale) in scales.iter().enumerate() {
            for (number, &horizon) in horizons.iter().enumerate() {
                let target = features.target(metric, index, horizon, *scale);
                let is_known = target.is_finite() && range.contains(&(index + horizon as i64));
                if is_known {
                    let place = step * width + metric * horizons.len() + number;
                    targets[place] = target as f32;
                    mask[place] = 1.0;
                }
            }
        }
    }
}
