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
    /// One row per line, or row of a Parquet log, that could not be read as a request.
    Quarantine,
    /// One row per series and window, gaps filled.
    TrafficWindows,
    /// One row per series and window, with anomaly scores.
    ScoredWindows,
    /// One row per incident.
    Incidents,
    /// One row per incident and value that explains a part of it.
    IncidentCauses,
    /// One row per known anomaly.
    Labels,
    /// One row per time at which something was planned.
    Calendar,
    /// One row per run of `anomalog run` that changed something.
    Runs,
    /// One row per date, series and site: first and last window with a request. Not for queries:
    /// it saves `anomalog run` from reading all logs.
    SeriesDates,
}

impl Table {
    /// Every table that queries read, in the order of the data flow.
    pub const ALL: [Self; 10] = [
        Self::AccessLogs,
        Self::LogFiles,
        Self::Quarantine,
        Self::TrafficWindows,
        Self::ScoredWindows,
        Self::Incidents,
        Self::IncidentCauses,
        Self::Labels,
        Self::Calendar,
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
            Self::Incidents => "incidents",
            Self::IncidentCauses => "incident_causes",
            Self::Labels => "labels",
            Self::Calendar => "calendar",
            Self::Runs => "runs",
            Self::SeriesDates => "series_dates",
        }
    }

    /// What one row stands for.
    #[must_use]
    pub const fn row(self) -> &'static str {
        match self {
            Self::AccessLogs => "request",
            Self::LogFiles => "ingested file and site: what was read, and which time it covers",
            Self::Quarantine => {
                "line, or row of a Parquet log, that could not be read as a request"
            }
            Self::TrafficWindows => "series and window, gaps filled",
            Self::ScoredWindows => "series and window, with anomaly scores",
            Self::Incidents => "incident",
            Self::IncidentCauses => "incident and value that explains a part of it",
            Self::Labels => "known anomaly",
            Self::Calendar => "time at which something was planned",
            Self::Runs => "run of `anomalog run` that changed something",
            Self::SeriesDates => "date, series and site: first and last window with a request",
        }
    }

    /// What a column means, of the tables that are not exported: `export::description` knows the
    /// columns of those that are.
    #[must_use]
    pub fn meaning(self, column: &str) -> Option<&'static str> {
        let columns = match self {
            Self::AccessLogs => REQUEST_MEANINGS,
            Self::LogFiles => LOG_FILE_MEANINGS,
            Self::Quarantine => QUARANTINE_MEANINGS,
            Self::Labels => LABEL_MEANINGS,
            Self::Calendar => CALENDAR_MEANINGS,
            _ => &[],
        };
        let mut columns = columns.iter();
        columns
            .find(|(name, _)| *name == column)
            .map(|(_, text)| *text)
    }
}

/// Columns and what they mean.
type Meanings = &'static [(&'static str, &'static str)];

const REQUEST_MEANINGS: Meanings = &[
    ("timestamp", "When the server logged the request, UTC"),
    (
        "site",
        "The site, as the log, its folder or the command line names it",
    ),
    (
        "client_ip",
        "The client's address or name, as the log has it, or its pseudonym",
    ),
    ("method", "Such as GET; empty where the log has none"),
    ("path", "Path without query; empty where the log has none"),
    ("query", "What follows the question mark; empty without one"),
    ("protocol", "Such as HTTP/1.1; empty where the log has none"),
    ("status", "HTTP status of the answer"),
    ("bytes", "Bytes sent; NULL where the log does not say"),
    (
        "latency_ms",
        "Time to answer, milliseconds; NULL where the log does not say",
    ),
    ("referer", "The header of that name; NULL without one"),
    ("user_agent", "The header of that name; NULL without one"),
    (
        DATE_PARTITION,
        "UTC date of timestamp; a folder, so that a filter on it leaves files out",
    ),
];

const LOG_FILE_MEANINGS: Meanings = &[
    ("file", "The file, as it was named when it was ingested"),
    ("blake3", "Digest of its bytes"),
    ("format", "The log format that it was read as"),
    ("site", "A site that it has requests of"),
    ("lines", "Lines of the whole file"),
    (
        "rejected",
        "Lines of the whole file that went to the quarantine",
    ),
    ("rows", "Requests of the site"),
    ("covered_from", "First timestamp of the whole file, UTC"),
    ("covered_to", "Last timestamp of the whole file, UTC"),
];

