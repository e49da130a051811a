//! The row of a run in the table `runs`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use super::run::RunSummary;
use crate::incidents::SeverityRule;
use crate::job::error::Result;
use crate::schema::RUNS;
use crate::scores::drift::Drift;
use crate::units::micros_of;

impl RunSummary {
    /// The row, with the columns in the order of [`RUNS`].
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
                number(self.new_incidents.count(SeverityRule::High)),
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
}
