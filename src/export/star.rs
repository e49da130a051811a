//! The tables of an export: what they are, which columns they have, and where their rows lie.
//!
//! ```text
//!                 detectors
//!                     │ name, version
//! traffic_windows ─ scored_windows ─ site, time ─ incidents ─ incident_id ─ incident_causes
//!
//! runs
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use chrono::NaiveDate;
use datafusion::arrow::array::{ArrayRef, RecordBatch, new_null_array};
use datafusion::arrow::compute::{
    SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::columns;
use super::detectors::{self, DETECTORS};
use super::error::Result;
use crate::explain::MissingColumn;
use crate::explain::cannot;
use crate::schema::{INCIDENT_CAUSES, INCIDENTS, RUNS, TRAFFIC_WINDOWS, Table};
use crate::units::dates::DateLimits;
use crate::warehouse;
use crate::warehouse::Warehouse;
use crate::warehouse::tables::{self, partition_file};

/// A table of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StarTable {
    /// Traffic per series and window.
    TrafficWindows,
    /// The same with scores.
    ScoredWindows,
    /// What went wrong when.
    Incidents,
    /// Who or what explains it.
    IncidentCauses,
    /// What scores.
    Detectors,
    /// What was done when.
    Runs,
}

/// `scored_windows` as exported: the same columns whatever was trained.
pub static SCORED_WINDOWS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let known = TRAFFIC_WINDOWS.fields().iter();
    let mut fields: Vec<Field> = known.map(|field| field.as_ref().clone()).collect();
    let double = |name: &str| Field::new(name, DataType::Float64, true);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    fields.extend(["rnn_score", "lstm_score", "gru_score", "clstm_score"].map(double));
    fields.push(double("anomaly_score"));
    fields.push(Field::new("is_anomaly", DataType::Boolean, true));
    fields.extend(["severity", "direction"].map(text));
    fields.extend(["expected_value", "lower_bound", "upper_bound", "threshold"].map(double));
    fields.push(text("top_metric"));
    fields.push(text("status"));
    fields.push(Field::new("detector", DataType::Utf8, false));
    fields.push(Field::new("detector_version", DataType::Int32, false));
    fields.push(Field::new("run_id", DataType::Utf8, false));
    Arc::new(Schema::new(fields))
});

