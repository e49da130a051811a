//! The rows a detector learns from, and how they are cut in time.

use std::collections::BTreeMap;

use anomalog_engine::detector::hex;
use anomalog_engine::series::Rows;
use anomalog_engine::series::time_zone::TimeZone;
use sha2::{Digest, Sha256};

use super::error::TrainingError;
use super::skipped::SkippedSeries;
use super::split::{MIN_CALIBRATION_WINDOWS, Split};

/// One series: its key and its rows.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// The series key.
    pub key: String,
    /// Start of each window, microseconds since the epoch, ascending.
    pub window_start: Vec<i64>,
    /// One vector per metric, of values as [`Observed::encoded`](anomalog_engine::series::Observed::encoded)
    /// has them.
    pub metrics: Vec<Vec<f64>>,
    /// Where it is what time of day.
    pub time_zone: TimeZone,
}

impl Series {
    /// The rows as forecasters read them.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            window_start: &self.window_start,
            metrics: &self.metrics,
            time_zone: Some(self.time_zone),
        }
    }

    /// Why nothing can be learned from the series before a time, if so.
    fn defect(&self, fit_until: i64) -> Option<&'static str> {
        let rows = self.window_start.partition_point(|&time| time < fit_until);
        if rows == 0 {
            return Some("has no rows in the fit range");
        }
        let present = |values: &Vec<f64>| values[..rows].iter().copied().any(f64::is_finite);
        let varies = |values: &Vec<f64>| {
            let mut finite = values[..rows].iter().filter(|value| value.is_finite());
            finite
                .next()
                .is_some_and(|first| finite.any(|value| value.total_cmp(first).is_ne()))
        };
        if !self.metrics.iter().any(present) {
            Some("has no values in the fit range")
        } else if !self.metrics.iter().any(varies) {
            Some("is constant in the fit range")
        } else {
            None
        }
    }
}

/// Series, their common step and split.
#[derive(Debug, Clone)]
pub struct Dataset {
    series: Vec<Series>,
    skipped: Vec<SkippedSeries>,
    metrics: Vec<String>,
    step_micros: i64,
    split: Split,
}

impl Dataset {
    /// Takes all series, leaves out those that nothing can be learned from, and cuts the rest.
    ///
    /// The step is the most frequent distance between consecutive rows.
    ///
    /// # Errors
    /// When no series is left, or too few rows for the three ranges.
    pub fn new(metrics: Vec<String>, series: Vec<Series>) -> Result<Self, TrainingError> {
        let times = series.iter().flat_map(|series| series.window_start.iter());
        let split = Split::of(times.copied().collect());
        let Some((step_micros, split)) = step_of(&series).zip(split) else {
            let skipped = skip_all(&series, "has fewer than two rows");
            return Err(TrainingError::NoUsableSeries { skipped });
        };
        let split = Split {
            until: split.until + step_micros,
            ..split
        };
        let (mut usable, mut skipped) = (Vec::new(), Vec::new());
        for series in series {
            match series.defect(split.fit_until) {
                None => usable.push(series),
                Some(reason) => {
                    skipped.push(SkippedSeries {
                        series: series.key,
                        reason: reason.to_owned(),
                    });
                }
            }
        }
        if usable.is_empty() {
            return Err(TrainingError::NoUsableSeries { skipped });
        }
        let dataset = Self {
            series: usable,
            skipped,
            metrics,
            step_micros,
            split,
        };
        let found = dataset.rows_in(split.stop_until, split.until);
        if found < MIN_CALIBRATION_WINDOWS {
            let needed = MIN_CALIBRATION_WINDOWS;
            return Err(TrainingError::TooLittleData {
                range: "calibration",
                found,
                needed,
            });
        }
        Ok(dataset)
    }

