//! What a run did: what the text, the Markdown, the JSON and the row of `runs` are written from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::after::After;
use crate::detectors::champions::Decision;
use crate::explain::{ExitStatus, chain};
use crate::incidents::SeverityRule;
use crate::incidents::step::NewIncidents;
use crate::intake::{SourceFault, TakenIn};
use crate::logs::{IngestSummary, Totals};
use crate::scores::drift::Drift;
use crate::scores::step::ScoredDates;
use crate::warehouse::commit::{PartitionDate, Recovery};

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything is up to date.
    Success,
    /// Everything that could be read is.
    Partial,
}

impl Outcome {
    /// The value in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
        }
    }
}

/// Seconds that steps took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct StepSeconds {
    /// Looking for logs and reading new ones.
    pub ingest: f64,
    /// Windows.
    pub windows: f64,
    /// Scores.
    pub scores: f64,
    /// Incidents and their causes.
    pub incidents: f64,
    /// The whole run.
    pub total: f64,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// Digest of what went before and what was built; `None` if nothing was.
    pub run_id: Option<String>,
    /// When the run started, RFC 3339.
    pub started_at: String,
    #[serde(skip)]
    pub(super) started: DateTime<Utc>,
    /// Logs at the sources.
    pub logs_found: usize,
    /// Logs that were read.
    pub logs_read: u64,
    /// Logs that could not be read.
    pub logs_failed: usize,
    /// Logs that hold, compressed, what was read before.
    pub logs_compressed: usize,
    /// Logs whose rows were removed, since another log has taken their place.
    pub logs_replaced: usize,
    /// Logs that lie at no source any more; their rows stay.
    pub logs_vanished: usize,
    /// Parquet logs that are linked in place.
    pub logs_linked: usize,
    /// Lines read.
    pub lines: u64,
    /// Requests among them.
    pub requests: u64,
    /// Lines that went to the quarantine.
    pub rejected: u64,
    /// Dates of `traffic_windows` that were built.
    pub windows_built: BTreeSet<String>,
    /// Dates of `scored_windows` that were built.
    pub dates_scored: BTreeSet<String>,
    /// The rows of these dates.
    #[serde(flatten)]
    pub scores: ScoredDates,
    /// Dates of `incidents` and `incident_causes` that were built.
    pub incidents_built: BTreeSet<String>,
    /// The incidents of these dates that were not there before.
    pub new_incidents: NewIncidents,
    /// The detector that decides which windows are anomalous.
    pub detector: String,
    /// The decisions about detectors, by the first date that each is for.
    pub decisions: BTreeMap<PartitionDate, Decision>,
    /// How far the last date that was scored differs from what was expected of it.
    pub drift: Option<Drift>,
    /// Partitions that were removed, since no series reaches their date any more.
    pub dates_removed: usize,
    /// Partitions out of date that the run was not asked to build.
    pub dates_left: usize,
    /// What a reader should be warned of.
    pub warnings: Vec<String>,
    /// The logs and folders that could not be read.
    pub faults: Vec<SourceFault>,
    /// What the run did besides its tables.
    #[serde(flatten)]
    pub after: After,
    /// Seconds that steps took.
    pub seconds: StepSeconds,
    /// How the run ended.
    pub outcome: Outcome,
}

impl RunSummary {
    /// Adds what the run took in from the sources.
    pub(crate) fn take(&mut self, taken: TakenIn) {
        self.logs_compressed = taken.compressed;
        taken.read.into_iter().for_each(|read| self.read(read));
        self.logs_replaced = taken.replaced.len();
        self.warnings.extend(
            taken
                .replaced
                .into_iter()
                .map(|fault| format!("`{}` {}", fault.path, fault.message)),
        );
    }

    /// The exit status of a run that has done what it could.
    #[must_use]
    pub fn exit_status(&self, fail_on: Option<SeverityRule>) -> ExitStatus {
        let incidents = fail_on.map_or(0, |severity| self.after.alerts.at_least(severity));
        match self.outcome {
            _ if incidents > 0 => ExitStatus::Incidents,
            Outcome::Success => ExitStatus::Success,
            Outcome::Partial => ExitStatus::Partial,
        }
    }

    pub(crate) fn new(started: DateTime<Utc>, recovery: Recovery, unfinished_log: bool) -> Self {
        let mut warnings = Vec::new();
        if recovery.completed_commit || recovery.removed_leftovers || unfinished_log {
            warnings.push("the last run did not end well: what it left is put in order".to_owned());
        }
        Self {
            run_id: None,
            started_at: started.to_rfc3339_opts(SecondsFormat::Secs, true),
            started,
            logs_found: 0,
            logs_read: 0,
            logs_failed: 0,
            logs_compressed: 0,
            logs_replaced: 0,
            logs_vanished: 0,
            logs_linked: 0,
            lines: 0,
            requests: 0,
            rejected: 0,
            windows_built: BTreeSet::new(),
            dates_scored: BTreeSet::new(),
            scores: ScoredDates::default(),
            incidents_built: BTreeSet::new(),
            new_incidents: NewIncidents::default(),
            detector: String::new(),
            decisions: BTreeMap::new(),
            drift: None,
            dates_removed: 0,
            dates_left: 0,
            warnings,
            faults: Vec::new(),
            after: After::default(),
            seconds: StepSeconds::default(),
            outcome: Outcome::Success,
        }
    }

    /// Adds what was read of some logs.
    pub(crate) fn read(&mut self, read: IngestSummary) {
        let Totals {
            ingested,
            lines,
            rows,
            rejected,
            ..
        } = read.totals;
        self.logs_read += ingested;
        self.lines += lines;
        self.requests += rows;
        self.rejected += rejected;
        self.logs_failed += read.failed.len();
        for file in read.files {
            let warnings = file.warnings.iter();
            self.warnings
                .extend(warnings.map(|warning| format!("`{}`: {warning}", file.file)));
        }
        for skipped in read.skipped {
            self.warnings.push(format!(
                "`{}` is passed over: {}",
                skipped.file, skipped.reason
            ));
        }
        for failed in read.failed {
            self.faults.push(SourceFault {
                path: failed.file,
                message: chain(&failed.error),
            });
        }
    }

    pub(crate) fn end(&mut self, elapsed: Duration) {
        self.seconds.total = elapsed.as_secs_f64();
        self.outcome = if self.faults.is_empty() {
            Outcome::Success
        } else {
            Outcome::Partial
        };
    }

    /// Whether a table has changed.
    #[must_use]
    pub fn did_something(&self) -> bool {
        self.logs_read > 0
            || self.logs_replaced > 0
            || !self.windows_built.is_empty()
            || !self.dates_scored.is_empty()
            || !self.incidents_built.is_empty()
            || self.dates_removed > 0
            || !self.decisions.is_empty()
            || !self.after.retired.is_empty()
    }

    /// The warnings of the run and of its drift.
    pub(super) fn warnings(&self) -> Vec<String> {
        let drift = self.drift.iter().flat_map(Drift::warnings);
        self.warnings.iter().cloned().chain(drift).collect()
    }

    /// The decisions about detectors, one a line.
    pub(super) fn decision_lines(&self) -> Vec<String> {
        let decisions = self.decisions.iter();
        decisions
            .map(|(from, decision)| format!("from {} on: {decision}", from.0))
            .collect()
    }

    /// What could not be read, one a line.
    pub(super) fn fault_lines(&self) -> Vec<String> {
        let faults = self.faults.iter();
        faults
            .map(|fault| format!("`{}`: {}", fault.path, fault.message))
            .collect()
    }
}
