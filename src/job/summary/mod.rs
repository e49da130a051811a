//! What a run did: on the terminal, beside the tables, and as a row of the table `runs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use serde::Serialize;

use super::config::Job;
use crate::detectors::champions::Decision;
use crate::explain::cannot;
use crate::explain::chain;
use crate::incidents::step::NewIncidents;
use crate::intake::SourceFault;
use crate::job::Result;
use crate::job::tell::after::After;
use crate::logs::{IngestSummary, Totals};
use crate::schema::{RUNS, Table};
use crate::scores::drift::Drift;
use crate::scores::step::ScoredDates;
use crate::units::micros_of;
use crate::warehouse::commit::{Change, PartitionDate, Recovery};
use crate::warehouse::tables::TableFileWriter;

/// So many new incidents are shown on a terminal.
const MOST_SHOWN: usize = 5;

/// How a run ended, if it did not fail.
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
    /// All.
    pub total: f64,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct NightSummary {
    /// Digest of what went before and what was built; `None` if nothing was.
    pub run_id: Option<String>,
    /// When it started, RFC 3339.
    pub started_at: String,
    #[serde(skip)]
    started: DateTime<Utc>,
    /// Logs at the sources.
    pub logs_found: usize,
    /// Those that were read.
    pub logs_read: u64,
    /// Those that could not be read.
    pub logs_failed: usize,
    /// Those that hold, compressed, what was read before.
    pub logs_compressed: usize,
    /// Those whose rows went since another has taken their place.
    pub logs_replaced: usize,
    /// Those that are at no source any more; their rows stay.
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
    /// What their rows are.
    #[serde(flatten)]
    pub scores: ScoredDates,
    /// Dates of `incidents` and `incident_causes` that were built.
    pub incidents_built: BTreeSet<String>,
    /// What is new among their rows.
    pub new_incidents: NewIncidents,
    /// The detector that decides.
    pub detector: String,
    /// What was decided about detectors, by the first date that it is for.
    pub decisions: BTreeMap<PartitionDate, Decision>,
    /// How far the last date that was scored is from what was to be expected.
    pub drift: Option<Drift>,
    /// Partitions that went, since no series reaches their date any more.
    pub dates_removed: usize,
    /// Partitions out of date that the run was not asked to build.
    pub dates_left: usize,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// What could not be read.
    pub faults: Vec<SourceFault>,
    /// What it did besides.
    #[serde(flatten)]
    pub after: After,
    /// Seconds that steps took.
    pub seconds: StepSeconds,
    /// How it ended.
    pub outcome: Outcome,
}

impl NightSummary {
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

    /// Counts in what was read of some logs.
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

    /// Stages the row of `runs` and the summaries beside it.
    pub(crate) fn store(&self, job: &Job, change: &mut Change) -> Result<()> {
        let Some(id) = &self.run_id else {
            return Ok(());
        };
        let runs = job.warehouse.table(Table::Runs);
        let staged = change.staging().join("run.parquet");
        let mut file = TableFileWriter::create(&staged, Arc::clone(&RUNS))?;
        file.write(&self.row(id)?)?;
        file.finish()?;
        change.replace(&staged, &runs.join(format!("{id}.parquet")))?;
        let json = serde_json::to_string_pretty(self)
            .map_err(|error| cannot("write", &runs)(error.into()))?;
        for (name, text) in [
            ("summary.md", self.markdown()),
            ("summary.json", json + "\n"),
        ] {
            let staged = change.staging().join(name);
            let written = std::fs::write(&staged, text)
                .and_then(|()| std::fs::File::open(&staged)?.sync_all());
            written.map_err(cannot("write", &staged))?;
            change.replace(&staged, &runs.join(id).join(name))?;
        }
        Ok(())
    }

