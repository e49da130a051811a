//! From rows to the kinds of incidents, and back into rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};

use super::error::Result;
use super::kind::IncidentKind;
use super::reading::times;
use super::told::{IncidentFacts, Suspect, Told, WindowMeans, tell};
use crate::schema::INCIDENTS;
use crate::warehouse::rows::{column, str_of};

const MINUTE: f64 = 60e6;

/// Kinds by `incident_id`.
pub(super) type Kinds = BTreeMap<String, KnownIncident>;

/// What is known of an incident once it is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownIncident {
    told: Told,
    /// Requests of the series during it.
    requests: Option<i64>,
}

/// The kinds of incidents, given as rows of `incidents`, of the rows of the query `incident_facts` and of
/// `incident_causes`. An incident without facts is not told.
pub(super) fn kinds(
    incidents: &RecordBatch,
    facts: &[RecordBatch],
    causes: &RecordBatch,
) -> Result<Kinds> {
    let mut suspects = suspects(causes);
    let mut places = BTreeMap::new();
    for batch in facts {
        let ids = cast(column(batch, "incident_id"), &DataType::Utf8)?;
        for (row, id) in ids.as_string::<i32>().iter().enumerate() {
            places.insert(id.unwrap_or_default().to_owned(), (batch, row));
        }
    }
    let (starts, ends) = (times(incidents, "started_at"), times(incidents, "ended_at"));
    let mut kinds = Kinds::new();
    for row in 0..incidents.num_rows() {
        let id = str_of(incidents, "incident_id", row);
        let Some((batch, place)) = places.get(id) else {
            continue;
        };
        let number = |name: &str| number(batch, name, *place);
        let means = |[requests, client_errors, server_errors, latency_p95]: [&str; 4]| {
            Some(WindowMeans {
                requests: number(requests)?,
                client_errors: number(client_errors).unwrap_or_default(),
                server_errors: number(server_errors).unwrap_or_default(),
                latency_p95: number(latency_p95),
            })
        };
        let total = |name| {
            let totals = column(incidents, name).as_primitive::<Float64Type>();
            totals.value(row)
        };
        let facts = IncidentFacts {
            is_spike: str_of(incidents, "direction", row) == "spike",
            top_metric: str_of(incidents, "top_metric", row).to_owned(),
            expected_total: total("expected_total"),
            actual_total: total("actual_total"),
            minutes: (ends[row] - starts[row]) as f64 / MINUTE,
            windows: number("windows").unwrap_or_default(),
            silent_windows: number("silent_windows").unwrap_or_default(),
            during: means(["requests", "client_errors", "server_errors", "latency_p95"])
                .unwrap_or_default(),
            usual: means([
                "usual_requests",
                "usual_client_errors",
                "usual_server_errors",
                "usual_latency_p95",
            ]),
            day_requests: number("day_requests"),
        };
        let suspects = suspects.remove(id).unwrap_or_default();
        let told = KnownIncident {
            told: tell(&facts, &suspects),
            requests: number("total_requests").map(|requests| requests as i64),
        };
        kinds.insert(id.to_owned(), told);
    }
    Ok(kinds)
}

fn number(batch: &RecordBatch, name: &str, row: usize) -> Option<f64> {
    let numbers = column(batch, name).as_primitive::<Float64Type>();
    numbers.is_valid(row).then(|| numbers.value(row))
}

fn suspects(causes: &RecordBatch) -> BTreeMap<String, Vec<Suspect>> {
    let mut suspects: BTreeMap<String, Vec<Suspect>> = BTreeMap::new();
    let powers = column(causes, "explanatory_power").as_primitive::<Float64Type>();
    for row in 0..causes.num_rows() {
        let suspect = Suspect {
            dimension: str_of(causes, "dimension", row).to_owned(),
            value: str_of(causes, "value", row).to_owned(),
            power: powers.value(row),
        };
        let id = str_of(causes, "incident_id", row).to_owned();
        suspects.entry(id).or_default().push(suspect);
    }
    suspects
}

/// Rows of `incidents` with their kinds; NULL where none was told.
pub(super) fn with_kinds(incidents: &RecordBatch, kinds: &Kinds) -> Result<RecordBatch> {
    let texts = |of: fn(&Told) -> &str| -> ArrayRef {
        let told = (0..incidents.num_rows())
            .map(|row| kinds.get(str_of(incidents, "incident_id", row)))
            .map(|known| known.map(|known| of(&known.told)));
        Arc::new(told.collect::<StringArray>())
    };
    let requests: Int64Array = (0..incidents.num_rows())
        .map(|row| kinds.get(str_of(incidents, "incident_id", row))?.requests)
        .collect();
    let requests: ArrayRef = Arc::new(requests);
    let columns = INCIDENTS
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "kind" => texts(|told| told.kind.name()),
            "kind_evidence" => texts(|told| &told.evidence),
            "requests" => ArrayRef::clone(&requests),
            name => ArrayRef::clone(column(incidents, name)),
        });
    Ok(RecordBatch::try_new(
        SchemaRef::clone(&INCIDENTS),
        columns.collect(),
    )?)
}

/// The kinds that stored rows have; an earlier program stored none.
pub(super) fn stored_kinds(incidents: &RecordBatch) -> Kinds {
    let mut kinds = Kinds::new();
    for row in 0..incidents.num_rows() {
        let told =
            text_if_any(incidents, "kind", row).zip(text_if_any(incidents, "kind_evidence", row));
        if let Some((kind, evidence)) = told {
            let known = KnownIncident {
                told: Told {
                    kind: IncidentKind::of_row(Some(kind)),
                    evidence: evidence.to_owned(),
                },
                requests: requests_of(incidents, row),
            };
            kinds.insert(str_of(incidents, "incident_id", row).to_owned(), known);
        }
    }
    kinds
}

/// The requests during a stored incident; an earlier program stored none.
pub(super) fn requests_of(incidents: &RecordBatch, row: usize) -> Option<i64> {
    let counts = incidents.column_by_name("requests")?;
    let counts = counts.as_primitive_opt::<Int64Type>()?;
    counts.is_valid(row).then(|| counts.value(row))
}

/// The text of a column that a row may lack.
pub(super) fn text_if_any<'a>(rows: &'a RecordBatch, name: &str, row: usize) -> Option<&'a str> {
    let texts = rows.column_by_name(name)?.as_string_opt::<i32>()?;
    texts.is_valid(row).then(|| texts.value(row))
}
