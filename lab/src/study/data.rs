//! The series of the study that are no collection of `anomalog evaluate`.

use std::path::Path;

use anomalog::evaluation::collections::{self, CollectionError, LabelledSeries};
use anomalog_engine::detector::shipped::{self, SeenSeries};

use crate::pretraining::NAB_SHARE;
use crate::unlisted;

/// Widest border of events of its volumes, as a share of the series: half the width of the windows
/// that it labels, 10 % of a series shared by all its anomalies.
const NAB_BORDER_SHARE: f64 = 0.01;
/// Dataset of it.
pub(crate) const NAB: &str = "NAB";
/// Dataset of the outage.
pub(crate) const OUTAGE: &str = "outage 1995";
/// Midnight before the first day that is judged of the outage: 24 July 1995, UTC.
const OUTAGE_SINCE: i64 = 806_544_000;
/// Files of the lists that are read as they are.
const LISTS: [&str; 2] = ["kpi/series.csv", "tsbad/series.csv"];

/// What was found of the data.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The series.
    pub(crate) series: Vec<LabelledSeries>,
    /// What is not there.
    pub(crate) absent: Vec<String>,
}

/// Reads all series of one metric below a folder.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Found, CollectionError> {
    let mut found = Found::default();
    for list in LISTS {
        let path = folder.join(list);
        if path.is_file() {
            found.series.extend(collections::read(&path)?);
        } else {
            found.absent.push(list.to_owned());
        }
    }
    let nab = folder.join("nab");
    let files = if nab.is_dir() {
        unlisted::parquet_files(&nab)?
    } else {
        Vec::new()
    };
    if files.is_empty() {
        found.absent.push("nab".to_owned());
    }
    let seen = shipped::seen_series();
    for path in files {
        // Not judged is what the shipped detectors have seen, who count windows another way. The
        // benchmark itself leaves 15 % out, too short for a detector of the series' own.
        let mut series = unlisted::read_alone(&path, NAB, NAB_SHARE, NAB_BORDER_SHARE)?;
        let is_same = |seen: &&SeenSeries| Path::new(&seen.file).file_name() == path.file_name();
        let seen = seen.iter().find(is_same).map_or(0, |seen| seen.windows);
        series.train_points = series.train_points.max(seen);
        // Without an anomaly there is nothing to find.
        if series.labels.contains(&true) {
            found.series.push(series);
        }
    }
    let outage = "weblogs/nasa_requests_per_minute.csv";
    let path = folder.join(outage);
    if path.is_file() {
        found
            .series
            .push(unlisted::read_counts(&path, OUTAGE, OUTAGE_SINCE)?);
    } else {
        found.absent.push(outage.to_owned());
    }
    Ok(found)
}
