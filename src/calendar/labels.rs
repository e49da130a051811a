//! Labels of known anomalies: from when to when which site had what.
//!
//! They say what detectors are judged by, and what gated ones learn from: an alarm that was none is
//! labelled with the kind `normal`.
//!
//! A Parquet or CSV file with the columns `site`, `start` (inclusive), `end` (exclusive) and, if
//! kinds are known, `kind`, as `anomalog simulate` writes it; others are ignored. In CSV times are
//! dates or RFC 3339.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::explain::{Explain, FileError, MissingColumn, TableFileError, cannot, through};
use crate::units::{parse_instant, parse_local, rfc_3339};

/// Kind of an anomaly whose label names none.
pub const UNKNOWN_KIND: &str = "anomaly";
/// Kind of a label that says that nothing was wrong.
pub const NORMAL_KIND: &str = "normal";

/// One anomaly, in microseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The site that has it.
    pub site: String,
    /// First moment.
    pub start: i64,
    /// First moment after it.
    pub end: i64,
    /// What it is.
    pub kind: String,
}

impl Label {
    /// Whether something was wrong.
    #[must_use]
    pub fn is_anomaly(&self) -> bool {
        self.kind != NORMAL_KIND
    }
}

const COLUMNS_OF_LABELS: &str = "labels have the columns site, start (inclusive) and end (exclusive), \
    and kind if kinds are known";

/// Why labels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file cannot be read or does not hold what it should.
    #[error(transparent)]
    Table(#[from] TableFileError),
    /// The same label twice.
    #[error("row {row} of `{}` says the same as row {first}", .path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The later row, from 1.
        row: usize,
        /// The earlier row, from 1.
        first: usize,
    },
    /// No label at all.
    #[error("`{}` has no labels", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

through!(LabelsError, TableFileError: FileError, MissingColumn);

impl Explain for LabelsError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Table(TableFileError::MissingColumn(_) | TableFileError::Type { .. }) => {
                Some(COLUMNS_OF_LABELS.into())
            }
            Self::Duplicate { .. } => Some("remove one: each would count as an anomaly".into()),
            Self::Empty { .. } => Some("name a file of labels with `--labels FILE`".into()),
            Self::Table(_) => None,
        }
    }
}

/// Reads labels: CSV where the name ends in `.csv`, else Parquet.
///
/// # Errors
/// When the file cannot be read, lacks a column, or holds what makes no sense: a label that ends
/// before it begins, or the same label twice.
pub fn read(path: &Path) -> Result<Vec<Label>, LabelsError> {
    read_with(path, None)
}

/// As [`read`], of a file whose times may be local, those without an offset: `local` says when the clocks
/// of a site show one, given in microseconds as if it were UTC, for the first time and the last. The same
/// may be said twice, and what lies within an hour that clocks skip is left out.
///
/// # Errors
/// As [`read`].
pub fn read_local(path: &Path, local: LocalTime<'_>) -> Result<Vec<Label>, LabelsError> {
    read_with(path, Some(local))
}

/// When clocks of a site show a time.
pub type LocalTime<'a> = &'a dyn Fn(&str, i64) -> (i64, i64);

fn read_with(path: &Path, local: Option<LocalTime<'_>>) -> Result<Vec<Label>, LabelsError> {
    let is_csv = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let batches = if is_csv { csv(path)? } else { parquet(path)? };
    let mut reader = Reader {
        path,
        local,
        labels: Vec::new(),
        read: 0,
        rows: HashMap::new(),
    };
    for batch in &batches {
        reader.append(batch)?;
    }
    if reader.labels.is_empty() {
        let path = path.to_owned();
        return Err(LabelsError::Empty { path });
    }
    Ok(reader.labels)
}

/// Reads the labels of all Parquet files in a folder, which need not exist.
///
/// # Errors
/// As [`read`], and when there is no label at all.
pub fn read_folder(folder: &Path) -> Result<Vec<Label>, LabelsError> {
    let empty = || LabelsError::Empty {
        path: folder.to_owned(),
    };
    let entries = std::fs::read_dir(folder).map_err(|_| empty())?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "parquet")
        })
        .collect();
    files.sort();
    let mut labels = Vec::new();
    for file in &files {
        labels.extend(read(file)?);
    }
    if labels.is_empty() {
        return Err(empty());
    }
    Ok(labels)
}

