//! From rows to one-window-ahead forecasts: blocks, one recurrent pass each.
//!
//! Rows are cut into blocks aligned to absolute time. Each block starts from the zero state
//! `lookback` windows earlier and forecasts its windows in one pass, so a row costs
//! `(lookback + block) / block` recurrent steps, and its forecast is the same whatever else a
//! query holds.

pub mod classify;

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::baseline::clock::Clock;
use crate::baseline::{BlockProfile, Evidence, Profile, ProfileCache, ProfileMemo};
use crate::features::{InputWriter, Scale, ScaleCache, SeriesFeatures};
use crate::network::Predictor;
use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;
use crate::series::{Observed, Rows, SeriesError, SeriesGrid, grid_indices, stretches};

/// Blocks per forward pass: enough rows for the kernels' tiles, few enough to stay in the cache.
/// A block's forecasts do not depend on the others in its pass.
const BATCH_BLOCKS: usize = 48;
/// So many passes more than inputs do, evidence reaches back: it remembers the windows before a block.
/// Should it be more, it only takes longer.
const EVIDENCE_REACH: usize = 2;

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

/// What one metric of one window is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricForecast {
    /// What was seen.
    pub value: f64,
    /// Trailing median one window before: the forecast of an untrained forecaster.
    pub baseline: f64,
    /// The scale of the forecaster's inputs; positive.
    pub scale: f64,
    /// The detector's forecast.
    pub forecast: f64,
    /// What needs no detector.
    pub evidence: Evidence,
}

/// What is normal at the time of a window.
#[derive(Debug, Clone)]
pub struct Normal {
    /// The series' profile.
    pub profile: Arc<Profile>,
    /// The time of day.
    pub slot: usize,
}

/// The forecasts of one window: one per metric, `None` where a metric takes no part.
#[derive(Debug, Clone, Copy)]
pub struct WindowForecast<'a> {
    /// One per metric.
    pub metrics: &'a [Option<MetricForecast>],
    /// What is normal there.
    pub normal: &'a Normal,
}

/// The forecasts of one series.
#[derive(Debug, Clone)]
pub struct SeriesForecast {
    /// One status per row.
    pub status: Vec<Status>,
    /// `rows × metrics`, row-major.
    metrics: Vec<Option<MetricForecast>>,
    normal: Vec<Option<Normal>>,
}

impl SeriesForecast {
    /// The forecasts of a row; `None` where it has none.
    #[must_use]
    pub fn window(&self, row: usize) -> Option<WindowForecast<'_>> {
        let normal = self.normal.get(row)?.as_ref()?;
        let width = self.metrics.len() / self.status.len();
        let metrics = &self.metrics[row * width..][..width];
        Some(WindowForecast { metrics, normal })
    }
}

/// A series, and from which row on to forecast it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// All rows of the series.
    pub rows: Rows<'a>,
    /// Rows before this one are history: what comes back for them is [`Status::Warmup`].
    pub first_row: usize,
}