    pub(crate) fn row(&self, id: &str) -> Result<RecordBatch> {
        let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let number = |value: usize| Arc::new(Int64Array::from(vec![value as i64])) as ArrayRef;
        let seconds = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
        let time = |value: DateTime<Utc>| {
            let values = TimestampMicrosecondArray::from(vec![value.timestamp_micros()]);
            Arc::new(values.with_timezone("UTC")) as ArrayRef
        };
        let drifted_on: TimestampMicrosecondArray = [self.drift]
            .iter()
            .map(|drift| Some(micros_of(drift.as_ref()?.date.0).start))
            .collect();
        let drifted_on = Arc::new(drifted_on.with_timezone("UTC")) as ArrayRef;
        let drift = |of: fn(&Drift) -> Option<f64>| {
            Arc::new(Float64Array::from(vec![self.drift.as_ref().and_then(of)])) as ArrayRef
        };
        let ended = self.started
            + chrono::Duration::microseconds((self.seconds.total * 1e6).round() as i64);
        Ok(RecordBatch::try_new(
            Arc::clone(&RUNS),
            vec![
                text(id),
                time(self.started),
                time(ended),
                text(self.outcome.name()),
                number(self.logs_found),
                number(self.logs_read as usize),
                number(self.logs_failed),
                number(self.logs_replaced),
                number(self.lines as usize),
                number(self.requests as usize),
                number(self.rejected as usize),
                number(self.windows_built.len()),
                number(self.dates_scored.len()),
                number(self.incidents_built.len()),
                number(self.scores.windows),
                number(self.scores.anomalies),
                number(self.new_incidents.total()),
                number(self.new_incidents.of("high")),
                text(&self.detector),
                seconds(self.seconds.ingest),
                seconds(self.seconds.windows),
                seconds(self.seconds.scores),
                seconds(self.seconds.incidents),
                drifted_on,
                drift(|drift| drift.unusual_share),
                drift(|drift| drift.missing_share),
                drift(|drift| drift.volume_ratio),
            ],
        )?)
    }

    /// The summary as Markdown.
    fn markdown(&self) -> String {
        let mut text = format!(
            "# Run {}\n\n{} UTC, {}\n\n| | |\n|---|---|\n",
            self.run_id.as_deref().unwrap_or("-"),
            self.started.format("%Y-%m-%d %H:%M:%S"),
            self.outcome.name(),
        );
        let rows = [
            (
                "logs read",
                format!("{} of {}", self.logs_read, self.logs_found),
            ),
            ("lines", self.lines.to_string()),
            ("requests", self.requests.to_string()),
            ("lines rejected", self.rejected.to_string()),
            ("windows", span(&self.windows_built)),
            ("scores", span(&self.dates_scored)),
            ("incidents", span(&self.incidents_built)),
            ("windows scored", self.scores.windows.to_string()),
            ("of them anomalous", self.scores.anomalies.to_string()),
            ("detector", self.detector.clone()),
            ("new incidents", self.new_incidents.to_string()),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        if !self.new_incidents.worst.is_empty() {
            text.push_str("\n## The worst new incidents\n\n");
            text.push_str("| severity | site | from | to | change | first cause |\n");
            text.push_str("|---|---|---|---|---|---|\n");
            for incident in &self.new_incidents.worst {
                let cells = [
                    incident.severity.clone(),
                    incident.site.clone(),
                    incident.started_at.clone(),
                    incident.ended_at.clone(),
                    incident.change(),
                    incident
                        .cause
                        .as_ref()
                        .map_or_else(String::new, ToString::to_string),
                ];
                for cell in cells {
                    let _ = write!(text, "| {} ", escape_markdown(&cell));
                }
                text.push_str("|\n");
            }
        }
        for (title, lines) in [
            ("Detectors", self.decision_lines()),
            ("Could not be read", self.fault_lines()),
            ("Warnings", self.warnings()),
        ] {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n## {title}\n");
                for line in lines {
                    let _ = writeln!(text, "- {}", escape_markdown(&line));
                }
            }
        }
        text
    }

    /// What a reader should know.
    fn warnings(&self) -> Vec<String> {
        let drift = self.drift.iter().flat_map(Drift::warnings);
        self.warnings.iter().cloned().chain(drift).collect()
    }

    fn decision_lines(&self) -> Vec<String> {
        let decisions = self.decisions.iter();
        decisions
            .map(|(from, decision)| format!("from {} on: {decision}", from.0))
            .collect()
    }

