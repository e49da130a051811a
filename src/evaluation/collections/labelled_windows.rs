//! Windows of traffic with labels: each site is a labelled series of several metrics.
//!
//! A window is an anomaly if a label covers a part of it. Windows before `since` are the training
//! range, the same for all sites; the rest is judged.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::series::{KnownAnomaly, LabelledSeries};
use crate::calendar::labels::Label;
use crate::explain::{Explain, first_backticked};
use crate::training::dataset::{self, Series};
use crate::units::rfc_3339;

const SECONDS_PER_HOUR: u32 = 3_600;
/// Windows that a series with holes may have for each of its rows: beyond, its times are wrong.
const MOST_WINDOWS_PER_ROW: usize = 100;

/// Why windows and labels do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelledWindowsError {
    /// No site has two windows.
    #[error("there are no windows to judge")]
    NoWindows,
    /// A site of a label has no windows.
    #[error("label {row} is about the site `{site}`, which has no windows, only {}", first_backticked(.found))]
    UnknownSite {
        /// The label, from 1.
        row: usize,
        /// The site.
        site: String,
        /// The sites that there are.
        found: Vec<String>,
    },
    /// Windows of a site that are no whole steps apart.
    #[error(
        "the window of `{site}` at {time} is not a whole number of steps of {step_seconds} s after its first"
    )]
    OtherStep {
        /// The site.
        site: String,
        /// The window.
        time: String,
        /// The most frequent distance between windows, over all sites.
        step_seconds: i64,
    },
    /// Nothing before, or nothing after the beginning of the range judged.
    #[error("windows reach from {first} to {last}, and are judged from {since} on")]
    NoRange {
        /// First window of all sites.
        first: String,
        /// Last window of all sites.
        last: String,
        /// First window judged.
        since: String,
    },
    /// No label in the range judged.
    #[error("none of {labels} labels lies in the windows that are judged, from {since} to {last}")]
    NoLabels {
        /// How many labels there are.
        labels: usize,
        /// First window judged.
        since: String,
        /// Last window of all sites.
        last: String,
    },
}

impl Explain for LabelledWindowsError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoWindows => Some("build some with `anomalog windows`".into()),
            Self::UnknownSite { .. } => {
                Some("labels name sites as `SELECT DISTINCT site FROM traffic_windows` does".into())
            }
            Self::OtherStep { .. } => {
                Some("all series of one evaluation have windows of one length".into())
            }
            Self::NoRange { .. } | Self::NoLabels { .. } => Some(
                "`--since` parts the windows that detectors learn from and those judged".into(),
            ),
        }
    }
}

/// Series of a dataset, from windows by site, labels, and the time from which on is judged, in
/// microseconds since the epoch. Holes are filled. Volumes have borders of one hour.
///
/// Labels outside the windows of their site are left out, and so are sites whose windows end before
/// `since`.
///
/// # Errors
/// When a label's site has no windows, no site has windows before or after `since`, windows are not
/// whole steps apart, or no label is judged.
pub fn label(
    dataset: &str,
    metric_names: &[String],
    windows: &[Series],
    labels: &[Label],
    since: i64,
) -> Result<Vec<LabelledSeries>, LabelledWindowsError> {
    let step = dataset::step_of(windows).ok_or(LabelledWindowsError::NoWindows)?;
    let sites: BTreeSet<&str> = windows.iter().map(|series| series.key.as_str()).collect();
    let mut by_site: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
    for (row, label) in labels.iter().enumerate() {
        if !sites.contains(label.site.as_str()) {
            return Err(LabelledWindowsError::UnknownSite {
                row: row + 1,
                site: label.site.clone(),
                found: sites.iter().map(|site| (*site).to_owned()).collect(),
            });
        }
        by_site.entry(&label.site).or_default().push(label);
    }
    let times = || windows.iter().flat_map(|series| &series.window_start);
    let (first, last) = times()
        .min()
        .zip(times().max())
        .ok_or(LabelledWindowsError::NoWindows)?;
    let (first, last) = (*first, *last);
    if since <= first || since > last {
        return Err(LabelledWindowsError::NoRange {
            first: rfc_3339(first),
            last: rfc_3339(last),
            since: rfc_3339(since),
        });
    }
    let is_late = |series: &Series| {
        series
            .window_start
            .last()
            .is_some_and(|last| *last >= since)
    };
    let mut all = Vec::new();
    for series in windows.iter().filter(|series| is_late(series)) {
        let own = by_site.get(series.key.as_str()).cloned();
        let own = own.unwrap_or_default();
        all.push(one(dataset, metric_names, series, &own, since, step)?);
    }
    let is_judged = |series: &LabelledSeries| series.labels[series.train_points..].contains(&true);
    if !all.iter().any(is_judged) {
        return Err(LabelledWindowsError::NoLabels {
            labels: labels.len(),
            since: rfc_3339(since),
            last: rfc_3339(last),
        });
    }
    Ok(all)
}