/// Forecasts several series in shared batches.
///
/// # Errors
/// When rows of a series are out of order, two share a window, none are one window apart, or the
/// forward pass fails.
pub fn forecast(
    predictor: &Predictor,
    layout: &BlockLayout,
    parts: &[Part<'_>],
) -> Result<Vec<SeriesForecast>, ForecastError> {
    let width = layout.metrics();
    let lengths = || parts.iter().map(|part| part.rows.window_start.len());
    let rows: usize = lengths().sum();
    let mut status = vec![Status::Warmup; rows];
    let mut metrics = vec![None; rows * width];
    let mut normal = vec![None; rows];
    let mut queue = BlockQueue::new(layout);
    let mut run = |queue: &mut BlockQueue| {
        queue.run(layout, &[predictor], |_, row, forecast| {
            metrics[row * width..][..width].copy_from_slice(forecast.metrics);
            normal[row] = Some(forecast.normal.clone());
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
            time_zone: rows.time_zone,
            memo: None,
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
            normal: normal[begin..end].to_vec(),
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
    /// As in [`Rows`].
    pub(crate) time_zone: Option<TimeZone>,
    /// Where profiles are looked up before they are learned.
    pub(crate) memo: Option<&'a Arc<ProfileMemo>>,
}

impl Segment<'_> {
    /// The rows on the grid.
    pub(crate) fn stretches(&self, layout: &BlockLayout) -> Vec<SeriesGrid> {
        let zone = self.time_zone.unwrap_or_default();
        stretches(self.indices, self.metrics, self.series_first, layout, zone)
    }

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
        for grid in &self.stretches(layout) {
            let end = begin + grid.row_slots.len();
            let mut row = begin.max(self.first_row);
            begin = end;
            if row >= end {
                continue;
            }
            let zone = self.time_zone.unwrap_or_default();
            let needed = layout.input_reach(zone) + EVIDENCE_REACH * layout.sequence_length();
            let history_until = layout.block_of(self.indices[row]) - needed as i64;
            let features =
                SeriesFeatures::with_history(layout, grid, self.time_zone, history_until);
            let mut scales = ScaleCache::default();
            let mut profiles = ProfileCache::with_memo(self.memo.cloned());
            while row < end {
                let start = layout.block_of(self.indices[row]);
                let block = Block {
                    layout,
                    features: &features,
                    start,
                    scales: scales.of_block(&features, start),
                    profile: profiles.of_block(&features, start),
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
                            index,
                        });
                    }
                    row += 1;
                }
                if !windows.is_empty() {
                    queue.push(&block, &windows);
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
    profile: Option<BlockProfile>,
}

impl Block<'_> {
    fn holds(&self, index: i64) -> bool {
        index < self.start + self.layout.block as i64
    }

    /// Whether each metric takes part in a window: it has a value, a level one window before, a
    /// warm lookback, a scale and a profile.
    fn takes_part(&self, index: i64) -> impl Iterator<Item = bool> + '_ {
        (0..self.scales.len()).map(move |metric| {
            let block = self.profile.as_ref();
            self.scales[metric].is_some()
                && block.is_some_and(|block| block.profile.metrics[metric].is_some())
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
        // A metric without a profile is one that the series does not have, as latencies where logs
        // have none: nothing is missing where it is NULL.
        let has_profile = |metric: usize| {
            let block = self.profile.as_ref();
            block.is_some_and(|block| block.profile.metrics[metric].is_some())
        };
        let is_missed = |(metric, value): (usize, f64)| match Observed::decoded(value) {
            Observed::Number(_) => false,
            Observed::NotANumber => true,
            Observed::Null => has_profile(metric),
        };
        if values().enumerate().any(is_missed) {
            Status::NullInput
        } else if knows_yesterday && self.features.has_full_reach(self.start) {
            Status::Ok
        } else {
            Status::ShortHistory
        }
    }

    /// What the forward pass leaves to be judged; `None` without a profile.
    fn pending(&self, windows: &[PendingWindow]) -> Option<PendingBlock> {
        let block = self.profile.as_ref()?;
        let width = self.scales.len();
        let mut forecasts = vec![None; windows.len() * width];
        for (window, forecasts) in windows.iter().zip(forecasts.chunks_mut(width)) {
            let place = (window.index - self.start) as usize;
            for (metric, forecast) in forecasts.iter_mut().enumerate() {
                let value = self.features.value(metric, window.index);
                let baseline = self.features.baseline(metric, window.index - 1);
                let is_judged = value.is_finite()
                    && baseline.is_finite()
                    && self.features.is_warm(metric, window.index);
                let normal = self.scales[metric].zip(block.evidence(metric, place));
                if let Some((scale, evidence)) = normal.filter(|_| is_judged) {
                    *forecast = Some(MetricForecast {
                        value,
                        baseline,
                        scale: scale.scale,
                        forecast: f64::NAN,
                        evidence,
                    });
                }
            }
        }
        let clock = Clock::new(self.layout, self.features.time_zone());
        Some(PendingBlock {
            windows: windows
                .iter()
                .map(|window| JudgedWindow {
                    row: window.row,
                    step: self.layout.lookback + (window.index - self.start) as usize,
                    normal: Normal {
                        profile: Arc::clone(&block.profile),
                        slot: clock.slot(window.index),
                    },
                })
                .collect(),
            forecasts,
        })
    }
}

/// A window of a block that is to be forecast.
#[derive(Debug, Clone, Copy)]
struct PendingWindow {
    /// Number of the row among all that are forecast.
    row: usize,
    /// Its place in time.
    index: i64,
}

/// A block waiting for its forward pass.
#[derive(Debug)]
struct PendingBlock {
    windows: Vec<JudgedWindow>,
    /// `windows × metrics`, row-major, without the detector's forecast.
    forecasts: Vec<Option<MetricForecast>>,
}

#[derive(Debug)]
struct JudgedWindow {
    row: usize,
    /// Step of the recurrent pass whose output forecasts the window.
    step: usize,
    normal: Normal,
}

impl PendingBlock {
    /// Bytes held; the profile is shared by many blocks.
    fn size(&self) -> usize {
        self.windows.len() * size_of::<JudgedWindow>()
            + self.forecasts.len() * size_of::<Option<MetricForecast>>()
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

    fn push(&mut self, block: &Block<'_>, windows: &[PendingWindow]) {
        let Some(pending) = block.pending(windows) else {
            return;
        };
        let begin = self.inputs.len();
        let block_inputs = block.layout.sequence_length() * block.layout.features();
        self.inputs.resize(begin + block_inputs, 0.0);
        self.writer.write(
            block.features,
            block.start,
            &block.scales,
            &mut self.inputs[begin..],
        );
        self.pending.push(pending);
    }

    /// One forward pass per predictor over the queued blocks, if any. `take` gets the number of
    /// the predictor, that of the row, and its forecasts.
    pub(crate) fn run(
        &mut self,
        layout: &BlockLayout,
        predictors: &[&Predictor],
        mut take: impl FnMut(usize, usize, WindowForecast<'_>),
    ) -> Result<(), ForecastError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let steps = layout.sequence_length();
        // Only the block's windows are judged.
        let skip = layout.lookback;
        let width = layout.metrics();
        let horizons = layout.horizons.len();
        let targets = width * horizons;
        // Parallelism is between series, where the query engine has it.
        let threads = 1;
        for (number, predictor) in predictors.iter().enumerate() {
            let started = Instant::now();
            let output = predictor
                .forecast(&self.inputs, steps, skip, threads)?
                .location;
            self.work.kernel_time += started.elapsed();
            self.work.blocks += self.pending.len();
            let outputs = output.chunks_exact((steps - skip) * targets);
            for (block, output) in self.pending.iter_mut().zip(outputs) {
                let forecasts = block.forecasts.chunks_mut(width);
                for (window, metrics) in block.windows.iter().zip(forecasts) {
                    let output = &output[(window.step - skip) * targets..][..targets];
                    for (metric, forecast) in metrics.iter_mut().enumerate() {
                        if let Some(forecast) = forecast {
                            let location = f64::from(output[metric * horizons]);
                            forecast.forecast = forecast.baseline + forecast.scale * location;
                        }
                    }
                    let normal = &window.normal;
                    take(number, window.row, WindowForecast { metrics, normal });
                }
            }
        }
        self.inputs.clear();
        self.pending.clear();
        Ok(())
    }
}
