//! A series on its time grid: one slot per window, missing windows included.
//!
//! Rows arrive as `(window_start, metrics…)` in time order. Detectors count in windows, so rows
//! are first laid on the grid `floor(window_start / step)`. A hole longer than the history a
//! detector can use splits the grid: nothing behind it can matter, and a stray timestamp years
//! away cannot ask for a grid of that length.

pub mod blocks;
mod observed;
pub mod time_zone;

pub use observed::Observed;

use thiserror::Error;

use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;

/// Rows of one series, ascending in time: what a detector scores or learns from.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Start of each window, microseconds since the Unix epoch, UTC; strictly ascending.
    pub window_start: &'a [i64],
    /// One vector per metric, as long as `window_start`, of values as [`Observed::encoded`] has them.
    pub metrics: &'a [Vec<f64>],
    /// The zone of times of day; `None` where the starts are no real times, and all that depends on the
    /// time of day is off.
    pub time_zone: Option<TimeZone>,
}

/// Why rows could not be laid on the grid.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SeriesError {
    /// Two rows fall into one window.
    #[error("two rows fall into the window that starts at {}", format_micros(*.window_start))]
    DuplicateWindow {
        /// Start of the window, microseconds since the epoch.
        window_start: i64,
    },
    /// Rows are not ascending in time.
    #[error(
        "rows are not in time order: {} comes after {}",
        format_micros(*.window_start),
        format_micros(*.previous)
    )]
    Unordered {
        /// The row out of order.
        window_start: i64,
        /// The row before it.
        previous: i64,
    },
    /// No two rows are one window apart.
    #[error(
        "windows are {found_seconds} s apart or more, and the detector expects windows of \
         {expected_seconds} s"
    )]
    Step {
        /// The step of the detector.
        expected_seconds: i64,
        /// The smallest distance between two rows.
        found_seconds: i64,
    },
}

impl SeriesError {
    /// The hint that goes with the message.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::DuplicateWindow { .. } => {
                "give one row per series and window: is the series key missing from `PARTITION BY`?"
            }
            Self::Unordered { .. } => "order the window by the first argument, ascending",
            Self::Step { .. } => {
                "use a detector for windows of this length, such as 'pretrained-lstm:5m' or 'baseline:5m' for 5 \
                 minutes, or aggregate to the detector's"
            }
        }
    }
}

/// RFC 3339, for messages.
#[must_use]
pub fn format_micros(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros).map_or_else(
        || format!("{micros} µs"),
        |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// A dense segment of one series: consecutive windows without a long hole between rows.
#[derive(Debug, Clone)]
pub struct SeriesGrid {
    /// Grid index, `floor(window_start / step)`, of the first slot.
    pub first: i64,
    /// Grid index of the first row of the whole series; at or before `first`.
    pub series_first: i64,
    /// One vector per metric with one value per slot; NaN where missing.
    pub metrics: Vec<Vec<f64>>,
    /// The slot of each row of this segment, ascending.
    pub row_slots: Vec<usize>,
}

impl SeriesGrid {
    /// Number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.metrics.first().map_or(0, Vec::len)
    }

    /// Whether there are no slots.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Grid index one past the last slot.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.first + self.len() as i64
    }
}

/// Checks rows one by one as they arrive: they must be those of one series.
#[derive(Debug, Clone)]
pub struct RowCheck {
    step_micros: i64,
    min_rows: usize,
    rows: usize,
    /// Start and grid index of the row before.
    previous: Option<(i64, i64)>,
    smallest_gap: i64,
}

impl RowCheck {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(layout: &BlockLayout) -> Self {
        Self {
            step_micros: layout.step_micros,
            min_rows: layout.lookback,
            rows: 0,
            previous: None,
            smallest_gap: i64::MAX,
        }
    }

    /// Takes the next row; returns its grid index.
    ///
    /// # Errors
    /// When it is not later than the row before, or in the same window.
    pub fn row(&mut self, window_start: i64) -> Result<i64, SeriesError> {
        let index = window_start.div_euclid(self.step_micros);
        if let Some((previous, previous_index)) = self.previous {
            if window_start < previous {
                return Err(SeriesError::Unordered {
                    window_start,
                    previous,
                });
            }
            if index == previous_index {
                return Err(SeriesError::DuplicateWindow {
                    window_start: index * self.step_micros,
                });
            }
            self.smallest_gap = self.smallest_gap.min(window_start - previous);
        }
        self.previous = Some((window_start, index));
        self.rows += 1;
        Ok(index)
    }

    /// Checks what only the whole series can tell.
    ///
    /// # Errors
    /// When there are at least as many rows as a lookback has windows and no two of them are one
    /// step apart.
    pub fn end(&self) -> Result<(), SeriesError> {
        let is_coarser = self.rows >= self.min_rows
            && self.smallest_gap != i64::MAX
            && self.smallest_gap >= 2 * self.step_micros;
        if is_coarser {
            return Err(SeriesError::Step {
                expected_seconds: self.step_micros / 1_000_000,
                found_seconds: self.smallest_gap / 1_000_000,
            });
        }
        Ok(())
    }
}

