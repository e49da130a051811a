//! The tables of the warehouse: column names, types and null rules.
//!
//! Every exported column has a type that BI tools read from Parquet: `BOOLEAN`, `INT32`, `INT64`,
//! `DOUBLE`, `STRING` and `TIMESTAMP(MICROS, UTC)`. The only exception is the quarantine, which
//! keeps rejected bytes as they were read.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Hive partition column of [`Table::AccessLogs`]: the UTC date of `timestamp`.
pub const DATE_PARTITION: &str = "date";

/// A point in time: microseconds since the Unix epoch, UTC.
#[must_use]
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The tables that anomalog itself writes into a warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row per request.
    AccessLogs,
    /// One row per ingested file and site: what was read, and which time it covers.
    LogFiles,
    /// One row per line that could not be read as a request.
    Quarantine,
    /// One row per series and window, gaps filled.
    TrafficWindows,
    /// One row per series and window, with anomaly scores.
    ScoredWindows,
    /// One row per known anomaly.
    Labels,
    /// One row per run of `anomalog run` that changed something.
    Runs,
    /// One row per date, series and site: first and last window with a request. Not for queries:
    /// it saves `anomalog run` from reading all logs.
    SeriesDates,
}

impl Table {
    /// Every table that queries read, in the order of the data flow.
    pub const ALL: [Self; 7] = [
        Self::AccessLogs,
        Self::LogFiles,
        Self::Quarantine,
        Self::TrafficWindows,
        Self::ScoredWindows,
        Self::Labels,
        Self::Runs,
    ];

    /// The name in SQL, and of the folder in the warehouse.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessLogs => "access_logs",
            Self::LogFiles => "log_files",
            Self::Quarantine => "quarantine",
            Self::TrafficWindows => "traffic_windows",
            Self::ScoredWindows => "scored_windows",
            Self::Labels => "labels",
            Self::Runs => "runs",
            Self::SeriesDates => "series_dates",
        }
    }
}

/// `access_logs` as stored in a file; [`DATE_PARTITION`] is a folder, not a column of the file.
///
/// Absent text is the empty string in the columns that every request has (`method`, `path`,
/// `query`, `protocol`) and NULL in those that a log format may lack.
pub static ACCESS_LOGS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("timestamp", timestamp_type(), false),
        Field::new("site", DataType::Utf8, false),
        Field::new("client_ip", DataType::Utf8, false),
        Field::new("method", DataType::Utf8, false),
        Field::new("path", DataType::Utf8, false),
        Field::new("query", DataType::Utf8, false),
        Field::new("protocol", DataType::Utf8, false),
        Field::new("status", DataType::Int32, false),
        Field::new("bytes", DataType::Int64, true),
        Field::new("latency_ms", DataType::Float64, true),
        Field::new("referer", DataType::Utf8, true),
        Field::new("user_agent", DataType::Utf8, true),
    ]))
});

/// [`ACCESS_LOGS`] as queries read it: text stays where the file's dictionary has it.
pub static ACCESS_LOGS_READ: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = ACCESS_LOGS.fields().iter().map(|field| {
        let field = field.as_ref().clone();
        match field.data_type() {
            DataType::Utf8 => field.with_data_type(DataType::Utf8View),
            _ => field,
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// `log_files`: one row per ingested file and site.
///
/// `lines` and `rejected` count the whole file, `rows` the site's share. `covered_from` and
/// `covered_to` are the first and last timestamp of the whole file: a file that mentions a site
/// at all says of that whole range whether the site had traffic.
pub static LOG_FILES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("blake3", DataType::Utf8, false),
        Field::new("format", DataType::Utf8, false),
        Field::new("site", DataType::Utf8, false),
        Field::new("lines", DataType::Int64, false),
        Field::new("rejected", DataType::Int64, false),
        Field::new("rows", DataType::Int64, false),
        Field::new("covered_from", timestamp_type(), false),
        Field::new("covered_to", timestamp_type(), false),
    ]))
});

/// `quarantine`: one row per rejected line, `raw` being its bytes without the line end.
pub static QUARANTINE: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("line_number", DataType::Int64, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("raw", DataType::Binary, false),
    ]))
});

/// `traffic_windows`: metrics are NULL exactly where `is_observed` is false, and the latency
/// quantiles also where no request carries a latency.
pub static TRAFFIC_WINDOWS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("site", DataType::Utf8, false),
        Field::new("window_start", timestamp_type(), false),
        Field::new("requests", DataType::Int64, true),
        Field::new("bytes", DataType::Int64, true),
        Field::new("client_errors", DataType::Int64, true),
        Field::new("server_errors", DataType::Int64, true),
        Field::new("unique_clients", DataType::Int64, true),
        Field::new("latency_p50", DataType::Float64, true),
        Field::new("latency_p95", DataType::Float64, true),
        Field::new("is_observed", DataType::Boolean, false),
    ]))
});

/// `runs`: one row per run that changed something.
///
/// `logs_…`, `lines`, `requests` and `rejected` count what the run read, `windows_dates` and
/// `scored_dates` the dates that it built, `windows` and `anomalies` the rows that it scored.
pub static RUNS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let number = |name: &str| Field::new(name, DataType::Int64, false);
    let seconds = |name: &str| Field::new(name, DataType::Float64, false);
    Arc::new(Schema::new(vec![
        Field::new("run_id", DataType::Utf8, false),
        Field::new("started_at", timestamp_type(), false),
        Field::new("ended_at", timestamp_type(), false),
        Field::new("outcome", DataType::Utf8, false),
        number("logs_found"),
        number("logs_read"),
        number("logs_failed"),
        number("logs_replaced"),
        number("lines"),
        number("requests"),
        number("rejected"),
        number("windows_dates"),
        number("scored_dates"),
        number("windows"),
        number("anomalies"),
        Field::new("detector", DataType::Utf8, false),
        seconds("ingest_seconds"),
        seconds("windows_seconds"),
        seconds("scores_seconds"),
    ]))
});

/// `series_dates`: windows are counted from the Unix epoch, in the step of the warehouse.
pub static SERIES_DATES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::Utf8, false),
        Field::new("site", DataType::Utf8, false),
        Field::new("first_slot", DataType::Int64, false),
        Field::new("last_slot", DataType::Int64, false),
    ]))
});

/// `labels`: one row per known anomaly, from `start` to before `end`.
///
/// `metric` is the column of `traffic_windows` that shows it best, `culprit` the client, network
/// or path that causes it.
pub static LABELS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("site", DataType::Utf8, false),
        Field::new("start", timestamp_type(), false),
        Field::new("end", timestamp_type(), false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("metric", DataType::Utf8, false),
        Field::new("culprit", DataType::Utf8, true),
    ]))
});
