//! Labelled series that no `series.csv` lists: files of other collections, read as they come.

use std::fs;
use std::path::{Path, PathBuf};

use anomalog::evaluation::collections::{
    About, CollectionError, LabelledSeries, METRIC, MOST_WINDOWS_PER_ROW, SeriesRows,
};
use anomalog::explain::{TableFileError, cannot};
use anomalog::training::dataset::{Series, step_of};
use anomalog::units::rfc_3339;

const SECONDS_PER_HOUR: u32 = 3_600;

/// The Parquet files below a folder, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, CollectionError> {
    let io = || cannot("read", folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io())? {
        let path = entry.map_err(io())?.path();
        if path.is_dir() {
            files.extend(parquet_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads one file of a series that no list describes: its step is the most frequent distance
/// between rows, the first `training_share` of its windows is not judged, and borders of events are
/// `border_share` of its windows wide. Rows go to the nearest window; of several the first counts.
///
/// # Errors
/// When the file is missing, is not what it should be, or has fewer than two windows.
pub(crate) fn read_alone(
    path: &Path,
    dataset: &str,
    training_share: f64,
    border_share: f64,
) -> Result<LabelledSeries, CollectionError> {
    as_windows(
        path,
        &SeriesRows::read(path)?,
        dataset,
        [training_share, border_share],
    )
}

/// The rows of [`read_alone`] as windows.
fn as_windows(
    path: &Path,
    rows: &SeriesRows,
    dataset: &str,
    [training_share, border_share]: [f64; 2],
) -> Result<LabelledSeries, CollectionError> {
    let first = rows.window_start.iter().copied().min().unwrap_or_default();
    let times = vec![Series {
        window_start: rows.window_start.clone(),
        ..Default::default()
    }];
    let Some(step) = step_of(&times) else {
        let path = path.to_owned();
        return Err(CollectionError::Empty { path });
    };
    let place = |time: i64| ((time - first + step / 2) / step) as usize;
    let last = rows.window_start.iter().copied().max().unwrap_or(first);
    let windows = place(last) + 1;
    if windows > MOST_WINDOWS_PER_ROW * rows.window_start.len() {
        let error = TableFileError::Entry {
            path: path.to_owned(),
            row: rows.window_start.len(),
            column: "timestamp",
            found: rfc_3339(last),
            expected: format!("rows about {} s apart", step / 1_000_000),
        };
        return Err(error.into());
    }
    let mut values = vec![f64::NAN; windows];
    let mut labels = vec![false; windows];
    for (row, time) in rows.window_start.iter().enumerate() {
        let slot = place(*time);
        if values[slot].is_nan() {
            values[slot] = rows.metrics[0][row];
        }
        labels[slot] |= rows.labels[row];
    }
    let share = |share: f64| (windows as f64 * share) as usize;
    Ok(LabelledSeries {
        file: file_name(path),
        dataset: dataset.to_owned(),
        window_start: (0..windows as i64)
            .map(|slot| first + slot * step)
            .collect(),
        metric_names: vec![METRIC.to_owned()],
        metrics: vec![values],
        labels,
        anomalies: Vec::new(),
        second: None,
        train_points: share(training_share).clamp(1, windows - 1),
        vus_window: share(border_share),
        step_seconds: (step / 1_000_000).max(1) as u32,
    })
}

/// Reads one file of a series of several metrics, a column each, of which the first rows are not judged:
/// its first two rows tell the step. Borders of events are an hour wide.
///
/// # Errors
/// When the file is missing, is not what it should be, or has no more rows than that.
pub(crate) fn read_metrics(
    path: &Path,
    dataset: &str,
    train_points: usize,
) -> Result<LabelledSeries, CollectionError> {
    let rows = SeriesRows::read_all(path)?;
    let (Some(pair), true) = (
        rows.window_start.first_chunk::<2>(),
        rows.window_start.len() > train_points,
    ) else {
        let path = path.to_owned();
        return Err(CollectionError::Empty { path });
    };
    let step_seconds = ((pair[1] - pair[0]) / 1_000_000).max(1) as u32;
    let about = About {
        file: file_name(path),
        dataset: dataset.to_owned(),
        train_points,
        vus_window: (SECONDS_PER_HOUR / step_seconds).max(1) as usize,
        step_seconds,
    };
    rows.series(path, about)
}

/// Reads a CSV file of counts: seconds since the epoch, a count, and 1 where it is an anomaly. The
/// first two rows tell the step; windows that are not there have no value. Judged is from `since`
/// on, in seconds since the epoch.
///
/// # Errors
/// When the file is missing, a line is no such row, or rows do not ascend by whole steps.
pub(crate) fn read_counts(
    path: &Path,
    dataset: &str,
    since: i64,
) -> Result<LabelledSeries, CollectionError> {
    let text = fs::read_to_string(path).map_err(cannot("read", path))?;
    let mut rows: Vec<[i64; 3]> = Vec::new();
    for (number, line) in text.lines().skip(1).enumerate() {
        let fields = line.split(',').flat_map(|field| field.trim().parse());
        let refuse = |expected: &str| TableFileError::Entry {
            path: path.to_owned(),
            row: number + 1,
            column: "timestamp",
            found: format!("`{line}`"),
            expected: expected.to_owned(),
        };
        let Ok(row) = <[i64; 3]>::try_from(fields.collect::<Vec<_>>()) else {
            return Err(refuse("a time, a count and 0 or 1").into());
        };
        let step = rows.get(1).map_or(1, |second| second[0] - rows[0][0]);
        let distance = rows.last().map_or(step, |last| row[0] - last[0]);
        if distance <= 0 || distance % step != 0 {
            return Err(refuse("whole steps after the row before").into());
        }
        rows.push(row);
    }
    let [first, second, .., last] = &rows[..] else {
        let path = path.to_owned();
        return Err(CollectionError::Empty { path });
    };
    let step = second[0] - first[0];
    let place = |row: &[i64; 3]| ((row[0] - first[0]) / step) as usize;
    let windows = place(last) + 1;
    if windows > MOST_WINDOWS_PER_ROW * rows.len() {
        let error = TableFileError::Entry {
            path: path.to_owned(),
            row: rows.len(),
            column: "timestamp",
            found: last[0].to_string(),
            expected: format!("rows about {step} s apart"),
        };
        return Err(error.into());
    }
    let (mut values, mut labels) = (vec![f64::NAN; windows], vec![false; windows]);
    for row in &rows {
        values[place(row)] = row[1] as f64;
        labels[place(row)] = row[2] == 1;
    }
    let window_start = (0..windows as i64).map(|slot| (first[0] + slot * step) * 1_000_000);
    let before = (since - first[0]).max(0) as u64;
    Ok(LabelledSeries {
        file: file_name(path),
        dataset: dataset.to_owned(),
        window_start: window_start.collect(),
        metric_names: vec![METRIC.to_owned()],
        metrics: vec![values],
        labels,
        anomalies: Vec::new(),
        second: None,
        train_points: (before.div_ceil(step as u64) as usize).clamp(1, windows - 1),
        vus_window: (i64::from(SECONDS_PER_HOUR) / step).max(1) as usize,
        step_seconds: step as u32,
    })
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_file_alone_go_to_the_nearest_window() {
        let rows = SeriesRows {
            window_start: [0, 60, 60, 170, 240, 300]
                .map(|second| second * 1_000_000)
                .to_vec(),
            metric_names: vec![METRIC.to_owned()],
            metrics: vec![vec![0.0, f64::NAN, 2.0, 3.0, 4.0, 5.0]],
            labels: vec![false, true, false, false, false, true],
        };
        let series = as_windows(Path::new("nab/a.parquet"), &rows, "NAB", [0.34, 0.5]).unwrap();
        assert_eq!(
            (series.file.as_str(), series.step_seconds),
            ("a.parquet", 60)
        );
        assert_eq!((series.train_points, series.vus_window), (2, 3));
        assert_eq!(series.labels, [false, true, false, false, false, true]);
        let values = &series.metrics[0];
        // Row 1 has no value, so that of row 2 counts.
        assert_eq!(values[1].to_bits(), 2.0_f64.to_bits());
        assert_eq!(values[3].to_bits(), 3.0_f64.to_bits());
        assert!(values[2].is_nan());
    }

    #[test]
    fn counts_are_read_and_their_faults_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.csv");
        fs::write(&path, "timestamp,requests,outage\n0,4,0\n60,0,1\n180,5,0\n").unwrap();
        let series = read_counts(&path, "outage", 60).unwrap();
        assert_eq!((series.train_points, series.vus_window), (1, 60));
        assert_eq!(series.metrics[0][..2], [4.0, 0.0]);
        assert!(series.metrics[0][2].is_nan() && series.metrics[0][3] > 4.0);
        assert_eq!(series.labels, [false, true, false, false]);
        for faulty in [
            "0,4\n",
            "0,4,0\n60,4,0\n150,4,0\n",
            "0,4,0\n0,4,0\n",
            "0,x,0\n",
            "",
        ] {
            fs::write(&path, format!("timestamp,requests,outage\n{faulty}")).unwrap();
            assert!(read_counts(&path, "outage", 60).is_err(), "{faulty}");
        }
    }
}