/// `runs` as exported. What a run of an earlier program did not count is NULL.
static EXPORTED_RUNS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = RUNS.fields().iter().map(|field| {
        let is_figure = field.data_type().is_numeric();
        let nullable = field.is_nullable() || is_figure;
        field.as_ref().clone().with_nullable(nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// Where the rows of a table lie.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// In files, in this order.
    Files(Vec<PathBuf>),
    /// In files, to be ordered by the columns named.
    Sorted(Vec<PathBuf>, &'static [&'static str]),
    /// Here.
    Batch(RecordBatch),
}

impl StarTable {
    /// Every table.
    pub const ALL: [Self; 6] = [
        Self::TrafficWindows,
        Self::ScoredWindows,
        Self::Incidents,
        Self::IncidentCauses,
        Self::Detectors,
        Self::Runs,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TrafficWindows => Table::TrafficWindows.name(),
            Self::ScoredWindows => Table::ScoredWindows.name(),
            Self::Incidents => Table::Incidents.name(),
            Self::IncidentCauses => Table::IncidentCauses.name(),
            Self::Detectors => "detectors",
            Self::Runs => Table::Runs.name(),
        }
    }

    /// What one row is.
    #[must_use]
    pub const fn grain(self) -> &'static str {
        match self {
            Self::TrafficWindows => "one row per series and window, gaps filled",
            Self::ScoredWindows => "one row per series and window, with scores",
            Self::Incidents => "one row per incident",
            Self::IncidentCauses => "one row per incident and value that explains a part of it",
            Self::Detectors => "one row per version of a detector",
            Self::Runs => "one row per run of `anomalog run` that changed something",
        }
    }

    /// Which command fills it.
    #[must_use]
    pub const fn made_by(self) -> &'static str {
        match self {
            Self::TrafficWindows => "anomalog windows",
            Self::ScoredWindows => "anomalog score",
            Self::Incidents | Self::IncidentCauses => "anomalog incidents build",
            Self::Detectors => "anomalog train",
            Self::Runs => "anomalog run",
        }
    }

    /// The table of the warehouse that has one file per date, if its rows lie in such.
    #[must_use]
    pub const fn dated(self) -> Option<Table> {
        match self {
            Self::TrafficWindows => Some(Table::TrafficWindows),
            Self::ScoredWindows => Some(Table::ScoredWindows),
            Self::Incidents => Some(Table::Incidents),
            Self::IncidentCauses => Some(Table::IncidentCauses),
            Self::Detectors | Self::Runs => None,
        }
    }

    /// Its columns, each with a `description`.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        let schema = match self {
            Self::TrafficWindows => &TRAFFIC_WINDOWS,
            Self::ScoredWindows => &SCORED_WINDOWS,
            Self::Incidents => &INCIDENTS,
            Self::IncidentCauses => &INCIDENT_CAUSES,
            Self::Detectors => &DETECTORS,
            Self::Runs => &EXPORTED_RUNS,
        };
        let fields = schema.fields().iter().map(|field| {
            let description = description(self, field.name());
            let metadata = description.map(|text| ("description".to_owned(), text.to_owned()));
            let metadata: HashMap<String, String> = metadata.into_iter().collect();
            field.as_ref().clone().with_metadata(metadata)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Its dates within limits, in order; none for a table without dates.
    ///
    /// # Errors
    /// When the folder of the table cannot be read.
    pub fn dates(self, warehouse: &Warehouse, limits: DateLimits) -> Result<Vec<NaiveDate>> {
        let Some(table) = self.dated() else {
            return Ok(Vec::new());
        };
        let folder = warehouse.table(table);
        let mut dates = tables::dates(&folder)?;
        dates.retain(|date| limits.contains(*date) && partition_file(&folder, *date).exists());
        Ok(dates)
    }

    /// Where its rows of some dates lie; of a table without dates, all of its rows.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn rows(self, warehouse: &Warehouse, dates: &[NaiveDate]) -> Result<Rows> {
        Ok(match (self, self.dated()) {
            (_, Some(table)) => {
                let folder = warehouse.table(table);
                let files = dates.iter().map(|date| partition_file(&folder, *date));
                Rows::Files(files.collect())
            }
            (Self::Detectors, None) => Rows::Batch(detectors::rows(warehouse)?),
            (_, None) => Rows::Sorted(run_files(warehouse)?, &["started_at", "run_id"]),
        })
    }
}

/// The files of `runs`, in the order of their names.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn run_files(warehouse: &Warehouse) -> Result<Vec<PathBuf>> {
    let folder = warehouse.table(Table::Runs);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot("read", &folder)(error).into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot("read", &folder))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

impl Rows {
    /// Hands the rows on, batch by batch, with the columns of a schema.
    pub(super) fn each(
        &self,
        schema: &SchemaRef,
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Files(files) => files
                .iter()
                .try_for_each(|file| each_of_file(file, schema, &mut take)),
            Self::Sorted(files, order) => {
                let mut batches = Vec::new();
                for file in files {
                    each_of_file(file, schema, |batch| {
                        batches.push(batch.clone());
                        Ok(())
                    })?;
                }
                let rows = concat_batches(schema, &batches)?;
                let keys = order.iter().filter_map(|name| rows.column_by_name(name));
                let keys: Vec<SortColumn> = keys
                    .map(|column| SortColumn {
                        values: Arc::clone(column),
                        options: None,
                    })
                    .collect();
                take(&take_record_batch(
                    &rows,
                    &lexsort_to_indices(&keys, None)?,
                )?)
            }
            Self::Batch(batch) => take(&RecordBatch::try_new(
                SchemaRef::clone(schema),
                batch.columns().to_vec(),
            )?),
        }
    }
}

