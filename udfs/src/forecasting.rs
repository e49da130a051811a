//! From rows to one-window-ahead forecasts: blocks, one recurrent pass each.
//!
//! Rows are cut into blocks aligned to absolute time. Each block starts from the zero state
//! `lookback` windows earlier and forecasts its windows in one pass, so a row costs
//! `(lookback + block) / block` recurrent steps, and its forecast is the same whatever else a
//! query holds.

use candle_core::{Device, Tensor};
use thiserror::Error;

use crate::features::{BlockLayout, Scale, SeriesFeatures};
use crate::models::Forecaster;
use crate::series::{Rows, SeriesError, SeriesGrid, lay_on_grid};

/// Blocks per forward pass. Batches are filled up with empty blocks to exactly this many, because
/// matrix products take other paths, with other rounding, for other shapes.
const BATCH_BLOCKS: usize = 32;

/// Why rows could not be forecast.
#[derive(Debug, Error)]
pub enum ForecastError {
    /// The rows are not a series the forecaster can read.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// The forward pass failed.
    #[error("the forward pass failed: {0}")]
    Model(#[from] candle_core::Error),
}

impl ForecastError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Series(error) => Some(error.hint()),
            Self::Model(_) => None,
        }
    }
}

/// Why a forecast, and so a score, is missing or weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// All the history that can be used is there.
    Ok,
    /// Not scored: too little history before the window.
    Warmup,
    /// Not scored: every metric is NULL.
    NoData,
    /// Some metric is NULL, NaN or infinite: scored by the others, if any.
    NullInput,
    /// Not scored: there is no detector for the series.
    NoDetector,
    /// Scored without some of the longer history: the scale's day or the same time yesterday.
    ShortHistory,
}

impl Status {
    /// The value in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warmup => "warmup",
            Self::NoData => "no_data",
            Self::NullInput => "null_input",
            Self::NoDetector => "no_detector",
            Self::ShortHistory => "short_history",
        }
    }
}

/// The forecast of one metric of one window, made one window before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricForecast {
    /// What was seen.
    pub value: f64,
    /// What was forecast, in the metric's unit.
    pub expected: f64,
    /// Trailing median one window before: the forecast of an untrained forecaster.
    pub baseline: f64,
    /// The series' scale, in the metric's unit; positive.
    pub scale: f64,
}

/// The forecasts of one series.
#[derive(Debug, Clone)]
pub struct SeriesForecast {
    /// One status per row.
    pub status: Vec<Status>,
    /// `rows × metrics`, row-major; `None` where a metric takes no part in a row.
    pub metrics: Vec<Option<MetricForecast>>,
}

/// Which rows to forecast, and what is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Only the last row of each series.
    pub last_row_only: bool,
    /// Whether `window_start` is real: otherwise inputs that depend on the time of day are off.
    pub knows_time: bool,
}

impl Scope {
    /// Every row, with real times.
    pub const ALL: Self = Self {
        last_row_only: false,
        knows_time: true,
    };
}

/// Forecasts every row of several series in shared batches.
///
/// # Errors
/// When rows of a series are out of order, two share a window, none are one window apart, or the
/// forward pass fails.
pub fn forecast(
    forecaster: &Forecaster,
    layout: &BlockLayout,
    series: &[Rows<'_>],
    scope: Scope,
) -> Result<Vec<SeriesForecast>, ForecastError> {
    let mut batch = Batch::new(forecaster, layout);
    let mut forecasts = Vec::with_capacity(series.len());
    for (number, &rows) in series.iter().enumerate() {
        let mut forecast = SeriesForecast {
            status: vec![Status::Warmup; rows.window_start.len()],
            metrics: vec![None; rows.window_start.len() * rows.metrics.len()],
        };
        prepare_series(layout, number, rows, scope, &mut forecast, &mut batch)?;
        forecasts.push(forecast);
    }
    batch.run()?;
    for (window, locations) in batch.done.iter().zip(batch.locations.chunks(batch.metrics)) {
        let first = window.row * batch.metrics;
        let parts = &mut forecasts[window.series].metrics[first..first + batch.metrics];
        for (part, location) in parts.iter_mut().zip(locations) {
            if let Some(part) = part {
                part.expected = part.baseline + part.scale * f64::from(*location);
            }
        }
    }
    Ok(forecasts)
}

/// Queues the blocks of a series and fills in what is known without a forward pass.
fn prepare_series(
    layout: &BlockLayout,
    series: usize,
    rows: Rows<'_>,
    scope: Scope,
    forecast: &mut SeriesForecast,
    batch: &mut Batch<'_>,
) -> Result<(), ForecastError> {
    let stretches = lay_on_grid(rows, layout.step_micros, layout.reach(), layout.lookback)?;
    let mut first_row = 0;
    for grid in &stretches {
        let features = SeriesFeatures::new(layout, grid, scope.knows_time);
        let end_row = first_row + grid.row_slots.len();
        let mut row = first_row;
        if scope.last_row_only {
            row = row.max(rows.window_start.len() - 1);
        }
        while row < end_row {
            let block = Block::new(&features, index_of(grid, row - first_row));
            let mut windows = Vec::new();
            while row < end_row && block.holds(index_of(grid, row - first_row)) {
                let index = index_of(grid, row - first_row);
                let (status, parts) = block.window(rows, row, index);
                forecast.status[row] = status;
                if let Some(parts) = parts {
                    let first = row * rows.metrics.len();
                    forecast.metrics[first..first + parts.len()].copy_from_slice(&parts);
                    windows.push(PendingWindow {
                        series,
                        row,
                        step: block.step(index),
                    });
                }
                row += 1;
            }
            if !windows.is_empty() {
                batch.push(&block, windows)?;
            }
        }
        first_row = end_row;
    }
    Ok(())
}

fn index_of(grid: &SeriesGrid, row: usize) -> i64 {
    grid.first + grid.row_slots[row] as i64
}

/// One block of one series.
struct Block<'a> {
    layout: &'a BlockLayout,
    features: &'a SeriesFeatures<'a>,
    start: i64,
    scales: Vec<Option<Scale>>,
}