/// Which windows of a site, by their starts, the label of an anomaly covers a part of. Windows have a
/// length of `step`; all in microseconds.
#[must_use]
pub fn covered(labels: &[Label], site: &str, window_start: &[i64], step: i64) -> Vec<bool> {
    let said = said(labels, site, window_start, step);
    said.into_iter().map(|said| said == Some(true)).collect()
}

/// What labels say of the windows of a site: whether there was an anomaly, or nothing. Where two differ,
/// there was one.
#[must_use]
pub fn said(labels: &[Label], site: &str, window_start: &[i64], step: i64) -> Vec<Option<bool>> {
    let mut said = vec![None; window_start.len()];
    for is_anomaly in [false, true] {
        let of_site = |label: &&Label| label.site == site && label.is_anomaly() == is_anomaly;
        for label in labels.iter().filter(of_site) {
            let first = window_start.partition_point(|&start| start + step <= label.start);
            let end = window_start.partition_point(|&start| start < label.end);
            if first < end {
                said[first..end].fill(Some(is_anomaly));
            }
        }
    }
    said
}

fn open(path: &Path) -> Result<File, TableFileError> {
    Ok(File::open(path).map_err(cannot("read", path))?)
}

fn csv(path: &Path) -> Result<Vec<RecordBatch>, TableFileError> {
    let failed = |source| TableFileError::Csv {
        path: path.to_owned(),
        source,
    };
    let format = arrow::csv::reader::Format::default().with_header(true);
    let (found, _) = format.infer_schema(open(path)?, Some(0)).map_err(failed)?;
    let fields = found.fields().iter();
    let texts: Vec<Field> = fields
        .map(|field| Field::new(field.name(), DataType::Utf8, true))
        .collect();
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(Schema::new(texts)))
        .with_header(true)
        .build(open(path)?)
        .map_err(failed)?;
    reader.collect::<Result<_, _>>().map_err(failed)
}

fn parquet(path: &Path) -> Result<Vec<RecordBatch>, TableFileError> {
    let failed = |source| TableFileError::Parquet {
        path: path.to_owned(),
        source,
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(open(path)?)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(failed)?;
    let batches: Result<Vec<_>, ArrowError> = reader.collect();
    batches.map_err(|error| failed(error.into()))
}

struct Reader<'a> {
    path: &'a Path,
    /// What times without an offset mean, if they are not dates in UTC.
    local: Option<LocalTime<'a>>,
    labels: Vec<Label>,
    /// Rows that are done.
    read: usize,
    /// The row of each label, from 1.
    rows: HashMap<(String, i64, i64, String), usize>,
}

