//! From rows to one-window-ahead forecasts: blocks, one recurrent pass each.
//!
//! Rows are cut into blocks aligned to absolute time. Each block starts from the zero state
//! `lookback` windows earlier and forecasts its windows in one pass, so a row costs
//! `(lookback + block) / block` recurrent steps, and its forecast is the same whatever else a
//! query holds.

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::features::{InputWriter, Scale, ScaleCache, SeriesFeatures};
use crate::layout::{BlockLayout, MAX_HORIZONS};
use crate::models::Predictor;
use crate::series::{Rows, SeriesError, grid_indices, stretches};

/// Blocks per forward pass: enough rows for the kernels' tiles, few enough to stay in the cache.
/// A block's forecasts do not depend on the others in its pass.
const BATCH_BLOCKS: usize = 48;

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

/// A series, and from which row on to forecast it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// All rows of the series.
    pub rows: Rows<'a>,
    /// Rows before this one are history: what comes back for them is [`Status::Warmup`].
    pub first_row: usize,
}

/// Forecasts several series in shared batches. `knows_time` says whether `window_start` is real:
/// otherwise inputs that depend on the time of day are off.
///
/// # Errors
/// When rows of a series are out of order, two share a window, none are one window apart, or the
/// forward pass fails.
pub fn forecast(
    predictor: &Predictor,
    layout: &BlockLayout,
    parts: &[Part<'_>],
    knows_time: bool,
) -> Result<Vec<SeriesForecast>, ForecastError> {
    let width = layout.metrics();
    let lengths = || parts.iter().map(|part| part.rows.window_start.len());
    let rows: usize = lengths().sum();
    let mut status = vec![Status::Warmup; rows];
    let mut metrics = vec![None; rows * width];
    let mut queue = BlockQueue::new(layout);
    let mut run = |queue: &mut BlockQueue| {
        queue.run(layout, &[predictor], |_, row, parts| {
            metrics[row * width..][..width].copy_from_slice(parts);
        })
    };
    let mut begin = 0;
    for &Part { rows, first_row } in parts {
        let indices = grid_indices(rows.window_start, layout)?;
        let segment = Segment {
            indices: &indices,
            metrics: rows.metrics,
            series_first: indices.first().copied().unwrap_or_default(),
            first_row,
            knows_time,
        };
        let end = begin + indices.len();
        let ids: Vec<usize> = (begin + first_row..end).collect();
        let status = &mut status[begin + first_row..end];
        segment.queue_blocks(layout, &ids, status, &mut queue, &mut run)?;
        begin = end;
    }
    run(&mut queue)?;
    let mut begin = 0;
    let forecasts = lengths().map(|length| {
        let end = begin + length;
        let forecast = SeriesForecast {
            status: status[begin..end].to_vec(),
            metrics: metrics[begin * width..end * width].to_vec(),
        };
        begin = end;
        forecast
    });
    Ok(forecasts.collect())
}

/// Consecutive rows of one series: history, then rows to forecast.
///
/// The history must reach back to a row at or before the reach of the first block to forecast, or
/// to the start of the series; the rows must end with the series or with a block. Then forecasts
/// are those of the whole series, bit for bit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// Grid index of each row, ascending.
    pub(crate) indices: &'a [i64],
    /// One vector per metric, at least as long as `indices`; NaN and infinite as in [`Rows`].
    pub(crate) metrics: &'a [Vec<f64>],
    /// Grid index of the first row of the whole series.
    pub(crate) series_first: i64,
    /// Rows before this one are history.
    pub(crate) first_row: usize,
    /// Whether the grid indices are real times.
    pub(crate) knows_time: bool,
}