const QUARANTINE_MEANINGS: Meanings = &[
    (
        "file",
        "The file, as in log_files; of a Parquet log, its path",
    ),
    ("line_number", "From 1; of a Parquet log, of the row"),
    ("reason", "Why it is no request"),
    (
        "raw",
        "Its bytes, without the line end; of a Parquet log, what the columns hold that are read, as a \
         JSON object of text. Nothing where clients are pseudonymised",
    ),
];

const LABEL_MEANINGS: Meanings = &[
    ("site", "Series, as in traffic_windows"),
    ("start", "First instant of the anomaly, UTC"),
    ("end", "First instant after it, UTC"),
    ("kind", "What happened, such as outage or flood"),
    ("metric", "The column of traffic_windows that shows it best"),
    (
        "culprit",
        "The client, network or path that causes it; NULL without one",
    ),
    (
        "incident_id",
        "The incident that it is about, of labels by `anomalog incidents label`; NULL of others, as what \
         follows",
    ),
    ("incident_kind", "The kind that the incident had"),
    ("incident_severity", "The severity that it had"),
    ("incident_impact", "The impact_minutes that it had"),
    ("note", "What was said of it"),
];

const CALENDAR_MEANINGS: Meanings = &[
    ("site", "The site, * for every one"),
    ("start", "First instant of what was planned, UTC"),
    ("end", "First instant after it, UTC"),
    (
        "kind",
        "maintenance: no window is an incident; event: none with more than expected; holiday: none with \
         less than expected",
    ),
];

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

/// `quarantine`: one row per rejected line, `raw` being its bytes without the line end; and one per row
/// of a linked Parquet log that is no request, `raw` being a JSON object.
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

/// `incidents`: what went wrong when, from `started_at` to before `ended_at`, in the order of
/// `started_at`, then `site`.
///
/// - `incident_id` follows from `site` and `started_at`; `group_id` is that of the first of the
///   incidents that overlap in time, directly or by way of others.
/// - `windows` are those above the stop level: see [`crate::incidents::IncidentRules`].
/// - `top_metric` and `direction` are where most of the surprise is (the sum of −log₁₀(1 − score)).
///   `expected_total` and `actual_total` are sums of `top_metric` over the windows in which it is the
///   most surprising and off to that side; no other metric has an expected value there. For latencies
///   only their ratio means something.
/// - `impact_minutes` is how much usual traffic was lost or came on top, failed or was late, in
///   minutes of usual traffic: what a metric was off by in total, over what is usual a minute, for the
///   metric in which that is largest. Usual is what was expected of it; of errors, requests. Latencies
///   count for the time they lasted at most.
/// - `severity` adds up how rare the rarest window is (once a month, once a year) and how large the
///   impact is ([`IncidentRules::medium_impact`](crate::incidents::IncidentRules::medium_impact)
///   and `high_impact`), one point each: none or one is `low`, two `medium`, more `high`.
/// - `kind` is what it looks like, a name of [`IncidentKind`](crate::incidents::IncidentKind), `unknown`
///   where that is not clear; `kind_evidence` is what decided, in words; `requests` are those of the series during it, of at most its first six hours. All are NULL of incidents that an
///   earlier program found and whose rows can no longer be read.
/// - `run_id` is that of the window that the incident starts with.
pub static INCIDENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("incident_id", DataType::Utf8, false),
        Field::new("group_id", DataType::Utf8, false),
        Field::new("site", DataType::Utf8, false),
        Field::new("started_at", timestamp_type(), false),
        Field::new("ended_at", timestamp_type(), false),
        Field::new("windows", DataType::Int64, false),
        Field::new("peak_score", DataType::Float64, false),
        Field::new("severity", DataType::Utf8, false),
        Field::new("direction", DataType::Utf8, false),
        Field::new("top_metric", DataType::Utf8, false),
        Field::new("expected_total", DataType::Float64, false),
        Field::new("actual_total", DataType::Float64, false),
        Field::new("impact_minutes", DataType::Float64, false),
        Field::new("kind", DataType::Utf8, true),
        Field::new("kind_evidence", DataType::Utf8, true),
        Field::new("requests", DataType::Int64, true),
        Field::new("run_id", DataType::Utf8, false),
    ]))
});

