//! Fits a forecaster: random chunks, Laplace likelihood.

use std::ops::Range;
use std::sync::mpsc::SyncSender;

use anomalog_engine::features::{InputWriter, Scale, SeriesFeatures};
use anomalog_engine::network::init::{sorted_variables, trainable};
use anomalog_engine::network::likelihood::laplace_loss;
use anomalog_engine::network::{Forecaster, ForecasterConfig};
use anomalog_engine::series::blocks::BlockLayout;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::descent::{Batches, StepReport, descend};
use super::error::TrainingError;
use super::weights::{Weights, set};

/// Chunks per batch.
const BATCH_SIZE: usize = 64;
/// Steps of a chunk that carry no loss: the state has yet to settle.
const BURN_IN: usize = 20;
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

/// A segment of a series to learn from, and where in it, as grid indices.
#[derive(Debug)]
pub(super) struct FitSegment<'a> {
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
    segments: &[FitSegment<'_>],
    config: &ForecasterConfig,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Fitted, TrainingError> {
    let fit_chunks = Chunks::new(segments, |segment| &segment.fit);
    let stop_chunks = Chunks::new(segments, |segment| &segment.stop);
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
    let stop_batches = stop_chunks.even_batches(STOP_CHUNKS, config)?;
    let batches = FitBatches {
        chunks: fit_chunks,
        settings,
        config,
    };
    let descended = descend(
        &variables,
        &batches,
        settings.steps,
        |batch| batch.loss(&forecaster),
        || mean_loss(&forecaster, &stop_batches).map(Some),
        progress,
    )?;
    Ok(Fitted {
        forecaster,
        weights: descended.weights,
        steps: descended.steps,
        // There is a batch to measure on.
        stop_loss: descended.stop_loss.unwrap_or(f64::NAN),
        initial_stop_loss: descended.initial_stop_loss.unwrap_or(f64::NAN),
    })
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

/// Places in the segments from which chunks can be cut.
struct Chunks<'a> {
    /// Features of each segment, and the grid indices that targets may lie in.
    segments: Vec<(&'a SeriesFeatures<'a>, &'a Range<i64>)>,
    /// Per place: segment, first and one past the last possible block start.
    places: Vec<(usize, i64, i64)>,
}

impl<'a> Chunks<'a> {
    fn new(
        segments: &'a [FitSegment<'a>],
        range: impl Fn(&'a FitSegment<'a>) -> &'a Range<i64>,
    ) -> Self {
        let segments: Vec<_> = segments
            .iter()
            .map(|segment| (&segment.features, range(segment)))
            .collect();
        let place = |(number, (features, range)): (usize, &(&SeriesFeatures<'_>, &Range<i64>))| {
            let (grid, layout) = (features.grid(), features.layout());
            let first = (grid.first + layout.lookback as i64).max(range.start);
            let end = grid.end().min(range.end) - layout.block as i64 + 1;
            (first < end).then_some((number, first, end))
        };
        let places = segments.iter().enumerate().filter_map(place).collect();
        Self { segments, places }
    }

    fn require(&self, range: &'static str) -> Result<(), TrainingError> {
        if self.places.is_empty() {
            let layout = self.segments.first().map(|(features, _)| features.layout());
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

    /// The n-th of [`Self::count`] chunks: segment and block start.
    fn chunk(&self, mut number: i64) -> (usize, i64) {
        for &(segment, first, end) in &self.places {
            if number < end - first {
                return (segment, first + number);
            }
            number -= end - first;
        }
        let &(segment, _, end) = self.places.last().expect("`require` found a place");
        (segment, end - 1)
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
        let first = chunks.first().map(|(segment, _)| self.segments[*segment].0);
        let steps = first.map_or(0, |features| features.layout().sequence_length());
        let mut inputs = vec![0.0; chunks.len() * steps * config.features];
        let mut targets = vec![0.0; chunks.len() * steps * config.targets];
        let mut mask = vec![0.0; targets.len()];
        let mut writer = InputWriter::default();
        for (chunk, &(segment, start)) in chunks.iter().enumerate() {
            let (features, range) = self.segments[segment];
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

/// Batches of chunks drawn uniformly over all places.
struct FitBatches<'a> {
    chunks: Chunks<'a>,
    settings: FitSettings<'a>,
    config: &'a ForecasterConfig,
}

impl Batches for FitBatches<'_> {
    type Batch = Batch;

    fn send_batches(&self, sender: &SyncSender<Result<Batch, TrainingError>>) {
        let mut generator = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let count = self.chunks.count();
        for _ in 0..self.settings.steps {
            let chunks: Vec<_> = (0..BATCH_SIZE)
                .map(|_| self.chunks.chunk(generator.random_range(0..count)))
                .collect();
            let batch = self.chunks.batch(&chunks, self.config);
            if sender.send(batch).is_err() {
                return;
            }
        }
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
