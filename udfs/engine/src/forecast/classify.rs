//! From rows to the odds that a window is an anomaly: one recurrent pass per window.
//!
//! A classifier sees a window and those before it, [`BlockLayout::lookback`] of them, and says how
//! likely the last is an anomaly. So a row costs as many recurrent steps as it sees rows, and not
//! two as a forecast does; in return its odds depend on nothing before them but the
//! scale, which is that of its block.

use std::time::Instant;

use crate::features::{Scale, ScaleCache, SeriesFeatures, write_window};
use crate::forecast::{ForecastError, Part, SeriesSlice, Status, Work};
use crate::network::ClassifierPredictor;
use crate::series::blocks::BlockLayout;
use crate::series::grid_indices;

/// Windows per forward pass: enough rows for the kernels' tiles, few enough to stay in the cache.
/// The odds of a window do not depend on the others in its pass.
const BATCH_WINDOWS: usize = 480;

/// The odds of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowOdds {
    /// ln(P(anomalous) / P(normal)), were both equally frequent.
    pub log_odds: f64,
    /// The metric that lies farthest from its level, in scales.
    pub top_metric: usize,
    /// Its value.
    pub value: f64,
    /// Its level: the trailing median of 61 windows.
    pub level: f64,
}

/// The odds of the windows of one series.
#[derive(Debug, Clone)]
pub struct SeriesOdds {
    /// One status per row.
    pub status: Vec<Status>,
    /// One per row; `None` where it cannot be judged.
    pub windows: Vec<Option<WindowOdds>>,
}

/// Classifies the windows of several series.
///
/// # Errors
/// When rows of a series are out of order, two share a window, none are one window apart, or the
/// forward pass fails.
pub fn classify(
    classifier: &ClassifierPredictor,
    layout: &BlockLayout,
    parts: &[Part<'_>],
) -> Result<Vec<SeriesOdds>, ForecastError> {
    let of_part = |part: &Part<'_>| -> Result<SeriesOdds, ForecastError> {
        let Part { rows, first_row } = *part;
        let indices = grid_indices(rows.window_start, layout)?;
        let slice = SeriesSlice::of_series(rows, &indices, first_row);
        let mut odds = SeriesOdds {
            status: vec![Status::Warmup; indices.len()],
            windows: vec![None; indices.len()],
        };
        let (status, windows) = (
            &mut odds.status[first_row..],
            &mut odds.windows[first_row..],
        );
        slice.classify(
            layout,
            &[classifier],
            status,
            &mut Work::default(),
            &mut |_, row, found| windows[row] = Some(found),
        )?;
        Ok(odds)
    };
    parts.iter().map(of_part).collect()
}

impl SeriesSlice<'_> {
    /// Classifies the rows that are no history and says what is known of each: one `status` each.
    /// `take` gets the number of the classifier, that of the row among them, and what was said.
    pub(crate) fn classify(
        &self,
        layout: &BlockLayout,
        classifiers: &[&ClassifierPredictor],
        status: &mut [Status],
        work: &mut Work,
        take: &mut dyn FnMut(usize, usize, WindowOdds),
    ) -> Result<(), ForecastError> {
        let mut batch = Batch::new(layout);
        let mut begin = 0;
        for grid in &self.segments(layout) {
            let rows = begin.max(self.first_row)..begin + grid.row_slots.len();
            begin = rows.end;
            if rows.is_empty() {
                continue;
            }
            let features = SeriesFeatures::new(layout, grid, self.time_zone);
            let mut scales = BlockScales::default();
            for row in rows {
                let index = self.indices[row];
                let place = row - self.first_row;
                let window = Window {
                    scales: scales.at(&features, index),
                    features: &features,
                    index,
                };
                status[place] = window.status(self.metrics, row);
                if let Some(odds) = window.unjudged() {
                    batch.push(&window, place, odds);
                    if batch.pending.len() == BATCH_WINDOWS {
                        batch.run(layout, classifiers, work, take)?;
                    }
                }
            }
        }
        batch.run(layout, classifiers, work, take)
    }
}

/// The scales of the block that holds the last window asked for.
#[derive(Debug, Default)]
pub struct BlockScales {
    cache: ScaleCache,
    block: Option<i64>,
    scales: Vec<Option<Scale>>,
}