    /// The series that take part, in the order of their keys.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The series that do not.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedSeries] {
        &self.skipped
    }

    /// Names of the metrics, in order.
    #[must_use]
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// The smallest change that each metric can show: 1 where all values are whole numbers that
    /// are never negative, else 0.
    #[must_use]
    pub fn resolutions(&self) -> Vec<f64> {
        let is_count = |metric: usize| {
            let values = self
                .series
                .iter()
                .flat_map(|series| &series.metrics[metric]);
            let mut finite = values.filter(|value| value.is_finite());
            finite.all(|value| *value >= 0.0 && value.fract() == 0.0)
        };
        let metrics = 0..self.metrics.len();
        metrics.map(|metric| f64::from(is_count(metric))).collect()
    }

    /// Length of a window.
    #[must_use]
    pub fn step_micros(&self) -> i64 {
        self.step_micros
    }

    /// The ranges.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split
    }

    /// Rows of the series that take part.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.series
            .iter()
            .map(|series| series.window_start.len())
            .sum()
    }

    fn rows_in(&self, from: i64, until: i64) -> usize {
        let before = |series: &Series, end| series.window_start.partition_point(|&time| time < end);
        self.series
            .iter()
            .map(|series| before(series, until) - before(series, from))
            .sum()
    }

    /// SHA-256 over keys, times and values, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        for series in &self.series {
            digest.update((series.key.len() as u64).to_le_bytes());
            digest.update(series.key.as_bytes());
            digest.update((series.window_start.len() as u64).to_le_bytes());
            for time in &series.window_start {
                digest.update(time.to_le_bytes());
            }
            if !series.time_zone.is_utc() {
                digest.update(series.time_zone.identity());
            }
            for value in series.metrics.iter().flatten() {
                digest.update(value.to_bits().to_le_bytes());
            }
        }
        hex(&digest.finalize())
    }
}

fn skip_all(series: &[Series], reason: &str) -> Vec<SkippedSeries> {
    let skip = |series: &Series| SkippedSeries {
        series: series.key.clone(),
        reason: reason.to_owned(),
    };
    series.iter().map(skip).collect()
}

/// The most frequent positive distance between consecutive rows; the smaller of two equally
/// frequent.
#[must_use]
pub fn step_of(series: &[Series]) -> Option<i64> {
    let mut counts = BTreeMap::<i64, usize>::new();
    let pairs = series
        .iter()
        .flat_map(|series| series.window_start.windows(2));
    for step in pairs.map(|pair| pair[1] - pair[0]).filter(|step| *step > 0) {
        *counts.entry(step).or_default() += 1;
    }
    let most = *counts.values().max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == most)
        .map(|(step, _)| step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn series(key: &str, rows: i64, value: impl Fn(i64) -> f64) -> Series {
        Series {
            key: key.to_owned(),
            window_start: (0..rows).map(|row| row * MINUTE).collect(),
            metrics: vec![(0..rows).map(value).collect()],
            time_zone: TimeZone::UTC,
        }
    }

    fn dataset(series: Vec<Series>) -> Result<Dataset, TrainingError> {
        Dataset::new(vec!["requests".to_owned()], series)
    }

    #[test]
    fn ranges_are_in_order_and_hold_their_shares() {
        let dataset = dataset(vec![series("a", 10_000, |row| (row % 7) as f64)]).unwrap();
        let Split {
            from,
            fit_until,
            stop_until,
            until,
        } = dataset.split();
        assert_eq!((from, fit_until), (0, 7_000 * MINUTE));
        assert_eq!((stop_until, until), (8_000 * MINUTE, 10_000 * MINUTE));
        assert_eq!(dataset.step_micros(), MINUTE);
    }

    #[test]
    fn a_day_is_enough_and_half_a_day_is_not() {
        assert!(dataset(vec![series("a", 1_440, |row| (row % 7) as f64)]).is_ok());
        let error = dataset(vec![series("a", 720, |row| (row % 7) as f64)]).unwrap_err();
        assert!(
            matches!(error, TrainingError::TooLittleData { found: 288, .. }),
            "{error}"
        );
    }

    #[test]
    fn constant_and_missing_series_are_left_out_by_name() {
        let dataset = dataset(vec![
            series("good", 3_000, |row| (row % 7) as f64),
            series("flat", 3_000, |_| 4.0),
            series("void", 3_000, |_| f64::NAN),
        ])
        .unwrap();
        assert_eq!(dataset.series().len(), 1);
        let skipped: Vec<_> = dataset
            .skipped()
            .iter()
            .map(|skip| skip.series.as_str())
            .collect();
        assert_eq!(skipped, ["flat", "void"]);
    }

    #[test]
    fn nothing_usable_names_every_reason() {
        let error = dataset(vec![series("flat", 3_000, |_| 4.0)]).unwrap_err();
        insta::assert_snapshot!(
            error,
            @"no series can be learned from: `flat` is constant in the fit range"
        );
        assert!(dataset(Vec::new()).is_err());
    }

    #[test]
    fn the_digest_sees_every_value() {
        let one = dataset(vec![series("a", 3_000, |row| (row % 7) as f64)]).unwrap();
        let other = dataset(vec![series("a", 3_000, |row| {
            (row % 7) as f64 + f64::from(row == 2_999)
        })]);
        assert_ne!(one.sha256(), other.unwrap().sha256());
    }
}