/// `incident_causes`: the values that explain a part of an incident, in the order of the incidents,
/// then `rank`. They lie in the date that the incident starts on. An incident that no value stands
/// out in has no row.
///
/// - `dimension` is `client_ip`, `client_network` (/24 or /48), `path`, `path_folder` (the path up to
///   its last slash), `user_agent`, `status` or `method`.
/// - `share_during` and `share_before` are the value's shares of what is counted, in [0, 1], 0 where
///   nothing was (of errors, of which there may be none before, `share_before` begins with the value's
///   share of all requests); `excess` is how much more of it there was than expected, in the unit of what is
///   counted: requests, for latencies milliseconds, for bytes KiB.
/// - `explanatory_power` is the share of the incident's change that the value has, less its usual
///   share of the traffic, at most 1; `surprise` its term of the Jensen-Shannon divergence, in nats
///   (Bhagwan et al., "Adtributor", NSDI 2014).
/// - `rank` counts from 1 over all dimensions: of values that explain about as much, the narrowest
///   first. `dimension_rank` counts within a dimension.
pub static INCIDENT_CAUSES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("incident_id", DataType::Utf8, false),
        Field::new("dimension", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, false),
        Field::new("share_during", DataType::Float64, false),
        Field::new("share_before", DataType::Float64, false),
        Field::new("excess", DataType::Float64, false),
        Field::new("explanatory_power", DataType::Float64, false),
        Field::new("surprise", DataType::Float64, false),
        Field::new("rank", DataType::Int32, false),
        Field::new("dimension_rank", DataType::Int32, false),
    ]))
});

/// `runs`: one row per run that changed something.
///
/// `logs_…`, `lines`, `requests` and `rejected` count what the run read, `windows_dates`,
/// `scored_dates` and `incident_dates` the dates that it built, `windows` and `anomalies` the rows that
/// it scored, `incidents` and `high_incidents` what was new among the incidents.
///
/// `last_scored_date` is the beginning of the last date that it scored, NULL if it scored none, and the
/// columns after it say how far that date is from what was to be expected: `unusual_share` of its windows
/// with a score of at least 0.9 among those with one, a tenth if scores are calibrated; `missing_share` of
/// its windows that no log covers; `volume_ratio`, its requests as a multiple of those of a week before, in
/// windows that were observed both times.
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
        number("incident_dates"),
        number("windows"),
        number("anomalies"),
        number("incidents"),
        number("high_incidents"),
        Field::new("detector", DataType::Utf8, false),
        seconds("ingest_seconds"),
        seconds("windows_seconds"),
        seconds("scores_seconds"),
        seconds("incidents_seconds"),
        Field::new("last_scored_date", timestamp_type(), true),
        Field::new("unusual_share", DataType::Float64, true),
        Field::new("missing_share", DataType::Float64, true),
        Field::new("volume_ratio", DataType::Float64, true),
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
/// `kind` is `normal` where nothing was wrong. `metric` is the column of `traffic_windows` that shows it
/// best, `culprit` the client, network or path that causes it.
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

/// `labels` as queries read them: with what `anomalog incidents label` says of the incident that a label is
/// about, which labels of other origin lack.
pub static INCIDENT_LABELS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let of_all = LABELS.fields().iter().map(|field| field.as_ref().clone());
    let mut fields: Vec<Field> = of_all.collect();
    fields.extend([
        Field::new("incident_id", DataType::Utf8, true),
        Field::new("incident_kind", DataType::Utf8, true),
        Field::new("incident_severity", DataType::Utf8, true),
        Field::new("incident_impact", DataType::Float64, true),
        Field::new("note", DataType::Utf8, true),
    ]);
    Arc::new(Schema::new(fields))
});

/// `calendar`: one row per time, from `start` to before `end`, at which something was planned at a site,
/// `*` being every one.
///
/// `kind` is `maintenance`, `event` or `holiday`: see [`crate::calendar`].
pub static CALENDAR: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("site", DataType::Utf8, false),
        Field::new("start", timestamp_type(), false),
        Field::new("end", timestamp_type(), false),
        Field::new("kind", DataType::Utf8, false),
    ]))
});
