//! From rows to one-window-ahead forecasts: blocks, one recurrent pass each.
//!
//! Rows are cut into blocks aligned to absolute time. Each block starts from the zero state
//! `lookback` windows earlier and forecasts its windows in one pass, so a row costs
//! `(lookback + block) / block` recurrent steps, and its forecast is the same whatever else a
//! query holds.

use thiserror::Error;

use crate::features::{BlockLayout, MAX_HORIZONS, Scale, SeriesFeatures};
use crate::models::Predictor;
use crate::series::{Rows, SeriesError, SeriesGrid, lay_on_grid};

/// Blocks per forward pass: enough rows for the kernels' tiles, few enough to stay in the cache.
/// A block's forecasts do not depend on the others in its pass.
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

/// The forecasts of one metric of one window, one per horizon of the layout; entries beyond are
/// NaN. All values are transformed ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricForecast {
    /// What was seen.
    pub value: f64,
    /// Trailing median one window before: the forecast of an untrained forecaster.
    pub baseline: f64,
    /// The series' scale; positive.
    pub scale: f64,
    /// What was forecast, so many windows before.
    pub expected: [f64; MAX_HORIZONS],
    /// Mean signed error over the horizon's width, in scales; NaN where less than half of the
    /// windows of the width have a value.
    pub error: [f64; MAX_HORIZONS],
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
    predictor: &Predictor,
    layout: &BlockLayout,
    series: &[Rows<'_>],
    scope: Scope,
) -> Result<Vec<SeriesForecast>, ForecastError> {
    let mut batch = Batch::new(predictor, layout);
    let mut forecasts = Vec::with_capacity(series.len());
    for (number, &rows) in series.iter().enumerate() {
        let mut forecast = SeriesForecast {
            status: vec![Status::Warmup; rows.window_start.len()],
            metrics: vec![None; rows.window_start.len() * layout.metrics()],
        };
        prepare_series(layout, number, rows, scope, &mut forecast, &mut batch)?;
        forecasts.push(forecast);
    }
    batch.run()?;
    for (window, parts) in batch
        .done
        .iter()
        .zip(batch.results.chunks(layout.metrics()))
    {
        let first = window.row * layout.metrics();
        forecasts[window.series].metrics[first..first + parts.len()].copy_from_slice(parts);
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
    let stretches = lay_on_grid(rows, layout)?;
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
                forecast.status[row] = block.status(rows, row, index);
                if block.takes_part(index).any(|takes_part| takes_part)
                    && !matches!(forecast.status[row], Status::NoData | Status::Warmup)
                {
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

    /// Whether each metric takes part in a window: it has a value, a level one window before, a
    /// warm lookback and a scale.
    fn takes_part(&self, index: i64) -> impl Iterator<Item = bool> + '_ {
        (0..self.scales.len()).map(move |metric| {
            self.scales[metric].is_some()
                && self.features.value(metric, index).is_finite()
                && self.features.baseline(metric, index - 1).is_finite()
                && self.features.is_warm(metric, index)
        })
    }

    fn status(&self, rows: Rows<'_>, row: usize, index: i64) -> Status {
        let values = || rows.metrics.iter().map(|values| values[row]);
        if values().all(f64::is_nan) {
            return Status::NoData;
        }
        if !values().any(f64::is_finite) {
            return Status::NullInput;
        }
        if !self.takes_part(index).any(|takes_part| takes_part) {
            return Status::Warmup;
        }
        let knows_yesterday = self
            .takes_part(index)
            .enumerate()
            .filter(|(_, takes_part)| *takes_part)
            .all(|(metric, _)| self.features.knows_yesterday(metric, index - 1));
        if !values().all(f64::is_finite) {
            Status::NullInput
        } else if knows_yesterday && self.features.has_full_reach(self.start) {
            Status::Ok
        } else {
            Status::ShortHistory
        }
    }

    /// What the forward pass leaves to be judged.
    fn pending(&self, windows: Vec<PendingWindow>) -> PendingBlock {
        let origin = self.start - self.layout.lookback as i64 - 1;
        let steps = self.layout.sequence_length() as i64;
        let metrics = 0..self.scales.len();
        PendingBlock {
            metrics: metrics
                .map(|metric| PendingMetric {
                    scale: self.scales[metric].map(|scale| scale.scale),
                    is_warm: windows
                        .iter()
                        .map(|window| {
                            self.features
                                .is_warm(metric, origin + 1 + window.step as i64)
                        })
                        .collect(),
                    values: (0..=steps)
                        .map(|step| self.features.value(metric, origin + step))
                        .collect(),
                    baselines: (0..steps)
                        .map(|step| self.features.baseline(metric, origin + step))
                        .collect(),
                })
                .collect(),
            windows,
        }
    }
}

/// A window waiting for its block's forward pass.
#[derive(Clone, Copy)]
struct PendingWindow {
    series: usize,
    row: usize,
    step: usize,
}

/// A block waiting for its forward pass.
struct PendingBlock {
    windows: Vec<PendingWindow>,
    metrics: Vec<PendingMetric>,
}

/// What is known of a metric over the steps of a block's pass.
struct PendingMetric {
    scale: Option<f64>,
    /// One per pending window.
    is_warm: Vec<bool>,
    /// The value at each step and the one after the last.
    values: Vec<f64>,
    /// The level at each step.
    baselines: Vec<f64>,
}

impl PendingMetric {
    /// The forecasts of the window after `step`. `location` gives the output of a step at a
    /// horizon.
    fn forecast(
        &self,
        layout: &BlockLayout,
        step: usize,
        location: impl Fn(usize, usize) -> f64,
    ) -> Option<MetricForecast> {
        let scale = self.scale?;
        let (value, baseline) = (self.values[step + 1], self.baselines[step]);
        if !value.is_finite() || !baseline.is_finite() {
            return None;
        }
        let mut forecast = MetricForecast {
            value,
            baseline,
            scale,
            expected: [f64::NAN; MAX_HORIZONS],
            error: [f64::NAN; MAX_HORIZONS],
        };
        for (number, (&horizon, &width)) in layout.horizons.iter().zip(&layout.widths).enumerate() {
            let expected = |end: usize| {
                let origin = end - horizon;
                self.baselines[origin] + scale * location(origin, number)
            };
            let mut sum = 0.0;
            let mut count = 0;
            for back in 0..width {
                let end = step + 1 - back;
                let error = (self.values[end] - expected(end)) / scale;
                if error.is_finite() {
                    sum += error;
                    count += 1;
                }
            }
            forecast.expected[number] = expected(step + 1);
            if 2 * count >= width {
                forecast.error[number] = sum / f64::from(count as u32);
            }
        }
        Some(forecast)
    }
}

/// Blocks of any number of series, run in passes of [`BATCH_BLOCKS`].
struct Batch<'a> {
    predictor: &'a Predictor,
    layout: &'a BlockLayout,
    inputs: Vec<f32>,
    pending: Vec<PendingBlock>,
    done: Vec<PendingWindow>,
    /// One entry per window of `done` and metric.
    results: Vec<Option<MetricForecast>>,
}

