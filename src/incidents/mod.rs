//! Incidents: what went wrong when, how badly, and who or what caused it.
//!
//! ```text
//! scored_windows ──incident_runs.sql──▶ runs of unusual windows of each series
//!                                        │  incidents.sql: rules, severity, groups
//!                                        ▼
//!                                    incidents ──incident_causes.sql──▶ incident_causes
//!                                                        ▲
//!                 access_logs ───────────────────────────┘
//! ```
//!
//! What an incident looks like ([`told`]) is told from its causes and from what its windows had, so that the
//! rows of `incidents` are complete once they are explained.
//!
//! An incident is a run of windows of one series that begins with an anomaly: [`IncidentRules`] has
//! the rules, [`crate::schema::INCIDENTS`] and [`crate::schema::INCIDENT_CAUSES`] the columns.
//!
//! **What an incident depends on.** The rows of a date are those of the incidents that start on it.
//! They depend on the rules, on the windows of the date, on those before it until a time at which no
//! incident runs, and on those after it until the last of its incidents has ended; their causes on the
//! requests and windows of the incident and of the same time on days before. Which dates these were,
//! [`IncidentsOfDate::reads`] and [`reads_of_causes`] say: what a date's rows are is a function of them alone, so
//! that a nightly job need build a date again only when one of those has changed.
//!
//! Rows depend on the tables, the rules, the step and the series key, and on nothing else: not on
//! threads, batches or the ranges asked for. Sums are over whole numbers for that reason.

mod amounts;
mod causes;
mod error;
mod facts;
pub mod feedback;
pub mod kind;
mod listed;
mod named;
mod one_series;
mod reading;
mod requests;
mod rules;
mod runs;
pub mod step;
mod stored;
pub mod suppression;
#[cfg(test)]
mod tests;
pub mod told;
mod untold;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Range, RangeInclusive};

use chrono::NaiveDate;
use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;

pub use error::{Error, Result};
pub use kind::IncidentKind;
pub use listed::{IncidentCause, ListedIncident, incidents_of};
pub(crate) use named::of_date;
pub use named::{NamedCause, NamedIncident};
pub use one_series::{SeriesIncident, WindowState};
pub use rules::{IncidentRules, RulesError, SeverityRule};
pub use untold::{Silence, Untold, UntoldCounts};

use crate::schema::{INCIDENT_CAUSES, INCIDENTS, Table};

use crate::session::Session;
use crate::session::queries::{self, Query};
use crate::units::dates::dates_in;
use crate::units::micros_of;
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::tables::{self, partition_file};
use facts::{Kinds, with_kinds};
use reading::{collect, text, times};
use requests::RequestFiles;
use runs::{FoundRuns, RunWindows, date_of};

/// What decides which incidents there are, besides windows and rules.
pub const INCIDENT_QUERIES: [Query; 2] = [Query::IncidentRuns, Query::Incidents];
/// What decides what explains them, besides incidents, requests and windows.
pub const CAUSE_QUERIES: [Query; 4] = [
    Query::IncidentFacts,
    Query::IncidentRanges,
    Query::IncidentRequests,
    Query::IncidentCauses,
];

/// Incidents that are explained in one query: to plan one costs more than to run it, and what is held
/// grows with their number.
const EXPLAINED_AT_ONCE: usize = 4;

/// The incidents that start on one date.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentsOfDate {
    /// Rows of `incidents`, by start, then site, without their kinds; there may be none.
    pub incidents: RecordBatch,
    /// The dates whose windows they are a function of.
    pub reads: BTreeSet<NaiveDate>,
}

/// Incidents that were explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Rows of `incident_causes`, by incident, then rank.
    pub causes: RecordBatch,
    kinds: Kinds,
}

impl Explained {
    /// Rows of `incidents` with the kinds that were told of them.
    ///
    /// # Errors
    /// When they are not rows of `incidents`.
    pub fn tell_kinds(&self, incidents: &RecordBatch) -> Result<RecordBatch> {
        with_kinds(incidents, &self.kinds)
    }

    /// Takes in what others were explained by, in the order of `incidents`.
    fn and(mut self, causes: &RecordBatch, kinds: Kinds, incidents: &RecordBatch) -> Result<Self> {
        self.causes = in_order_of(incidents, &[causes.clone(), self.causes])?;
        self.kinds.extend(kinds);
        Ok(self)
    }
}

/// Finds incidents in the scored windows of a warehouse, and what explains them.
#[derive(Debug)]
pub struct Finder<'a> {
    session: &'a Session,
    rules: &'a IncidentRules,
    settings: &'a WindowSettings,
    dates: BTreeSet<NaiveDate>,
    /// Of `scored_windows`.
    schema: SchemaRef,
}

impl<'a> Finder<'a> {
    /// Looks at which dates have scored windows.
    ///
    /// # Errors
    /// When the rules mean nothing, there are no scored windows, or they cannot be read.
    pub async fn new(
        session: &'a Session,
        rules: &'a IncidentRules,
        settings: &'a WindowSettings,
    ) -> Result<Self> {
        rules.validate()?;
        let table = session.warehouse().table(Table::ScoredWindows);
        let dates = tables::dates(&table)?;
        let dates: BTreeSet<NaiveDate> = dates
            .into_iter()
            .filter(|date| partition_file(&table, *date).exists())
            .collect();
        let schema = match dates.last() {
            Some(last) => session.scored_windows_schema(*last).await?,
            None => {
                let table = session.context().table(Table::ScoredWindows.name()).await?;
                SchemaRef::clone(table.schema().inner())
            }
        };
        Ok(Self {
            session,
            rules,
            settings,
            dates,
            schema,
        })
    }