fn one(
    dataset: &str,
    metric_names: &[String],
    series: &Series,
    labels: &[&Label],
    since: i64,
    step: i64,
) -> Result<LabelledSeries, LabelledWindowsError> {
    let slots = slots(series, step)?;
    let first = series.window_start.first().copied().unwrap_or_default();
    let windows = slots.last().map_or(0, |last| last + 1);
    let train_points = ((since - first).max(0) as u64).div_ceil(step as u64) as usize;
    let mut metrics = vec![vec![f64::NAN; windows]; series.metrics.len()];
    for (filled, values) in metrics.iter_mut().zip(&series.metrics) {
        for (slot, value) in slots.iter().zip(values) {
            filled[*slot] = *value;
        }
    }
    let mut labelled = vec![false; windows];
    let mut anomalies = Vec::new();
    for label in labels {
        // The windows that the label covers a part of.
        let from = (label.start - first).div_euclid(step).max(0);
        let to = (label.end - 1 - first).div_euclid(step) + 1;
        let to = to.clamp(0, windows as i64);
        if from < to {
            let windows = from as usize..to as usize;
            labelled[windows.clone()].fill(true);
            let kind = label.kind.clone();
            anomalies.push(KnownAnomaly { windows, kind });
        }
    }
    let step_seconds = (step / 1_000_000).max(1) as u32;
    Ok(LabelledSeries {
        file: series.key.clone(),
        dataset: dataset.to_owned(),
        window_start: (0..windows as i64)
            .map(|slot| first + slot * step)
            .collect(),
        metric_names: metric_names.to_vec(),
        metrics,
        labels: labelled,
        anomalies,
        second: None,
        train_points,
        vus_window: (SECONDS_PER_HOUR / step_seconds).max(1) as usize,
        step_seconds,
    })
}