impl<'a> Batch<'a> {
    fn new(predictor: &'a Predictor, layout: &'a BlockLayout) -> Self {
        let block_inputs = layout.sequence_length() * layout.features();
        Self {
            predictor,
            layout,
            inputs: Vec::with_capacity(BATCH_BLOCKS * block_inputs),
            pending: Vec::with_capacity(BATCH_BLOCKS),
            done: Vec::new(),
            results: Vec::new(),
        }
    }

    fn push(
        &mut self,
        block: &Block<'_>,
        windows: Vec<PendingWindow>,
    ) -> Result<(), ForecastError> {
        let begin = self.inputs.len();
        let block_inputs = self.layout.sequence_length() * self.layout.features();
        self.inputs.resize(begin + block_inputs, 0.0);
        block
            .features
            .write_inputs(block.start, &block.scales, &mut self.inputs[begin..]);
        self.pending.push(block.pending(windows));
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
        let layout = self.layout;
        let steps = layout.sequence_length();
        // Parallelism is between series, where the query engine has it.
        let threads = 1;
        let output = self
            .predictor
            .forecast(&self.inputs, steps, 0, threads)?
            .location;
        let horizons = layout.horizons.len();
        let targets = layout.metrics() * horizons;
        for (number, block) in self.pending.drain(..).enumerate() {
            let output = &output[number * steps * targets..];
            for (place, window) in block.windows.iter().enumerate() {
                self.results
                    .extend(block.metrics.iter().enumerate().map(|(metric, pending)| {
                        let location = |step: usize, horizon: usize| {
                            f64::from(output[step * targets + metric * horizons + horizon])
                        };
                        pending.is_warm[place]
                            .then(|| pending.forecast(layout, window.step, location))
                            .flatten()
                    }));
                self.done.push(*window);
            }
        }
        self.inputs.clear();
        Ok(())
    }
}