impl Reader<'_> {
    fn append(&mut self, batch: &RecordBatch) -> Result<(), LabelsError> {
        let sites = self.texts(batch, "site")?;
        let (starts, ends) = (self.times(batch, "start")?, self.times(batch, "end")?);
        let has_kinds = batch.column_by_name("kind").is_some();
        let kinds = has_kinds.then(|| self.texts(batch, "kind")).transpose()?;
        for row in 0..batch.num_rows() {
            let site = sites[row].clone().filter(|site| !site.is_empty());
            let Some(site) = site else {
                return Err(self.refuse("site", "empty", "the name of a site"));
            };
            let start = self.moment("start", &site, &starts[row])?;
            let end = self.moment("end", &site, &ends[row])?;
            // Clocks that change make an hour of nothing, or two of one.
            let is_empty = match (start.shown, end.shown) {
                (Some(start), Some(end)) => end <= start,
                _ => end.last <= start.first,
            };
            if is_empty {
                let written = |moment: &Moment| match moment.shown {
                    Some(shown) => rfc_3339(shown).trim_end_matches('Z').to_owned(),
                    None => rfc_3339(moment.first),
                };
                let expected = format!("a time after `start`, {}", written(&start));
                return Err(self.refuse("end", &written(&end), &expected));
            }
            let (start, end) = (start.first, end.last);
            let kind = kinds.as_ref().and_then(|kinds| kinds[row].clone());
            let kind = kind.unwrap_or_else(|| UNKNOWN_KIND.to_owned());
            self.read += 1;
            let number = self.read;
            if end <= start {
                continue;
            }
            let key = (site.clone(), start, end, kind.clone());
            if let Some(first) = self.rows.insert(key, number)
                && self.local.is_none()
            {
                return Err(LabelsError::Duplicate {
                    path: self.path.to_owned(),
                    row: number,
                    first,
                });
            }
            self.labels.push(Label {
                site,
                start,
                end,
                kind,
            });
        }
        Ok(())
    }

    /// An error about the row that comes next.
    fn refuse(&self, column: &'static str, found: &str, expected: &str) -> LabelsError {
        let error = TableFileError::Entry {
            path: self.path.to_owned(),
            row: self.read + 1,
            column,
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        error.into()
    }

    fn column<'b>(
        &self,
        batch: &'b RecordBatch,
        name: &'static str,
    ) -> Result<&'b Arc<dyn Array>, LabelsError> {
        batch.column_by_name(name).ok_or_else(|| {
            let schema = batch.schema();
            let found = schema.fields().iter().map(|field| field.name().clone());
            LabelsError::from(MissingColumn::of(self.path, name).with_found("found", found))
        })
    }

    fn typed(&self, name: &'static str, found: &DataType, expected: &'static str) -> LabelsError {
        let error = TableFileError::Type {
            path: self.path.to_owned(),
            column: name.to_owned(),
            found: found.clone(),
            expected,
        };
        error.into()
    }

    fn texts(
        &self,
        batch: &RecordBatch,
        name: &'static str,
    ) -> Result<Vec<Option<String>>, LabelsError> {
        let column = self.column(batch, name)?;
        let found = column.data_type();
        let texts = match found {
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Dictionary(..) => cast(column, &DataType::Utf8).ok(),
            _ => None,
        };
        let texts = texts.ok_or_else(|| self.typed(name, found, "text"))?;
        let texts = texts.as_string::<i32>().iter();
        Ok(texts.map(|text| text.map(str::to_owned)).collect())
    }

    /// Times as they are written, or as numbers.
    fn times(&self, batch: &RecordBatch, name: &'static str) -> Result<Vec<Time>, LabelsError> {
        let column = self.column(batch, name)?;
        let found = column.data_type();
        if matches!(found, DataType::Utf8) {
            let texts = self.texts(batch, name)?;
            return Ok(texts.into_iter().map(Time::Text).collect());
        }
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let times = matches!(found, DataType::Timestamp(..)).then(|| cast(column, &micros).ok());
        let times = times
            .flatten()
            .ok_or_else(|| self.typed(name, found, "a timestamp"))?;
        let offset = match found {
            DataType::Timestamp(_, None) => Offset::Unknown,
            _ => Offset::Known,
        };
        let times = times.as_primitive::<TimestampMicrosecondType>().iter();
        Ok(times.map(|time| Time::Micros(time, offset)).collect())
    }

    fn moment(&self, column: &'static str, site: &str, time: &Time) -> Result<Moment, LabelsError> {
        let expected = match self.local {
            None => "a date or an RFC 3339 time",
            Some(_) => "a date, a local time such as `2026-12-24 18:00`, or an RFC 3339 time",
        };
        let shown = |local: LocalTime<'_>, shown: i64| {
            let (first, last) = local(site, shown);
            Moment {
                first,
                last,
                shown: Some(shown),
            }
        };
        let instant = |micros| Moment {
            first: micros,
            last: micros,
            shown: None,
        };
        match (time, self.local) {
            (Time::Micros(Some(micros), Offset::Unknown), Some(local)) => Ok(shown(local, *micros)),
            (Time::Micros(Some(micros), _), _) => Ok(instant(*micros)),
            (Time::Text(Some(text)), Some(local)) if let Some(time) = parse_local(text.trim()) => {
                Ok(shown(local, time.and_utc().timestamp_micros()))
            }
            (Time::Text(Some(text)), _) => match parse_instant(text.trim()) {
                Ok(time) => Ok(instant(time.timestamp_micros())),
                Err(_) => Err(self.refuse(column, &format!("`{text}`"), expected)),
            },
            (Time::Micros(None, _) | Time::Text(None), _) => {
                Err(self.refuse(column, "NULL", expected))
            }
        }
    }
}

