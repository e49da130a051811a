//! The optimiser loop: `AdamW` on random chunks, Laplace likelihood, best weights on the stopping
//! range.

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anomalog_udfs::features::{InputWriter, Scale, SeriesFeatures};
use anomalog_udfs::layout::BlockLayout;
use anomalog_udfs::models::init::{sorted_variables, trainable};
use anomalog_udfs::models::likelihood::laplace_loss;
use anomalog_udfs::models::{Forecaster, ForecasterConfig};
use anomalog_udfs::series::{SeriesGrid, lay_on_grid};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::dataset::Dataset;
use super::optimiser::ClippedAdamW;
use super::{StepReport, TrainingError, TrainingSettings};

/// Chunks per batch.
const BATCH_SIZE: usize = 64;
/// Peak learning rate of the cosine schedule.
const LEARNING_RATE: f64 = 3e-3;
/// Steps of a chunk that carry no loss: the state has yet to settle.
const BURN_IN: usize = 20;
/// Optimiser steps between measurements on the stopping range.
const STOP_INTERVAL: usize = 20;
/// Measurements without improvement after which training ends.
const PATIENCE: usize = 6;
/// Batches cut before they are wanted.
const BATCHES_AHEAD: usize = 2;
/// Chunks of the stopping range that are measured, at most.
const STOP_CHUNKS: usize = 128;

/// Trained weights.
pub(super) struct Fitted {
    pub(super) forecaster: Forecaster,
    pub(super) weights: HashMap<String, Tensor>,
    pub(super) steps: usize,
    pub(super) stop_loss: f64,
    pub(super) untrained_stop_loss: f64,
}

/// Fits a forecaster to the fit range; keeps the weights that did best on the stopping range.
pub(super) fn fit(
    settings: &TrainingSettings,
    dataset: &Dataset,
    layout: &BlockLayout,
    config: &ForecasterConfig,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Fitted, TrainingError> {
    let grids = lay_out(dataset, layout)?;
    let features: Vec<_> = grids
        .iter()
        .map(|grid| SeriesFeatures::new(layout, grid, true))
        .collect();
    let split = dataset.split();
    let index = |micros: i64| micros.div_euclid(layout.step_micros);
    let fit_chunks = Chunks::new(&features, layout, i64::MIN, index(split.fit_until));
    let stop_chunks = Chunks::new(
        &features,
        layout,
        index(split.fit_until),
        index(split.stop_until),
    );
    fit_chunks.require("fit", layout)?;
    stop_chunks.require("stopping", layout)?;

    let map = trainable(config, settings.seed)?;
    let forecaster = Forecaster::new(
        config,
        VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu),
    )?;
    let variables = sorted_variables(&map);
    let mut optimiser = ClippedAdamW::new(variables.iter().map(|(_, var)| var.clone()).collect())?;

    let stop_batches = stop_chunks.even_batches(STOP_CHUNKS, config)?;
    let untrained_stop_loss = mean_loss(&forecaster, &stop_batches)?;
    let mut best = Best::new(untrained_stop_loss, &variables)?;
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
            if steps % STOP_INTERVAL == 0 || steps == settings.steps {
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
        untrained_stop_loss,
    })
}

fn lay_out(dataset: &Dataset, layout: &BlockLayout) -> Result<Vec<SeriesGrid>, TrainingError> {
    let mut grids = Vec::new();
    for series in dataset.series() {
        let stretches = lay_on_grid(series.rows(), layout);
        grids.extend(stretches.map_err(|error| TrainingError::Series {
            series: series.key.clone(),
            source: error.into(),
        })?);
    }
    Ok(grids)
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

/// Places in a range from which chunks can be cut.
struct Chunks<'a> {
    layout: &'a BlockLayout,
    features: &'a [SeriesFeatures<'a>],
    /// Grid indices that targets may lie in.
    range: std::ops::Range<i64>,
    /// Per place: series, first and one past the last possible block start.
    places: Vec<(usize, i64, i64)>,
}

impl<'a> Chunks<'a> {
    fn new(
        features: &'a [SeriesFeatures<'a>],
        layout: &'a BlockLayout,
        from: i64,
        until: i64,
    ) -> Self {
        let block = layout.block as i64;
        let places = features
            .iter()
            .enumerate()
            .filter_map(|(series, features)| {
                let grid = features.grid();
                let first = (grid.first + layout.lookback as i64).max(from);
                let end = grid.end().min(until) - block + 1;
                (first < end).then_some((series, first, end))
            })
            .collect();
        Self {
            layout,
            features,
            range: from..until,
            places,
        }
    }

    fn require(&self, range: &'static str, layout: &BlockLayout) -> Result<(), TrainingError> {
        if self.places.is_empty() {
            let needed = layout.sequence_length();
            return Err(TrainingError::TooLittleData {
                range,
                found: 0,
                needed,
            });
        }
        Ok(())
    }

    fn count(&self) -> i64 {
        self.places.iter().map(|(_, first, end)| end - first).sum()
    }

    /// The n-th of [`Self::count`] chunks: series and block start.
    fn chunk(&self, mut number: i64) -> (usize, i64) {
        for &(series, first, end) in &self.places {
            if number < end - first {
                return (series, first + number);
            }
            number -= end - first;
        }
        let &(series, _, end) = self.places.last().expect("`require` found a place");
        (series, end - 1)
    }

    /// One batch per step, of chunks drawn uniformly over all places, until none is wanted.
    fn send_batches(
        &self,
        settings: &TrainingSettings,
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
        let steps = self.layout.sequence_length();
        let mut inputs = vec![0.0; chunks.len() * steps * config.features];
        let mut targets = vec![0.0; chunks.len() * steps * config.targets];
        let mut mask = vec![0.0; targets.len()];
        let mut writer = InputWriter::default();
        for (chunk, &(series, start)) in chunks.iter().enumerate() {
            let features = &self.features[series];
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
            self.write_targets(
                features,
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

    /// Targets metric by metric, each with all horizons; masked where unknown, out of range or in
    /// the burn-in.
    fn write_targets(
        &self,
        features: &SeriesFeatures<'_>,
        start: i64,
        scales: &[Option<Scale>],
        targets: &mut [f32],
        mask: &mut [f32],
    ) {
        let horizons = &self.layout.horizons;
        let width = scales.len() * horizons.len();
        let origin = start - self.layout.lookback as i64 - 1;
        for step in BURN_IN..self.layout.sequence_length() {
            let index = origin + step as i64;
            for (metric, scale) in scales.iter().enumerate() {
                for (number, &horizon) in horizons.iter().enumerate() {
                    let target = features.target(metric, index, horizon, *scale);
                    let is_known =
                        target.is_finite() && self.range.contains(&(index + horizon as i64));
                    if is_known {
                        let place = step * width + metric * horizons.len() + number;
                        targets[place] = target as f32;
                        mask[place] = 1.0;
                    }
                }
            }
        }
    }
}
