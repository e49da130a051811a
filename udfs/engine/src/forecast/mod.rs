//! From rows to one-window-ahead forecasts: blocks, one recurrent pass each.
//!
//! Rows are cut into blocks aligned to absolute time. Each block starts from the zero state
//! `lookback` windows earlier and forecasts its windows in one pass, so a row costs
//! `(lookback + block) / block` recurrent steps, and its forecast is the same whatever else a
//! query holds.

mod block;
pub mod classify;
mod error;
pub mod gates;
mod queue;
mod slice;
mod status;
mod window;

pub use error::ForecastError;
pub(crate) use queue::{BlockQueue, Work};
pub(crate) use slice::SeriesSlice;
pub use status::Status;
pub use window::{MetricForecast, Normal, WindowForecast};

use crate::network::Predictor;
use crate::series::blocks::BlockLayout;
use crate::series::{Rows, grid_indices};

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
        queue.run(layout, &[Some(predictor)], |_, row, forecast| {
            metrics[row * width..][..width].copy_from_slice(forecast.metrics);
            normal[row] = Some(forecast.normal.clone());
        })
    };
    let mut begin = 0;
    for &Part { rows, first_row } in parts {
        let indices = grid_indices(rows.window_start, layout)?;
        let slice = SeriesSlice::of_series(rows, &indices, first_row);
        let end = begin + indices.len();
        let ids: Vec<usize> = (begin + first_row..end).collect();
        let status = &mut status[begin + first_row..end];
        slice.queue_blocks(layout, &ids, status, &mut queue, &mut run)?;
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