/// Reads one file of a table.
fn each_of_file(
    path: &Path,
    schema: &SchemaRef,
    mut take: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let file = File::open(path).map_err(cannot("read", path))?;
    let batches = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(8_192).build())
        .map_err(warehouse::Error::parquet("read", path))?;
    for batch in batches {
        take(&by_name(&batch?, schema, path)?)?;
    }
    Ok(())
}

/// The columns of a schema, found by their names: a file may be that of an earlier program.
fn by_name(batch: &RecordBatch, schema: &SchemaRef, path: &Path) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef> {
        match batch.column_by_name(field.name()) {
            Some(column) => Ok(cast(column, field.data_type())?),
            None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
            None => Err(MissingColumn::of(path, field.name())
                .with_hint("build the table again")
                .into()),
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
}

const fn groups(table: StarTable) -> &'static [&'static [(&'static str, &'static str)]] {
    match table {
        StarTable::TrafficWindows => &[columns::WINDOWS],
        StarTable::ScoredWindows => &[columns::WINDOWS, columns::SCORES],
        StarTable::Incidents => &[columns::INCIDENTS],
        StarTable::IncidentCauses => &[columns::INCIDENT_CAUSES],
        StarTable::Detectors => &[columns::DETECTORS],
        StarTable::Runs => &[columns::RUNS],
    }
}

/// Says what a column of an export means.
#[must_use]
pub fn description(table: StarTable, column: &str) -> Option<&'static str> {
    let mut columns = groups(table).iter().copied().flatten();
    columns
        .find(|(name, _)| *name == column)
        .map(|(_, text)| *text)
}

/// The columns that are described.
#[cfg(test)]
pub(super) fn described(table: StarTable) -> impl Iterator<Item = &'static str> {
    groups(table)
        .iter()
        .copied()
        .flatten()
        .map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, StringArray};

    use super::*;

    #[test]
    fn every_column_is_described_and_nothing_else_is() {
        for table in StarTable::ALL {
            let schema = table.schema();
            let columns: Vec<&str> = schema
                .fields()
                .iter()
                .map(|field| &**field.name())
                .collect();
            for column in &columns {
                let text = description(table, column);
                assert!(
                    text.is_some(),
                    "{}.{column} has no description",
                    table.name()
                );
            }
            for column in described(table) {
                let name = table.name();
                assert!(columns.contains(&column), "{name} has no column `{column}`");
            }
        }
    }

    #[test]
    fn what_an_earlier_program_did_not_have_is_null_or_named() {
        let sites = StringArray::from(vec!["shop"]);
        let batch = RecordBatch::try_from_iter([("site", Arc::new(sites) as ArrayRef)]).unwrap();
        let schema = |nullable| {
            let fields = ["site", "later"].map(|name| Field::new(name, DataType::Utf8, nullable));
            Arc::new(Schema::new(fields.to_vec()))
        };
        let found = by_name(&batch, &schema(true), Path::new("file.parquet")).unwrap();
        assert_eq!(found.column(1).null_count(), 1);
        let error = by_name(&batch, &schema(false), Path::new("file.parquet")).unwrap_err();
        insta::assert_snapshot!(error, @"`file.parquet` has no column `later`");
    }

    #[test]
    fn types_are_those_that_every_tool_reads() {
        for table in StarTable::ALL {
            for field in table.schema().fields() {
                assert!(
                    matches!(
                        field.data_type(),
                        DataType::Boolean
                            | DataType::Int32
                            | DataType::Int64
                            | DataType::Float64
                            | DataType::Utf8
                    ) || *field.data_type() == crate::schema::timestamp_type(),
                    "{}.{}: {}",
                    table.name(),
                    field.name(),
                    field.data_type()
                );
            }
        }
    }
}