/// A time of a label, in microseconds since the epoch.
struct Moment {
    /// The first and the last time that clocks show it.
    first: i64,
    last: i64,
    /// What they show, as if it were UTC, if that is what was written.
    shown: Option<i64>,
}

/// Whether it is known how far a timestamp is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offset {
    Known,
    Unknown,
}

enum Time {
    Micros(Option<i64>, Offset),
    Text(Option<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_csv(text: &str) -> Result<Vec<Label>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        let place = format!("{}/", folder.path().display());
        read(&path).map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn csv_may_have_no_kinds_and_other_columns() {
        let labels = read_csv(
            "end,site,start,note\n2026-03-02T12:20:00Z,shop,2026-03-02T12:00:00Z,x\n\
             2026-03-04,blog,2026-03-03,\n",
        );
        let label = |site: &str, start: &str, end: &str| Label {
            site: site.to_owned(),
            start: parse_instant(start).unwrap().timestamp_micros(),
            end: parse_instant(end).unwrap().timestamp_micros(),
            kind: UNKNOWN_KIND.to_owned(),
        };
        let expected = vec![
            label("shop", "2026-03-02T12:00:00Z", "2026-03-02T12:20:00Z"),
            label("blog", "2026-03-03", "2026-03-04"),
        ];
        assert_eq!(labels, Ok(expected));
    }

    #[test]
    fn parquet_is_read_as_the_simulator_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.parquet");
        let written = crate::simulation::SimulatedLabel {
            site: "shop".into(),
            start: 60_000_000,
            end: 120_000_000,
            kind: "flood".into(),
            metric: "requests".into(),
            culprit: None,
        };
        crate::simulation::write_labels(&path, &[written]).unwrap();
        let expected = Label {
            site: "shop".into(),
            start: 60_000_000,
            end: 120_000_000,
            kind: "flood".into(),
        };
        assert_eq!(read(&path).unwrap(), [expected]);
    }

    #[test]
    fn a_window_is_covered_by_a_part_of_a_label() {
        let label = |site: &str, start: i64, end: i64| Label {
            site: site.to_owned(),
            start,
            end,
            kind: UNKNOWN_KIND.to_owned(),
        };
        let labels = [label("a", 15, 31), label("b", 0, 100), label("a", 60, 70)];
        let covered = covered(&labels, "a", &[0, 10, 20, 30, 50, 70], 10);
        assert_eq!(covered, [false, true, true, true, false, false]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let refused = |text: &str| read_csv(text).unwrap_err();
        insta::assert_snapshot!(refused("site,begin,end\na,2026-01-01,2026-01-02\n"), @"`labels.csv` has no column `start`, found `site`, `begin`, `end`");
        insta::assert_snapshot!(refused("site,start,end\n"), @"`labels.csv` has no labels");
        insta::assert_snapshot!(refused("site,start,end\na,2026-01-02,2026-01-01\n"), @"row 1 of `labels.csv`: `end` is 2026-01-01T00:00:00Z, expected a time after `start`, 2026-01-02T00:00:00Z");
        insta::assert_snapshot!(refused("site,start,end\na,2026-01-01,2026-01-02\na,noon,2026-01-02\n"), @"row 2 of `labels.csv`: `start` is `noon`, expected a date or an RFC 3339 time");
        insta::assert_snapshot!(refused("site,start,end\na,2026-01-01,2026-01-02\nb,2026-01-01,2026-01-02\na,2026-01-01,2026-01-02\n"), @"row 3 of `labels.csv` says the same as row 1");
        insta::assert_snapshot!(refused("site,start,end\n,2026-01-01,2026-01-02\n"), @"row 1 of `labels.csv`: `site` is empty, expected the name of a site");
    }
}
