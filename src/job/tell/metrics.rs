//! Figures of a run in the text format of Prometheus, for the textfile collector of `node_exporter`.
//!
//! Every column of `runs` is a metric, described as an export describes it. The file is written anew
//! by every run, also by one that had nothing to do or failed, so that its times tell whether the
//! job runs at all.

use std::fmt::Write as _;
use std::path::Path;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};

use super::ledger::Alerts;
use crate::export::{StarTable, description};
use crate::incidents::SeverityRule;
use crate::job::error::Result;
use crate::warehouse::publish;

/// The ways in which a run can end.
const OUTCOMES: [&str; 3] = ["success", "partial", "failure"];

/// The text of a metrics file.
#[derive(Debug, Default)]
pub(crate) struct MetricsText(String);

impl MetricsText {
    /// Of a run that came to its end: its row of `runs`, and the incidents that are new.
    pub(crate) fn of(row: &RecordBatch, alerts: &Alerts) -> Self {
        let mut metrics = Self::default();
        let mut labels = Vec::new();
        for (field, column) in row.schema().fields().iter().zip(row.columns()) {
            let name = field.name();
            let help = description(StarTable::Runs, name).unwrap_or(name);
            match field.data_type() {
                DataType::Int64 => {
                    let value = column.as_primitive::<Int64Type>().value(0);
                    metrics.gauge(name, help, &[(String::new(), value as f64)]);
                }
                DataType::Float64 => {
                    let value = column.as_primitive::<Float64Type>().value(0);
                    metrics.gauge(name, help, &[(String::new(), value)]);
                }
                DataType::Timestamp(..) => {
                    let micros = column.as_primitive::<TimestampMicrosecondType>().value(0);
                    metrics.time(name, help, micros);
                }
                DataType::Utf8 if name == "outcome" => {
                    metrics.outcome(column.as_string::<i32>().value(0));
                }
                DataType::Utf8 => {
                    let value = column.as_string::<i32>().value(0);
                    labels.push(format!("{name}=\"{}\"", escape(value)));
                }
                _ => {}
            }
        }
        let severities = [SeverityRule::Low, SeverityRule::Medium, SeverityRule::High];
        let incidents: Vec<(String, f64)> = severities
            .iter()
            .map(|severity| {
                let count = alerts.severities.get(severity).copied().unwrap_or(0);
                (format!("{{severity=\"{severity}\"}}"), count as f64)
            })
            .collect();
        let help = "Incidents that no run had seen before, or not so severe";
        metrics.gauge("new_incidents", help, &incidents);
        let labels = format!("{{{}}}", labels.join(","));
        metrics.gauge(
            "info",
            "What the run is called and what decided",
            &[(labels, 1.0)],
        );
        metrics
    }

    /// Of a run that failed: when, and no figures.
    pub(crate) fn of_failure(started: DateTime<Utc>, ended: DateTime<Utc>) -> Self {
        let mut metrics = Self::default();
        for (name, time) in [("started_at", started), ("ended_at", ended)] {
            let help = description(StarTable::Runs, name).unwrap_or(name);
            metrics.time(name, help, time.timestamp_micros());
        }
        metrics.outcome("failure");
        metrics
    }

    fn outcome(&mut self, outcome: &str) {
        let values = OUTCOMES.map(|name| {
            let is_it = f64::from(u8::from(name == outcome));
            (format!("{{outcome=\"{name}\"}}"), is_it)
        });
        self.gauge(
            "outcome",
            "How the run ended: 1 for the way that it did",
            &values,
        );
    }

    fn time(&mut self, name: &str, help: &str, micros: i64) {
        let name = format!("{}_timestamp_seconds", name.trim_end_matches("_at"));
        self.gauge(&name, help, &[(String::new(), micros as f64 / 1e6)]);
    }

    fn gauge(&mut self, name: &str, help: &str, values: &[(String, f64)]) {
        let _ = writeln!(self.0, "# HELP anomalog_run_{name} {}", escape_help(help));
        let _ = writeln!(self.0, "# TYPE anomalog_run_{name} gauge");
        for (labels, value) in values {
            let _ = writeln!(self.0, "anomalog_run_{name}{labels} {value}");
        }
    }

    /// Writes the file, which appears complete or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        Ok(publish::write(path, &self.0)?)
    }
}

/// A value between quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn escape_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}