/// The place of each row, the first being 0.
fn slots(series: &Series, step: i64) -> Result<Vec<usize>, LabelledWindowsError> {
    let first = series.window_start.first().copied().unwrap_or_default();
    let most = MOST_WINDOWS_PER_ROW * series.window_start.len();
    let mut slots: Vec<usize> = Vec::with_capacity(series.window_start.len());
    for time in &series.window_start {
        let distance = time - first;
        let slot = (distance / step) as usize;
        let is_next = slots.last().is_none_or(|last| slot > *last);
        if distance % step != 0 || !is_next || slot > most {
            return Err(LabelledWindowsError::OtherStep {
                site: series.key.clone(),
                time: rfc_3339(*time),
                step_seconds: step / 1_000_000,
            });
        }
        slots.push(slot);
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn series(key: &str, minutes: impl IntoIterator<Item = i64>) -> Series {
        let window_start: Vec<i64> = minutes.into_iter().map(|minute| minute * MINUTE).collect();
        let values = window_start.iter().map(|time| (time / MINUTE) as f64);
        Series {
            metrics: vec![values.clone().collect(), values.map(|v| v + 0.5).collect()],
            key: key.to_owned(),
            window_start,
            ..Series::default()
        }
    }

    fn of(site: &str, start_seconds: i64, end_seconds: i64) -> Label {
        Label {
            site: site.to_owned(),
            start: start_seconds * 1_000_000,
            end: end_seconds * 1_000_000,
            kind: "flood".to_owned(),
        }
    }

    fn names() -> Vec<String> {
        ["requests", "bytes"].map(str::to_owned).into()
    }

    fn refused(windows: &[Series], labels: &[Label], since: i64) -> String {
        let labelled = label("warehouse", &names(), windows, labels, since * MINUTE);
        labelled.unwrap_err().to_string()
    }

    #[test]
    fn windows_that_a_label_covers_a_part_of_are_anomalies() {
        let windows = vec![series("a", [0, 1, 2, 5, 6, 7, 8]), series("b", 0..9)];
        let labels = [of("a", 359, 361), of("a", 480, 9_999), of("b", 0, 60)];
        let all = label("warehouse", &names(), &windows, &labels, 3 * MINUTE).unwrap();
        let a = &all[0];
        assert_eq!(
            (a.file.as_str(), a.train_points, a.step_seconds),
            ("a", 3, 60)
        );
        assert!(a.metrics[0][3].is_nan() && a.metrics[1][4].is_nan());
        assert_eq!(a.metrics[1][5].to_bits(), 5.5_f64.to_bits());
        let labelled: Vec<usize> = (0..9).filter(|row| a.labels[*row]).collect();
        assert_eq!(labelled, [5, 6, 8]);
        let known: Vec<_> = a
            .anomalies
            .iter()
            .map(|known| known.windows.clone())
            .collect();
        assert_eq!(known, [5..7, 8..9]);
        assert!(all[1].labels[0] && !all[1].labels[1]);
    }

    #[test]
    fn labels_that_do_not_go_with_the_windows_are_refused() {
        let windows = || vec![series("a", 0..9), series("b", 0..9)];
        insta::assert_snapshot!(refused(&windows(), &[of("a", 0, 60), of("c", 0, 60)], 3), @"label 2 is about the site `c`, which has no windows, only `a`, `b`");
        insta::assert_snapshot!(refused(&windows(), &[of("a", 0, 60)], 3), @"none of 1 labels lies in the windows that are judged, from 1970-01-01T00:03:00Z to 1970-01-01T00:08:00Z");
        insta::assert_snapshot!(refused(&windows(), &[of("a", 0, 60)], 9), @"windows reach from 1970-01-01T00:00:00Z to 1970-01-01T00:08:00Z, and are judged from 1970-01-01T00:09:00Z on");
        insta::assert_snapshot!(refused(&windows(), &[of("a", 0, 60)], 0), @"windows reach from 1970-01-01T00:00:00Z to 1970-01-01T00:08:00Z, and are judged from 1970-01-01T00:00:00Z on");
        insta::assert_snapshot!(refused(&[], &[of("a", 0, 60)], 0), @"there are no windows to judge");
    }

    #[test]
    fn sites_may_begin_later_and_end_before() {
        let windows = vec![
            series("a", 0..9),
            series("late", 5..9),
            series("gone", 0..3),
        ];
        let all = label("w", &names(), &windows, &[of("late", 400, 420)], 4 * MINUTE).unwrap();
        let ranges: Vec<_> = all
            .iter()
            .map(|s| (s.file.as_str(), s.train_points))
            .collect();
        assert_eq!(ranges, [("a", 4), ("late", 0)]);
    }

    #[test]
    fn windows_of_another_step_and_double_ones_are_refused() {
        let mut other = series("b", 0..9);
        other.window_start[4] += 30_000_000;
        let label = [of("a", 240, 300)];
        insta::assert_snapshot!(refused(&[series("a", 0..9), other], &label, 3), @"the window of `b` at 1970-01-01T00:04:30Z is not a whole number of steps of 60 s after its first");
        let twice = series("a", [0, 1, 2, 3, 4, 4, 5]);
        assert!(refused(&[twice], &label, 3).contains("00:04:00Z"));
    }
}
