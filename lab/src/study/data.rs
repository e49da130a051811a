//! The series of the study that are no collection of `anomalog evaluate`.

use std::path::Path;

use anomalog::evaluation::collections::{self, CollectionError, LabelledSeries, second_opinion};

use crate::unlisted;

/// Share of each series of NAB that is not judged: NAB has no training range of its own.
const NAB_SHARE: f64 = 0.4;
/// Widest border of events of its volumes, as a share of the series: half the width of the windows
/// that it labels, 10 % of a series shared by all its anomalies.
const NAB_BORDER_SHARE: f64 = 0.01;
/// Dataset of it.
pub(crate) const NAB: &str = "NAB";
/// Dataset of the outage.
pub(crate) const OUTAGE: &str = "outage 1995";
/// Midnight before the first day that is judged of the outage: 24 July 1995, UTC.
const OUTAGE_SINCE: i64 = 806_544_000;
/// Files of the lists, and the dataset of all series of a list where it is not the list that says it.
const LISTS: [(&str, Option<&str>); 3] = [
    ("kpi/series.csv", None),
    ("tsbad/series.csv", None),
    ("cloudmon/series.csv", Some(CLOUD)),
];
/// Dataset of Microsoft's cloud monitoring: some by the hour, some by the minute.
pub(crate) const CLOUD: &str = "cloud monitoring";
/// Dataset of application servers, with many metrics each.
pub(crate) const SERVERS: &str = "servers";
/// Rows of a server that are not judged, as its publishers have it.
const SERVER_TRAINING: usize = 8_640;
/// Second labels of series of the first list, by its folder.
const SECOND_LABELS: &str = "kpi/second_labels.parquet";

/// What was found of the data.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The series of one metric.
    pub(crate) series: Vec<LabelledSeries>,
    /// Those of many metrics, the same of each.
    pub(crate) servers: Vec<LabelledSeries>,
    /// What is not there.
    pub(crate) absent: Vec<String>,
}

/// Reads all labelled series below a folder.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Found, CollectionError> {
    let mut found = Found::default();
    for (list, dataset) in LISTS {
        let path = folder.join(list);
        if path.is_file() {
            let mut series = collections::read(&path)?;
            if let Some(dataset) = dataset {
                for series in &mut series {
                    dataset.clone_into(&mut series.dataset);
                }
            }
            found.series.extend(series);
        } else {
            found.absent.push(list.to_owned());
        }
    }
    let path = folder.join(SECOND_LABELS);
    if path.is_file() {
        let second = second_opinion::read(&path)?;
        for series in &mut found.series {
            let name = series.file.trim_end_matches(".parquet");
            if let Some(labels) = second.get(name) {
                series.second = Some(series.second_opinion(labels));
            }
        }
    } else {
        found.absent.push(SECOND_LABELS.to_owned());
    }
    let servers = folder.join("asd");
    if servers.is_dir() {
        for path in unlisted::parquet_files(&servers)? {
            found
                .servers
                .push(unlisted::read_metrics(&path, SERVERS, SERVER_TRAINING)?);
        }
    } else {
        found.absent.push("asd".to_owned());
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
    for path in files {
        // The benchmark itself leaves 15 % out, too short for a detector of the series' own.
        let series = unlisted::read_alone(&path, NAB, NAB_SHARE, NAB_BORDER_SHARE)?;
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
