//! The series of the study that are no collection of `anomalog evaluate`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::evaluation::collection::{self, CollectionError, LabelledSeries};

/// Share of a series of the Numenta Anomaly Benchmark that is not judged. The benchmark itself has
/// 15 %, too short for a detector of the series' own.
const NAB_TRAINING_SHARE: f64 = 0.35;
/// Widest border of events of its volumes, as a share of the series: half the width of the windows
/// that it labels, 10 % of a series shared by all its anomalies.
const NAB_BORDER_SHARE: f64 = 0.01;
/// Dataset of it.
pub const NAB: &str = "NAB";
/// Dataset of the outage.
pub const OUTAGE: &str = "outage 1995";
/// Midnight before the first day that is judged of the outage: 24 July 1995, UTC.
const OUTAGE_SINCE: i64 = 806_544_000;
/// Files of the lists that are read as they are.
const LISTS: [&str; 2] = ["kpi/series.csv", "tsbad/series.csv"];

/// What was found of the data.
#[derive(Debug, Default)]
pub struct Found {
    /// The series.
    pub series: Vec<LabelledSeries>,
    /// What is not there.
    pub absent: Vec<String>,
}

/// Reads all series of one metric below a folder.
///
/// # Errors
/// When one cannot be read.
pub fn read(folder: &Path) -> Result<Found, CollectionError> {
    let mut found = Found::default();
    for list in LISTS {
        let path = folder.join(list);
        if path.is_file() {
            found.series.extend(collection::read(&path)?);
        } else {
            found.absent.push(list.to_owned());
        }
    }
    let nab = parquet_files(&folder.join("nab"));
    if nab.is_empty() {
        found.absent.push("nab".to_owned());
    }
    for path in nab {
        let series = collection::read_alone(&path, NAB, NAB_TRAINING_SHARE, NAB_BORDER_SHARE)?;
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
            .push(collection::read_counts(&path, OUTAGE, OUTAGE_SINCE)?);
    } else {
        found.absent.push(outage.to_owned());
    }
    Ok(found)
}

/// The Parquet files in the folders of a folder, sorted; none if there is no folder.
fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let files = entries(folder)
        .into_iter()
        .flat_map(|folder| entries(&folder));
    files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "parquet")
        })
        .collect()
}