impl BlockScales {
    /// The scales at a grid index; every call must be for the same segment.
    pub fn at(&mut self, features: &SeriesFeatures<'_>, index: i64) -> &[Option<Scale>] {
        let block = features.layout().block_of(index);
        if self.block != Some(block) {
            self.block = Some(block);
            self.scales = self.cache.of_block(features, block);
        }
        &self.scales
    }
}

/// A window of a series, by its last.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The series.
    pub features: &'a SeriesFeatures<'a>,
    /// Those of the window's block.
    pub scales: &'a [Option<Scale>],
    /// Its grid index.
    pub index: i64,
}

impl Window<'_> {
    /// Whether each metric takes part: it has a value, a level, a scale, and at least half of its
    /// values before.
    fn takes_part(&self) -> impl Iterator<Item = bool> + '_ {
        let Self {
            features, index, ..
        } = *self;
        self.scales.iter().enumerate().map(move |(metric, scale)| {
            scale.is_some()
                && features.value(metric, index).is_finite()
                && features.long_median(metric, index).is_finite()
                && features.is_warm(metric, index)
        })
    }

    /// Whether it can be judged: some metric takes part.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        self.takes_part().any(|takes_part| takes_part)
    }

    fn status(&self, metrics: &[Vec<f64>], row: usize) -> Status {
        let values = || metrics.iter().map(|values| values[row]);
        let block = self.features.layout().block_of(self.index);
        if values().all(f64::is_nan) {
            Status::NoData
        } else if !values().any(f64::is_finite) {
            Status::NullInput
        } else if !self.is_judged() {
            Status::Warmup
        } else if !values().all(f64::is_finite) {
            Status::NullInput
        } else if self.features.has_full_reach(block) {
            Status::Ok
        } else {
            Status::ShortHistory
        }
    }

    /// The parts of its odds that need no forward pass; `None` if it is not judged.
    fn unjudged(&self) -> Option<WindowOdds> {
        let mut farthest: Option<(f64, WindowOdds)> = None;
        for (metric, takes_part) in self.takes_part().enumerate() {
            let Some(scale) = self.scales[metric].filter(|_| takes_part) else {
                continue;
            };
            let value = self.features.value(metric, self.index);
            let level = self.features.long_median(metric, self.index);
            let distance = (value - level).abs() / scale.scale;
            if farthest.is_none_or(|(largest, _)| distance > largest) {
                let odds = WindowOdds {
                    log_odds: f64::NAN,
                    top_metric: metric,
                    value,
                    level,
                };
                farthest = Some((distance, odds));
            }
        }
        farthest.map(|(_, odds)| odds)
    }
}

/// Windows waiting for a forward pass.
struct Batch {
    inputs: Vec<f32>,
    /// Each with the number of its row.
    pending: Vec<(usize, WindowOdds)>,
}

impl Batch {
    fn new(layout: &BlockLayout) -> Self {
        Self {
            inputs: Vec::with_capacity(BATCH_WINDOWS * window_inputs(layout)),
            pending: Vec::with_capacity(BATCH_WINDOWS),
        }
    }

    fn push(&mut self, window: &Window<'_>, row: usize, odds: WindowOdds) {
        let begin = self.inputs.len();
        let inputs = begin + window_inputs(window.features.layout());
        self.inputs.resize(inputs, 0.0);
        let Window {
            features,
            scales,
            index,
        } = *window;
        write_window(features, index, scales, &mut self.inputs[begin..]);
        self.pending.push((row, odds));
    }

    fn run(
        &mut self,
        layout: &BlockLayout,
        classifiers: &[&ClassifierPredictor],
        work: &mut Work,
        take: &mut dyn FnMut(usize, usize, WindowOdds),
    ) -> Result<(), ForecastError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // Parallelism is between series, where the query engine has it.
        let threads = 1;
        for (number, classifier) in classifiers.iter().enumerate() {
            let started = Instant::now();
            let found = classifier.log_odds(&self.inputs, layout.lookback + 1, threads)?;
            work.kernel_time += started.elapsed();
            work.blocks += self.pending.len().div_ceil(layout.block);
            for ((row, odds), log_odds) in self.pending.iter().zip(found) {
                let log_odds = f64::from(log_odds);
                take(number, *row, WindowOdds { log_odds, ..*odds });
            }
        }
        self.inputs.clear();
        self.pending.clear();
        Ok(())
    }
}

/// Inputs of one window.
pub(crate) fn window_inputs(layout: &BlockLayout) -> usize {
    (layout.lookback + 1) * layout.metrics()
}