impl Segment<'_> {
    /// Queues the blocks, running full batches, and says what is known of each row to forecast:
    /// those have the numbers `ids` and one `status` each.
    pub(crate) fn queue_blocks(
        &self,
        layout: &BlockLayout,
        ids: &[usize],
        status: &mut [Status],
        queue: &mut BlockQueue,
        run: &mut dyn FnMut(&mut BlockQueue) -> Result<(), ForecastError>,
    ) -> Result<(), ForecastError> {
        let mut begin = 0;
        for grid in &stretches(self.indices, self.metrics, self.series_first, layout) {
            let end = begin + grid.row_slots.len();
            let mut row = begin.max(self.first_row);
            begin = end;
            if row >= end {
                continue;
            }
            let features = SeriesFeatures::new(layout, grid, self.knows_time);
            let mut scales = ScaleCache::default();
            while row < end {
                let start = layout.block_of(self.indices[row]);
                let block = Block {
                    layout,
                    features: &features,
                    start,
                    scales: scales.of_block(&features, start),
                };
                let mut windows = Vec::new();
                while row < end && block.holds(self.indices[row]) {
                    let index = self.indices[row];
                    let place = row - self.first_row;
                    let found = block.status(self.metrics, row, index);
                    status[place] = found;
                    if !matches!(found, Status::NoData | Status::Warmup)
                        && block.takes_part(index).any(|takes_part| takes_part)
                    {
                        windows.push(PendingWindow {
                            row: ids[place],
                            step: block.step(index),
                        });
                    }
                    row += 1;
                }
                if !windows.is_empty() {
                    queue.push(&block, windows);
                    if queue.is_full() {
                        run(queue)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// One block of one series.
struct Block<'a> {
    layout: &'a BlockLayout,
    features: &'a SeriesFeatures<'a>,
    start: i64,
    scales: Vec<Option<Scale>>,
}

impl Block<'_> {
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

    fn status(&self, metrics: &[Vec<f64>], row: usize, index: i64) -> Status {
        let values = || metrics.iter().map(|values| values[row]);
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
#[derive(Debug, Clone, Copy)]
struct PendingWindow {
    /// Number of the row among all that are forecast.
    row: usize,
    step: usize,
}

/// A block waiting for its forward pass.
#[derive(Debug)]
struct PendingBlock {
    windows: Vec<PendingWindow>,
    metrics: Vec<PendingMetric>,
}

impl PendingBlock {
    fn size(&self) -> usize {
        let metrics = self.metrics.iter().map(|metric| {
            metric.is_warm.len()
                + (metric.values.len() + metric.baselines.len()) * size_of::<f64>()
                + size_of::<PendingMetric>()
        });
        self.windows.len() * size_of::<PendingWindow>() + metrics.sum::<usize>()
    }
}

/// What is known of a metric over the steps of a block's pass.
#[derive(Debug)]
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
    /// Forecasts and errors for every step that a window of the block is judged by. `location`
    /// gives the output of a step at a horizon.
    fn errors(
        &self,
        layout: &BlockLayout,
        location: impl Fn(usize, usize) -> f64,
        errors: &mut HorizonErrors,
    ) -> Option<()> {
        let scale = self.scale?;
        let steps = layout.sequence_length();
        for (number, (&horizon, &width)) in layout.horizons.iter().zip(&layout.widths).enumerate() {
            let HorizonErrors { expected, error } = errors;
            for end in layout.lookback + 2 - width..=steps {
                let origin = end - horizon;
                let value = self.baselines[origin] + scale * location(origin, number);
                expected[number][end] = value;
                error[number][end] = (self.values[end] - value) / scale;
            }
        }
        Some(())
    }

    /// The forecasts of the window after `step`.
    fn forecast(
        &self,
        layout: &BlockLayout,
        step: usize,
        errors: &HorizonErrors,
    ) -> Option<MetricForecast> {
        let (value, baseline) = (self.values[step + 1], self.baselines[step]);
        if !value.is_finite() || !baseline.is_finite() {
            return None;
        }
        let mut forecast = MetricForecast {
            value,
            baseline,
            scale: self.scale?,
            expected: [f64::NAN; MAX_HORIZONS],
            error: [f64::NAN; MAX_HORIZONS],
        };
        let end = step + 1;
        for (number, &width) in layout.widths.iter().enumerate() {
            let mut sum = 0.0;
            let mut count = 0;
            for error in errors.error[number][end + 1 - width..=end].iter().rev() {
                let is_known = error.is_finite();
                sum += if is_known { *error } else { 0.0 };
                count += u32::from(is_known);
            }
            forecast.expected[number] = errors.expected[number][end];
            if 2 * count as usize >= width {
                forecast.error[number] = sum / f64::from(count);
            }
        }
        Some(forecast)
    }
}

/// Forecasts and errors of one metric by horizon and step.
struct HorizonErrors {
    expected: Vec<Vec<f64>>,
    /// In scales; not finite where the value or the forecast is not known.
    error: Vec<Vec<f64>>,
}

impl HorizonErrors {
    fn new(layout: &BlockLayout) -> Self {
        let steps = vec![vec![f64::NAN; layout.sequence_length() + 1]; layout.horizons.len()];
        Self {
            expected: steps.clone(),
            error: steps,
        }
    }
}

/// Blocks of any number of series, waiting for a forward pass.
#[derive(Debug)]
pub(crate) struct BlockQueue {
    writer: InputWriter,
    inputs: Vec<f32>,
    pending: Vec<PendingBlock>,
    /// What has been run so far.
    pub(crate) work: Work,
}

/// What forward passes have done.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Work {
    /// Blocks, each counted once per predictor.
    pub(crate) blocks: usize,
    /// Time in the predictors.
    pub(crate) kernel_time: Duration,
}

impl BlockQueue {
    pub(crate) fn new(layout: &BlockLayout) -> Self {
        let block_inputs = layout.sequence_length() * layout.features();
        Self {
            writer: InputWriter::default(),
            inputs: Vec::with_capacity(BATCH_BLOCKS * block_inputs),
            pending: Vec::with_capacity(BATCH_BLOCKS),
            work: Work::default(),
        }
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= BATCH_BLOCKS
    }

    /// The number of the first row that waits, if any.
    pub(crate) fn first_row(&self) -> Option<usize> {
        Some(self.pending.first()?.windows.first()?.row)
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        let pending: usize = self.pending.iter().map(PendingBlock::size).sum();
        self.inputs.capacity() * size_of::<f32>() + pending
    }

    fn push(&mut self, block: &Block<'_>, windows: Vec<PendingWindow>) {
        let begin = self.inputs.len();
        let block_inputs = block.layout.sequence_length() * block.layout.features();
        self.inputs.resize(begin + block_inputs, 0.0);
        self.writer.write(
            block.features,
            block.start,
            &block.scales,
            &mut self.inputs[begin..],
        );
        self.pending.push(block.pending(windows));
    }

    /// One forward pass per predictor over the queued blocks, if any. `take` gets the number of
    /// the predictor, that of the row, and the forecast of each metric.
    pub(crate) fn run(
        &mut self,
        layout: &BlockLayout,
        predictors: &[&Predictor],
        mut take: impl FnMut(usize, usize, &[Option<MetricForecast>]),
    ) -> Result<(), ForecastError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let steps = layout.sequence_length();
        let skip = layout.unused_steps();
        let horizons = layout.horizons.len();
        let targets = layout.metrics() * horizons;
        // Parallelism is between series, where the query engine has it.
        let threads = 1;
        let mut parts = vec![None; layout.block * layout.metrics()];
        let mut errors = HorizonErrors::new(layout);
        for (number, predictor) in predictors.iter().enumerate() {
            let started = Instant::now();
            let output = predictor
                .forecast(&self.inputs, steps, skip, threads)?
                .location;
            self.work.kernel_time += started.elapsed();
            self.work.blocks += self.pending.len();
            let outputs = output.chunks_exact((steps - skip) * targets);
            for (block, output) in self.pending.iter().zip(outputs) {
                let parts = &mut parts[..block.windows.len() * layout.metrics()];
                for (metric, pending) in block.metrics.iter().enumerate() {
                    let location = |step: usize, horizon: usize| {
                        f64::from(output[(step - skip) * targets + metric * horizons + horizon])
                    };
                    let is_scaled = pending.errors(layout, location, &mut errors).is_some();
                    for (place, window) in block.windows.iter().enumerate() {
                        parts[place * layout.metrics() + metric] = (is_scaled
                            && pending.is_warm[place])
                            .then(|| pending.forecast(layout, window.step, &errors))
                            .flatten();
                    }
                }
                for (window, parts) in block.windows.iter().zip(parts.chunks(layout.metrics())) {
                    take(number, window.row, parts);
                }
            }
        }
        self.inputs.clear();
        self.pending.clear();
        Ok(())
    }
}