/// The grid index of each row of a series, checked for order, ties and step.
///
/// # Errors
/// As [`RowCheck::row`] and [`RowCheck::end`].
pub fn grid_indices(window_start: &[i64], layout: &BlockLayout) -> Result<Vec<i64>, SeriesError> {
    let mut check = RowCheck::new(layout);
    let indices = window_start
        .iter()
        .map(|&time| check.row(time))
        .collect::<Result<_, _>>()?;
    check.end()?;
    Ok(indices)
}

/// Lays the rows of a series on the grid of a layout: [`grid_indices`], then [`segments`].
///
/// # Errors
/// As [`grid_indices`].
pub fn lay_on_grid(rows: Rows<'_>, layout: &BlockLayout) -> Result<Vec<SeriesGrid>, SeriesError> {
    let indices = grid_indices(rows.window_start, layout)?;
    let series_first = indices.first().copied().unwrap_or_default();
    let zone = rows.time_zone.unwrap_or_default();
    Ok(segments(&indices, rows.metrics, series_first, layout, zone))
}

/// Lays rows, or consecutive rows of a longer series that begins at `series_first`, on the grid, in
/// segments separated by holes longer than the layout's reach. Together the segments hold every row
/// once, in order.
#[must_use]
pub fn segments(
    indices: &[i64],
    metrics: &[Vec<f64>],
    series_first: i64,
    layout: &BlockLayout,
    time_zone: TimeZone,
) -> Vec<SeriesGrid> {
    let reach = layout.reach(time_zone) as i64;
    indices
        .chunk_by(|earlier, later| later - earlier <= reach)
        .scan(0, |begin, part| {
            let range = *begin..*begin + part.len();
            *begin = range.end;
            Some(segment(metrics, indices, range, series_first))
        })
        .collect()
}

fn segment(
    metrics: &[Vec<f64>],
    indices: &[i64],
    range: std::ops::Range<usize>,
    series_first: i64,
) -> SeriesGrid {
    let first = indices[range.start];
    let len = (indices[range.end - 1] - first + 1) as usize;
    let row_slots: Vec<usize> = indices[range.clone()]
        .iter()
        .map(|index| (index - first) as usize)
        .collect();
    let metrics = metrics
        .iter()
        .map(|values| {
            let mut slots = vec![Observed::Null.encoded(); len];
            for (&slot, &value) in row_slots.iter().zip(&values[range.clone()]) {
                // What is no number is as unusable as what is missing. Adding zero turns -0.0,
                // which sorts apart from 0.0, into 0.0.
                if let Some(number) = Observed::decoded(value).number() {
                    slots[slot] = number + 0.0;
                }
            }
            slots
        })
        .collect();
    SeriesGrid {
        first,
        series_first,
        metrics,
        row_slots,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn grid(times: &[i64], values: &[f64]) -> Result<Vec<SeriesGrid>, SeriesError> {
        let metrics = vec![values.to_vec()];
        let times: Vec<i64> = times.iter().map(|minute| minute * MINUTE).collect();
        let layout = BlockLayout {
            step_micros: MINUTE,
            lookback: 3,
            block: 2,
            horizons: vec![1],
            scale_windows: 6,
            profile_windows: 12,
            evidence_windows: 0,
            resolutions: vec![0.0],
        };
        let rows = Rows {
            window_start: &times,
            metrics: &metrics,
            time_zone: Some(TimeZone::UTC),
        };
        lay_on_grid(rows, &layout)
    }

    #[test]
    fn holes_become_missing_slots_and_long_holes_split() {
        let segments = grid(
            &[5, 6, 9, 10_000, 10_001],
            &[1.0, 2.0, f64::INFINITY, 4.0, 5.0],
        )
        .unwrap();
        assert_eq!(segments.len(), 2);
        assert_eq!((segments[0].first, segments[0].len()), (5, 5));
        assert_eq!(segments[0].row_slots, [0, 1, 4]);
        assert_eq!(segments[0].metrics[0][..2], [1.0, 2.0]);
        assert!(
            segments[0].metrics[0][2..]
                .iter()
                .all(|value| value.is_nan())
        );
        assert_eq!((segments[1].first, segments[1].series_first), (10_000, 5));
    }

    #[test]
    fn ties_disorder_and_a_coarser_step_are_errors() {
        assert!(matches!(
            grid(&[1, 1, 2], &[0.0; 3]),
            Err(SeriesError::DuplicateWindow { .. })
        ));
        assert!(matches!(
            grid(&[2, 1, 3], &[0.0; 3]),
            Err(SeriesError::Unordered { .. })
        ));
        let error = grid(&[0, 5, 10], &[0.0; 3]).unwrap_err();
        assert_eq!(
            error,
            SeriesError::Step {
                expected_seconds: 60,
                found_seconds: 300
            }
        );
    }

    #[test]
    fn no_rows_and_one_row() {
        assert!(grid(&[], &[]).unwrap().is_empty());
        assert_eq!(grid(&[-7], &[1.0]).unwrap()[0].first, -7);
    }
}