    /// The dates that have scored windows.
    #[must_use]
    pub const fn dates(&self) -> &BTreeSet<NaiveDate> {
        &self.dates
    }

    /// The incidents that start on each date of a range.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn find(
        &self,
        dates: &RangeInclusive<NaiveDate>,
    ) -> Result<BTreeMap<NaiveDate, IncidentsOfDate>> {
        let (first, last) = (self.dates.first(), self.dates.last());
        let all = first.zip(last).map_or((0, 0), |(first, last)| {
            (micros_of(*first).start, micros_of(*last).end)
        });
        let open = |read: &Range<i64>| {
            let (from, to) = (read.start.max(all.0), read.end.min(all.1));
            let within = self
                .dates
                .iter()
                .filter(|date| micros_of(**date).start < to && micros_of(**date).end > from);
            Ok(self
                .session
                .scored_windows_of(&self.schema, within.copied())?)
        };
        let windows = RunWindows {
            session: self.session,
            step: self.settings.step,
            all,
            open: &open,
        };
        let range = micros_of(*dates.start()).start..micros_of(*dates.end()).end;
        let (incidents, runs) = group(windows, self.rules, range).await?;
        let starts: Vec<NaiveDate> = times(&incidents, "started_at")
            .iter()
            .map(|start| date_of(*start))
            .collect();
        // By start, so those of one date stand together.
        let found = dates_in(dates).map(|date| {
            let first = starts.partition_point(|start| *start < date);
            let end = starts.partition_point(|start| *start <= date);
            let reads = runs.dates_read(date);
            let found = IncidentsOfDate {
                incidents: incidents.slice(first, end - first),
                reads: dates_in(&reads).collect(),
            };
            (date, found)
        });
        Ok(found.collect())
    }

    /// What explains incidents, given as rows of `incidents`: rows of `incident_causes`, by incident in
    /// that order, then rank, and the kinds of the incidents. `progress` is told of each incident that is
    /// done.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn explain(
        &self,
        incidents: &RecordBatch,
        progress: &(dyn Fn() + Send + Sync),
    ) -> Result<Explained> {
        if incidents.num_rows() == 0 {
            return Ok(Explained {
                causes: RecordBatch::new_empty(SchemaRef::clone(&INCIDENT_CAUSES)),
                kinds: Kinds::new(),
            });
        }
        let reads = reads_of_causes(incidents);
        let dates = self.dates.intersection(&reads).copied();
        let scored = self.session.scored_windows_of(&self.schema, dates)?;
        let key = &self.settings.series_key;
        let requests = RequestFiles::new(self.session, key).await?;
        // Those of a site together: they are explained by the same files.
        let sites = text(incidents, "site");
        let mut rows: Vec<usize> = (0..incidents.num_rows()).collect();
        rows.sort_by_key(|row| sites.value(*row));
        let (mut causes, mut kinds) = (Vec::new(), Kinds::new());
        for rows in rows.chunks(EXPLAINED_AT_ONCE) {
            let rows = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
            let incidents = take_record_batch(incidents, &rows)?;
            let files = requests.of(self.session.warehouse(), &incidents)?;
            let requests = self.session.series_requests_in(key, &files).await?;
            let tables = (scored.clone(), requests);
            let explained = causes::explain(self.session, &incidents, tables).await?;
            causes.push(explained.0);
            kinds.extend(explained.1);
            (0..incidents.num_rows()).for_each(|_| progress());
        }
        Ok(Explained {
            causes: in_order_of(incidents, &causes)?,
            kinds,
        })
    }
}

/// The causes of incidents as one batch, in the order of these; those of one incident stay in theirs.
///
/// # Errors
/// When they are not rows of `incident_causes`.
fn in_order_of(incidents: &RecordBatch, causes: &[RecordBatch]) -> Result<RecordBatch> {
    let causes = concat_batches(&INCIDENT_CAUSES, causes)?;
    let ids = text(incidents, "incident_id").iter().flatten();
    let places: HashMap<&str, usize> = ids.zip(0..).collect();
    let ids = text(&causes, "incident_id");
    let mut rows: Vec<u64> = (0..causes.num_rows() as u64).collect();
    rows.sort_by_key(|row| places.get(ids.value(*row as usize)));
    Ok(take_record_batch(&causes, &UInt64Array::from(rows))?)
}

/// The dates whose requests and windows decide what explains incidents, given as rows of `incidents`.
#[must_use]
pub fn reads_of_causes(incidents: &RecordBatch) -> BTreeSet<NaiveDate> {
    let starts = times(incidents, "started_at");
    let ends = times(incidents, "ended_at");
    let incidents = starts.iter().zip(&ends);
    incidents
        .flat_map(|(start, end)| causes::dates_read(*start, *end))
        .collect()
}

/// The rows of `incidents` that start in a range of time, in microseconds since the epoch, and the runs
/// that tell of them.
async fn group(
    windows: RunWindows<'_>,
    rules: &IncidentRules,
    started_at: Range<i64>,
) -> Result<(RecordBatch, FoundRuns)> {
    let session = windows.session;
    let runs = FoundRuns::around(windows, rules, &started_at).await?;
    let incidents = queries::incidents(
        session,
        runs.batch(),
        &queries::Incidents {
            started_at,
            min_length: rules.min_length.micros(),
            min_severity: rules.min_severity.rank(),
            medium_impact: rules.medium_impact.micros(),
            high_impact: rules.high_impact.micros(),
        },
    )
    .await?;
    Ok((collect(incidents, &INCIDENTS).await?, runs))
}