    fn fault_lines(&self) -> Vec<String> {
        let faults = self.faults.iter();
        faults
            .map(|fault| format!("`{}`: {}", fault.path, fault.message))
            .collect()
    }
}

/// Paths and lines of logs are written by others: none becomes markup or a line of its own.
fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '[' | ']' | '|' | '*' | '_' | '!' | '#' => {
                escaped.push('\\');
                escaped.push(character);
            }
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

/// Dates in words.
fn span(dates: &BTreeSet<String>) -> String {
    match (dates.first(), dates.last()) {
        (Some(first), Some(last)) if first == last => format!("1 date, {first}"),
        (Some(first), Some(last)) => format!("{} dates, {first} to {last}", dates.len()),
        _ => "none".to_owned(),
    }
}

impl fmt::Display for NightSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run_id {
            None => write!(
                f,
                "nothing new: {} logs found, all known, and every table is up to date",
                self.logs_found
            )?,
            Some(id) => {
                write!(
                    f,
                    "run {id}: {} of {} logs are new, with {} requests, {} lines rejected",
                    self.logs_read, self.logs_found, self.requests, self.rejected
                )?;
                if self.logs_linked > 0 {
                    write!(f, "; {} logs are linked", self.logs_linked)?;
                }
                write!(f, "\nwindows: {}", span(&self.windows_built))?;
                write!(f, "\nscores: {}", span(&self.dates_scored))?;
                write!(f, "\nincidents: {}", span(&self.incidents_built))?;
                if self.scores.windows > 0 {
                    write!(
                        f,
                        "\n{} windows scored, {} of them anomalous by {}",
                        self.scores.windows, self.scores.anomalies, self.detector
                    )?;
                }
                if !self.incidents_built.is_empty() {
                    write!(f, "\nnew incidents: {}", self.new_incidents)?;
                }
                for incident in self.new_incidents.worst.iter().take(MOST_SHOWN) {
                    write!(f, "\n  {incident}")?;
                }
            }
        }
        if self.dates_removed > 0 {
            write!(
                f,
                "\n{} partitions removed, since there are no logs of their dates any more",
                self.dates_removed
            )?;
        }
        if self.dates_left > 0 {
            write!(
                f,
                "\n{} partitions of other dates are out of date: a run without `--date`, `--from` \
                 and `--to` builds them",
                self.dates_left
            )?;
        }
        for decision in self.decision_lines() {
            write!(f, "\ndetector {decision}")?;
        }
        write!(f, "{}", self.after)?;
        for warning in self.warnings() {
            write!(f, "\nwarning: {warning}")?;
        }
        for fault in self.fault_lines() {
            write!(f, "\nwarning: {fault}")?;
        }
        Ok(())
    }
}

/// What a run would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// The job file.
    pub job: PathBuf,
    /// The warehouse.
    pub warehouse: PathBuf,
    /// Logs at the sources.
    pub logs_found: usize,
    /// Those that would be read.
    pub new_logs: Vec<String>,
    /// Dates of `traffic_windows` that would be built as things stand, before new logs are read.
    pub windows: BTreeSet<String>,
    /// Dates of `scored_windows` likewise.
    pub scores: BTreeSet<String>,
    /// Dates of `incidents` and `incident_causes` likewise.
    pub incidents: BTreeSet<String>,
    /// The detector that decides.
    pub detector: String,
    /// What cannot be read.
    pub faults: Vec<SourceFault>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is in order\nlogs: {} found, {} of them new",
            self.job.display(),
            self.logs_found,
            self.new_logs.len()
        )?;
        write!(f, "\ndetector: {}", self.detector)?;
        let besides = if self.new_logs.is_empty() {
            ""
        } else {
            ", besides those of the new logs"
        };
        write!(f, "\nwindows to build: {}{besides}", span(&self.windows))?;
        write!(f, "\nscores to build: {}{besides}", span(&self.scores))?;
        write!(
            f,
            "\nincidents to build: {}{besides}",
            span(&self.incidents)
        )?;
        for fault in &self.faults {
            write!(f, "\nwarning: `{}`: {}", fault.path, fault.message)?;
        }
        Ok(())
    }
}
