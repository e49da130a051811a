//! The incidents of a warehouse with all that explains them.

use std::collections::BTreeMap;
use std::ops::Range;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use serde::Serialize;

use super::error::Result;
use super::named::{NamedIncident, named};
use crate::schema::Table;
use crate::units::micros_of;
use crate::warehouse::Warehouse;
use crate::warehouse::rows::{self, column, str_of};
use crate::warehouse::tables::{self, partition_file};

/// An incident with all that is stored of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedIncident {
    /// What others are told of it.
    #[serde(flatten)]
    pub incident: NamedIncident,
    /// The first of the incidents that it overlaps with.
    pub group_id: String,
    /// Windows above the level at which it ends.
    pub windows: i64,
    /// Its largest score.
    pub peak_score: f64,
    /// What explains it, best first.
    pub causes: Vec<IncidentCause>,
}

/// A value that explains a part of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentCause {
    /// What it is a value of.
    pub dimension: String,
    /// The value, as whoever sent the requests wrote it.
    pub value: String,
    /// Its share during the incident.
    pub share_during: f64,
    /// Its share in the time that the incident is compared with.
    pub share_before: f64,
    /// How much more of it there was than expected.
    pub excess: f64,
    /// The share of the change that it has.
    pub explanatory_power: f64,
}

/// The incidents that start in a range of time, in microseconds since the epoch, the worst first.
///
/// # Errors
/// When a table cannot be read.
pub fn incidents_of(warehouse: &Warehouse, started_at: &Range<i64>) -> Result<Vec<ListedIncident>> {
    let folder = warehouse.table(Table::Incidents);
    let mut found = Vec::new();
    for date in tables::dates(&folder)? {
        let of_date = micros_of(date);
        if of_date.end <= started_at.start || of_date.start >= started_at.end {
            continue;
        }
        let rows = |table| rows::read_if_there(&partition_file(&warehouse.table(table), date));
        let batches = rows(Table::IncidentCauses)?;
        let mut causes = BTreeMap::new();
        for batch in &batches {
            collect_causes(batch, &mut causes);
        }
        for batch in rows(Table::Incidents)? {
            for (row, incident) in named(&batch, &batches).enumerate() {
                if !started_at.contains(&incident.time().start) {
                    continue;
                }
                let causes: Vec<(i32, IncidentCause)> =
                    causes.remove(&incident.incident_id).unwrap_or_default();
                found.push(ListedIncident {
                    group_id: str_of(&batch, "group_id", row).to_owned(),
                    windows: column(&batch, "windows")
                        .as_primitive::<Int64Type>()
                        .value(row),
                    peak_score: column(&batch, "peak_score")
                        .as_primitive::<Float64Type>()
                        .value(row),
                    causes: causes.into_iter().map(|(_, cause)| cause).collect(),
                    incident,
                });
            }
        }
    }
    found.sort_by(|one, other| one.incident.worst_first(&other.incident));
    Ok(found)
}

/// Causes with their ranks, in the order of these, by incident.
fn collect_causes(
    batch: &datafusion::arrow::array::RecordBatch,
    causes: &mut BTreeMap<String, Vec<(i32, IncidentCause)>>,
) {
    let number = |name: &str, row: usize| {
        let numbers = column(batch, name).as_primitive::<Float64Type>();
        numbers.value(row)
    };
    let ranks = column(batch, "rank").as_primitive::<Int32Type>();
    for row in 0..batch.num_rows() {
        let cause = IncidentCause {
            dimension: str_of(batch, "dimension", row).to_owned(),
            value: str_of(batch, "value", row).to_owned(),
            share_during: number("share_during", row),
            share_before: number("share_before", row),
            excess: number("excess", row),
            explanatory_power: number("explanatory_power", row),
        };
        let id = str_of(batch, "incident_id", row).to_owned();
        let of_incident = causes.entry(id).or_default();
        of_incident.push((ranks.value(row), cause));
        of_incident.sort_by_key(|(rank, _)| *rank);
    }
}
