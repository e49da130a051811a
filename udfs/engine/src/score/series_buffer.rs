//! The rows of a series while they arrive.

use crate::forecast::ForecastError;
use crate::series::RowCheck;
use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;

/// Rows of one series that are forecast together, in reaches of the layout: the history before
/// them, one reach, is read again each time.
const REACHES_PER_SLICE: usize = 4;

/// The rows of the current series that are still needed: history, then rows to forecast.
#[derive(Debug)]
pub(super) struct SeriesBuffer {
    pub(super) layout: BlockLayout,
    pub(super) time_zone: TimeZone,
    check: RowCheck,
    /// Grid index of the first row of the series.
    pub(super) first_index: i64,
    /// Start of the first block to forecast; rows before it are history from the beginning.
    first_block: i64,
    /// Windows before a block that it can depend on.
    reach: usize,
    /// Rows that are kept for those after them.
    pub(super) history: usize,
    /// Rows beyond the history that are forecast together.
    slice_rows: usize,
    /// Number of each row.
    pub(super) ids: Vec<usize>,
    pub(super) indices: Vec<i64>,
    pub(super) metrics: Vec<Vec<f64>>,
}

impl SeriesBuffer {
    pub(super) fn new(layout: &BlockLayout, time_zone: TimeZone, scored_from: i64) -> Self {
        let reach = layout.reach(time_zone);
        Self {
            layout: layout.clone(),
            time_zone,
            check: RowCheck::new(layout),
            first_index: 0,
            // Whole blocks: scores are the same whatever part of a block is asked for.
            first_block: layout.block_of(scored_from.div_euclid(layout.step_micros)),
            reach,
            history: 0,
            slice_rows: REACHES_PER_SLICE * reach,
            ids: Vec::new(),
            indices: Vec::new(),
            metrics: vec![Vec::new(); layout.metrics()],
        }
    }

    pub(super) fn push(
        &mut self,
        id: usize,
        time: i64,
        values: impl Iterator<Item = f64>,
    ) -> Result<(), ForecastError> {
        let index = self.check.row(time)?;
        if self.ids.is_empty() {
            self.first_index = index;
        }
        self.ids.push(id);
        self.indices.push(index);
        for (metric, value) in self.metrics.iter_mut().zip(values) {
            metric.push(value);
        }
        if index < self.first_block {
            self.history = self.ids.len();
            if self.history > 2 * self.reach {
                self.forget_beyond(self.first_block);
            }
        }
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.ids.len() - self.history > self.slice_rows
    }

    /// Number of the first row that is not forecast.
    pub(super) fn first_unknown(&self) -> Option<usize> {
        self.ids.get(self.history).copied()
    }

    /// Place of the first row of the block that holds the last row: it may not be complete.
    pub(super) fn last_block_start(&self) -> usize {
        let last = self.indices.last().copied().unwrap_or_default();
        let last = self.layout.block_of(last);
        self.indices.partition_point(|&index| index < last)
    }

    /// Makes the rows before `end`, which starts a block, history, and drops those of them that
    /// no later block can reach. One row beyond the reach stays: a lookback that begins in the
    /// hole behind it is one that begins within the series.
    pub(super) fn forget_before(&mut self, end: usize) {
        self.history = end;
        self.forget_beyond(self.layout.block_of(self.indices[end]));
    }

    /// Drops the rows that a block and those after it cannot reach, all of which are history.
    fn forget_beyond(&mut self, block: i64) {
        let reach = block - self.reach as i64;
        let beyond = self.indices.partition_point(|&index| index <= reach);
        let dropped = beyond.saturating_sub(1);
        self.history -= dropped;
        self.ids.drain(..dropped);
        self.indices.drain(..dropped);
        for values in &mut self.metrics {
            values.drain(..dropped);
        }
    }

    /// Ends the series: a fault shows that shows only at its end.
    pub(super) fn end(&mut self) -> Result<(), ForecastError> {
        Ok(self.check.end()?)
    }

    pub(super) fn clear(&mut self) {
        self.check = RowCheck::new(&self.layout);
        self.history = 0;
        self.ids.clear();
        self.indices.clear();
        self.metrics.iter_mut().for_each(Vec::clear);
    }

    pub(super) fn size(&self) -> usize {
        let row = size_of::<usize>() + size_of::<i64>() + self.metrics.len() * size_of::<f64>();
        self.ids.capacity() * row
    }
}
