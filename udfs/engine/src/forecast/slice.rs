//! Cuts the rows of a series into blocks.

use std::sync::Arc;

use super::block::{Block, PendingWindow};
use super::error::ForecastError;
use super::queue::BlockQueue;
use super::status::Status;
use super::window::WindowForecast;
use crate::baseline::{ProfileCache, ProfileMemo};
use crate::features::{ScaleCache, SeriesFeatures};
use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;
use crate::series::{Rows, SeriesGrid, segments};

/// Passes by which evidence reaches back farther than inputs do: it holds the peaks of the windows
/// before a block. Should it be more, it only takes longer.
const EVIDENCE_REACH: usize = 2;

/// Takes a block of a series with its windows that can be judged.
type TakeBlock<'t> = dyn FnMut(&Block<'_>, &[PendingWindow]) -> Result<(), ForecastError> + 't;

/// Consecutive rows of one series: history, then rows to forecast.
///
/// The history must reach back to a row at or before the reach of the first block to forecast, or
/// to the start of the series; the rows must end with the series or with a block. Then forecasts
/// are those of the whole series, bit for bit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeriesSlice<'a> {
    /// Grid index of each row, ascending.
    pub(crate) indices: &'a [i64],
    /// One vector per metric, at least as long as `indices`; NaN and infinite as in
    /// [`crate::series::Rows`].
    pub(crate) metrics: &'a [Vec<f64>],
    /// Grid index of the first row of the whole series.
    pub(crate) series_first: i64,
    /// Rows before this one are history.
    pub(crate) first_row: usize,
    /// As in [`crate::series::Rows`].
    pub(crate) time_zone: Option<TimeZone>,
    /// Where profiles are looked up before they are learned.
    pub(crate) memo: Option<&'a Arc<ProfileMemo>>,
}

impl<'a> SeriesSlice<'a> {
    /// The rows of a whole series on the grid, of which those before `first_row` are history.
    pub(crate) fn of_series(rows: Rows<'a>, indices: &'a [i64], first_row: usize) -> Self {
        Self {
            indices,
            metrics: rows.metrics,
            series_first: indices.first().copied().unwrap_or_default(),
            first_row,
            time_zone: rows.time_zone,
            memo: None,
        }
    }
}

impl SeriesSlice<'_> {
    /// The rows on the grid, as segments.
    pub(crate) fn segments(&self, layout: &BlockLayout) -> Vec<SeriesGrid> {
        let zone = self.time_zone.unwrap_or_default();
        segments(self.indices, self.metrics, self.series_first, layout, zone)
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
        self.each_block(layout, ids, status, &mut |block, windows| {
            queue.push(block, windows);
            if queue.is_full() {
                run(queue)?;
            }
            Ok(())
        })
    }

    /// Gives `take` every row that has a profile, without the forecast of a network, and says what is
    /// known of each as [`Self::queue_blocks`] does.
    pub(crate) fn without_network(
        &self,
        layout: &BlockLayout,
        ids: &[usize],
        status: &mut [Status],
        take: &mut dyn FnMut(usize, WindowForecast<'_>),
    ) {
        let done = self.each_block(layout, ids, status, &mut |block, windows| {
            if let Some(pending) = block.pending(windows) {
                let forecasts = pending.forecasts.chunks(layout.metrics());
                for (window, metrics) in pending.windows.iter().zip(forecasts) {
                    let normal = &window.normal;
                    take(window.row, WindowForecast { metrics, normal });
                }
            }
            Ok(())
        });
        debug_assert!(done.is_ok(), "nothing that is done here fails");
    }

    /// Gives `take` every block with its windows that can be judged, in order.
    fn each_block(
        &self,
        layout: &BlockLayout,
        ids: &[usize],
        status: &mut [Status],
        take: &mut TakeBlock<'_>,
    ) -> Result<(), ForecastError> {
        let mut begin = 0;
        for grid in &self.segments(layout) {
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
                    take(&block, &windows)?;
                }
            }
        }
        Ok(())
    }
}