impl<'a> Block<'a> {
    /// The block that holds a grid index.
    fn new(features: &'a SeriesFeatures<'a>, index: i64) -> Self {
        let layout = features.layout();
        let start = layout.block_of(index);
        Self {
            layout,
            features,
            start,
            scales: features.scales(start),
        }
    }

    fn holds(&self, index: i64) -> bool {
        index < self.start + self.layout.block as i64
    }

    /// Step of the recurrent pass whose output forecasts the window.
    fn step(&self, index: i64) -> usize {
        self.layout.lookback + (index - self.start) as usize
    }

    /// Status of a window, and what is known of its metrics if any can be forecast.
    fn window(
        &self,
        rows: Rows<'_>,
        row: usize,
        index: i64,
    ) -> (Status, Option<Vec<Option<MetricForecast>>>) {
        let values = || rows.metrics.iter().map(|values| values[row]);
        if values().all(f64::is_nan) {
            return (Status::NoData, None);
        }
        if !values().any(f64::is_finite) {
            return (Status::NullInput, None);
        }
        let parts: Vec<_> = (0..self.scales.len())
            .map(|metric| self.part(metric, index))
            .collect();
        if parts.iter().all(Option::is_none) {
            return (Status::Warmup, None);
        }
        let knows_yesterday = (0..parts.len())
            .filter(|&metric| parts[metric].is_some())
            .all(|metric| self.features.knows_yesterday(metric, index - 1));
        let status = if !values().all(f64::is_finite) {
            Status::NullInput
        } else if knows_yesterday && self.features.has_full_reach(self.start) {
            Status::Ok
        } else {
            Status::ShortHistory
        };
        (status, Some(parts))
    }

    /// A metric takes part where it has a value, a level one window before, a warm lookback and
    /// a scale.
    fn part(&self, metric: usize, index: i64) -> Option<MetricForecast> {
        let value = self.features.value(metric, index);
        let baseline = self.features.baseline(metric, index - 1);
        let takes_part =
            value.is_finite() && baseline.is_finite() && self.features.is_warm(metric, index);
        let scale = self.scales[metric].filter(|_| takes_part)?.scale;
        Some(MetricForecast {
            value,
            expected: baseline,
            baseline,
            scale,
        })
    }
}

/// A window waiting for its block's forward pass.
#[derive(Clone, Copy)]
struct PendingWindow {
    series: usize,
    row: usize,
    step: usize,
}

/// Blocks of any number of series, run in passes of [`BATCH_BLOCKS`].
struct Batch<'a> {
    forecaster: &'a Forecaster,
    layout: &'a BlockLayout,
    features: usize,
    metrics: usize,
    inputs: Vec<f32>,
    pending: Vec<Vec<PendingWindow>>,
    done: Vec<PendingWindow>,
    /// One location per window of `done` and metric, at the first horizon.
    locations: Vec<f32>,
}

impl<'a> Batch<'a> {
    fn new(forecaster: &'a Forecaster, layout: &'a BlockLayout) -> Self {
        let config = forecaster.config();
        Self {
            forecaster,
            layout,
            features: config.features,
            metrics: config.targets / layout.horizons.len(),
            inputs: Vec::with_capacity(BATCH_BLOCKS * layout.sequence_length() * config.features),
            pending: Vec::with_capacity(BATCH_BLOCKS),
            done: Vec::new(),
            locations: Vec::new(),
        }
    }

    fn push(
        &mut self,
        block: &Block<'_>,
        windows: Vec<PendingWindow>,
    ) -> Result<(), ForecastError> {
        let begin = self.inputs.len();
        self.inputs
            .resize(begin + self.layout.sequence_length() * self.features, 0.0);
        block
            .features
            .write_inputs(block.start, &block.scales, &mut self.inputs[begin..]);
        self.pending.push(windows);
        if self.pending.len() == BATCH_BLOCKS {
            self.run()
        } else {
            Ok(())
        }
    }

    /// One forward pass over the queued blocks, if any.
    fn run(&mut self) -> Result<(), ForecastError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let steps = self.layout.sequence_length();
        self.inputs
            .resize(BATCH_BLOCKS * steps * self.features, 0.0);
        let shape = (BATCH_BLOCKS, steps, self.features);
        let inputs = Tensor::from_slice(&self.inputs, shape, &Device::Cpu)?;
        let output: Vec<f32> = self
            .forecaster
            .forward(&inputs)?
            .location
            .flatten_all()?
            .to_vec1()?;
        let horizons = self.layout.horizons.len();
        let targets = self.metrics * horizons;
        for (block, windows) in self.pending.drain(..).enumerate() {
            for window in windows {
                let first = (block * steps + window.step) * targets;
                let targets = &output[first..first + targets];
                self.locations.extend(targets.iter().step_by(horizons));
                self.done.push(window);
            }
        }
        self.inputs.clear();
        Ok(())
    }
}
