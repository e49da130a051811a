//! The incidents that are stored: what explains them stays while what it depends on does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, not};
use datafusion::arrow::datatypes::Float64Type;

use super::error::Result;
use super::facts::{Kinds, stored_kinds};
use super::reads_of_causes;
use crate::incremental::partitions::is_there;
use crate::schema::{INCIDENT_CAUSES, Table};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Manifest, PartitionDate};
use crate::warehouse::rows::{self, column, micros, str_of};
use crate::warehouse::tables::partition_file;

/// The incidents of a date that are stored, and what explains them.
#[derive(Debug, Default)]
pub(super) struct Stored {
    incidents: BTreeSet<StoredIncident>,
    kinds: Kinds,
    causes: Vec<RecordBatch>,
    /// What the dates were that decided what explains them.
    inputs: BTreeMap<PartitionDate, String>,
}

/// All of an incident that what explains it depends on, and its severity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct StoredIncident {
    id: String,
    ended_at: i64,
    severity: String,
    direction: String,
    top_metric: String,
    /// Bits of the totals.
    totals: [u64; 2],
}

impl StoredIncident {
    fn of(incidents: &RecordBatch, row: usize) -> Self {
        let text = |name: &str| str_of(incidents, name, row).to_owned();
        let total = |name| {
            let totals = column(incidents, name).as_primitive::<Float64Type>();
            totals.value(row).to_bits()
        };
        Self {
            id: text("incident_id"),
            ended_at: micros(incidents, "ended_at", row),
            severity: text("severity"),
            direction: text("direction"),
            top_metric: text("top_metric"),
            totals: ["expected_total", "actual_total"].map(total),
        }
    }
}

impl Stored {
    pub(super) fn read(
        warehouse: &Warehouse,
        manifest: &Manifest,
        date: NaiveDate,
    ) -> Result<Self> {
        let rows = |table| rows::read_if_there(&partition_file(&warehouse.table(table), date));
        let (mut incidents, mut kinds) = (BTreeSet::new(), Kinds::new());
        for batch in rows(Table::Incidents)? {
            incidents.extend((0..batch.num_rows()).map(|row| StoredIncident::of(&batch, row)));
            kinds.extend(stored_kinds(&batch));
        }
        let causes = manifest
            .partition(Table::IncidentCauses, date)
            .filter(|found| is_there(warehouse, Table::IncidentCauses, date, found));
        Ok(Self {
            incidents,
            kinds,
            inputs: causes
                .map(|causes| causes.inputs.clone())
                .unwrap_or_default(),
            causes: match causes {
                Some(_) => rows(Table::IncidentCauses)?,
                None => Vec::new(),
            },
        })
    }

    /// Whether an incident is stored with this end and severity.
    pub(super) fn has(&self, incidents: &RecordBatch, row: usize) -> bool {
        let found = StoredIncident::of(incidents, row);
        self.incidents.iter().any(|stored| {
            (&stored.id, stored.ended_at, &stored.severity)
                == (&found.id, found.ended_at, &found.severity)
        })
    }

    /// What is stored of the causes and kinds of some incidents and still holds, and the incidents that are
    /// to be explained.
    pub(super) fn causes_of(
        &self,
        incidents: &RecordBatch,
        inputs: &BTreeMap<PartitionDate, String>,
    ) -> Result<((RecordBatch, Kinds), RecordBatch)> {
        let holds = |row: usize| {
            let dates = partition_dates(reads_of_causes(&incidents.slice(row, 1)));
            let found = StoredIncident::of(incidents, row);
            self.kinds.contains_key(&found.id)
                && self.incidents.contains(&found)
                && dates.iter().all(|date| {
                    let before = self.inputs.get(date);
                    before.is_some() && before == inputs.get(date)
                })
        };
        let held: BooleanArray = (0..incidents.num_rows())
            .map(|row| Some(holds(row)))
            .collect();
        let kept: BTreeSet<&str> = (0..incidents.num_rows())
            .filter(|row| held.value(*row))
            .map(|row| str_of(incidents, "incident_id", row))
            .collect();
        let stored = concat_batches(&INCIDENT_CAUSES, &self.causes)?;
        let is_kept: BooleanArray = (0..stored.num_rows())
            .map(|row| Some(kept.contains(str_of(&stored, "incident_id", row))))
            .collect();
        let causes = filter_record_batch(&stored, &is_kept)?;
        let of_kept = self
            .kinds
            .iter()
            .filter(|(id, _)| kept.contains(id.as_str()));
        let kinds = of_kept
            .map(|(id, told)| (id.clone(), told.clone()))
            .collect();
        let others = filter_record_batch(incidents, &not(&held)?)?;
        Ok(((causes, kinds), others))
    }
}

/// Dates as the manifest has them.
pub(super) fn partition_dates(dates: BTreeSet<NaiveDate>) -> BTreeSet<PartitionDate> {
    dates.into_iter().map(PartitionDate).collect()
}
