//! What each column of an export means.

/// Columns that `traffic_windows` and `scored_windows` share.
pub(super) const WINDOWS: &[(&str, &str)] = &[
    (
        "site",
        "Series: the site, or what the job's series key names",
    ),
    ("window_start", "Start of the window, UTC"),
    ("requests", "Requests; NULL where no log covers the window"),
    ("bytes", "Bytes sent"),
    ("client_errors", "Requests with a 4xx status"),
    ("server_errors", "Requests with a 5xx status"),
    (
        "unique_clients",
        "Different client addresses; above 1024 with a standard error of 1.6 %",
    ),
    (
        "latency_p50",
        "Median time to answer, milliseconds; NULL where no request has one",
    ),
    (
        "latency_p95",
        "95 % quantile of the time to answer, milliseconds",
    ),
    (
        "is_observed",
        "Whether a log covers the window: no traffic and no log are different facts",
    ),
];

pub(super) const SCORES: &[(&str, &str)] = &[
    (
        "rnn_score",
        "Anomaly score of the plain recurrent network, in [0, 1): one minus the share of normal windows that are at least as unusual",
    ),
    ("lstm_score", "The same of the long short-term memory"),
    ("gru_score", "The same of the gated recurrent unit"),
    ("clstm_score", "The same of the LSTM behind a convolution"),
    (
        "anomaly_score",
        "Score of the detector that decides; NULL where there is none, see status",
    ),
    ("is_anomaly", "Whether the score reaches the threshold"),
    (
        "severity",
        "Of an anomaly: high once a year or rarer in normal traffic, medium once a month or rarer, else low",
    ),
    ("direction", "spike above what was expected, dip below"),
    ("expected_value", "What was to be expected of top_metric"),
    (
        "lower_bound",
        "From here on top_metric is no anomaly in this window alone",
    ),
    (
        "upper_bound",
        "Up to here top_metric is no anomaly in this window alone",
    ),
    ("threshold", "The score from which a window is an anomaly"),
    ("top_metric", "The metric that stands out most"),
    (
        "status",
        "Why a score is missing or weak: ok, short_history, warmup, no_data, null_input",
    ),
    ("detector", "The detector that decides"),
    ("detector_version", "Its version"),
    (
        "run_id",
        "Digest of what the scores of the date were made from",
    ),
];

pub(super) const INCIDENTS: &[(&str, &str)] = &[
    (
        "incident_id",
        "Key: follows from site and started_at, and stays the same in every run",
    ),
    (
        "group_id",
        "The first of the incidents that overlap in time, directly or by way of others",
    ),
    ("site", "Series, as in scored_windows"),
    ("started_at", "Start of the first window, UTC"),
    ("ended_at", "End of the last window, UTC"),
    (
        "windows",
        "Windows above the level at which an incident ends",
    ),
    ("peak_score", "Largest anomaly score"),
    (
        "severity",
        "low, medium or high: how rare the rarest window is, and how large the impact",
    ),
    ("direction", "spike or dip: where most of the surprise is"),
    ("top_metric", "The metric in which most of the surprise is"),
    (
        "expected_total",
        "Sum of what was expected of top_metric; of latencies only ratios mean something",
    ),
    ("actual_total", "Sum of what there was"),
    (
        "impact_minutes",
        "Usual traffic that was lost or came on top, failed or was late, in minutes of usual traffic",
    ),
    (
        "kind",
        "What it looks like: outage, traffic_drop, flood, scraping, credential_stuffing, vulnerability_scan, \
         error_burst, latency, surge, level_shift, odd_hour or unknown",
    ),
    (
        "kind_evidence",
        "What decided on the kind, in words; NULL beside kind where an earlier program found the incident",
    ),
    (
        "requests",
        "Requests of the series during it, of at most six hours; NULL where an earlier program found the incident",
    ),
    ("run_id", "That of the window that the incident starts with"),
];

pub(super) const INCIDENT_CAUSES: &[(&str, &str)] = &[
    ("incident_id", "Key of the incident"),
    (
        "dimension",
        "client_ip, client_network, path, path_folder, user_agent, status or method",
    ),
    ("value", "The value, as whoever sent the requests wrote it"),
    ("share_during", "Its share during the incident, in [0, 1]"),
    (
        "share_before",
        "Its share in the time that the incident is compared with, in [0, 1]",
    ),
    (
        "excess",
        "How much more of it there was than expected: requests, of latencies milliseconds, of bytes KiB",
    ),
    (
        "explanatory_power",
        "Share of the change that the value has, less its usual share; at most 1",
    ),
    (
        "surprise",
        "Its term of the Jensen-Shannon divergence, nats",
    ),
    ("rank", "From 1, over all dimensions"),
    ("dimension_rank", "From 1, within the dimension"),
];

pub(super) const DETECTORS: &[(&str, &str)] = &[
    ("detector", "Name, as in scored_windows"),
    ("detector_version", "Version, as in scored_windows"),
    ("is_current", "Whether the name alone means this version"),
    (
        "is_shipped",
        "Whether it comes with the program, for any metrics and step",
    ),
    ("architecture", "rnn, lstm, gru or clstm"),
    ("objective", "What it learned: to forecast or to classify"),
    (
        "metrics",
        "The columns that it reads, separated by commas; NULL if any",
    ),
    (
        "step_seconds",
        "Length of its windows, seconds; NULL if any",
    ),
    ("hidden_size", "Width of the recurrent state"),
    (
        "lookback",
        "Windows that it reads before those that it scores",
    ),
    ("block", "Windows that it scores at once"),
    (
        "trained_from",
        "Start of the first window that it learned from; NULL if shipped",
    ),
    (
        "trained_until",
        "End of all that it has seen; NULL if shipped",
    ),
    ("series", "Series that it learned from"),
    ("windows", "Windows that it learned from"),
    ("seed", "Seed of its training"),
    (
        "began_with",
        "The detector whose weights its training began with",
    ),
    (
        "alarms_per_week",
        "Windows per series and week that its threshold lets be anomalous by chance, where no job file says otherwise",
    ),
    (
        "error",
        "Mean absolute error of its forecast, in scales of the series; NULL of a classifier",
    ),
    (
        "error_of_median",
        "The same of the trailing median of 11 windows",
    ),
    ("error_of_previous", "The same of the window before"),
    ("weights_sha256", "Digest of its weights"),
    ("fault", "Why it cannot be read, if so"),
];

pub(super) const RUNS: &[(&str, &str)] = &[
    (
        "run_id",
        "Key: digest of what went before and what was built",
    ),
    ("started_at", "When the run started, UTC"),
    ("ended_at", "When it ended, UTC"),
    (
        "outcome",
        "success, or partial where something could not be read",
    ),
    ("logs_found", "Logs at the sources"),
    ("logs_read", "Logs that were new and read"),
    ("logs_failed", "Logs that could not be read"),
    (
        "logs_replaced",
        "Logs whose rows went since another took their place",
    ),
    ("lines", "Lines read"),
    ("requests", "Requests among them"),
    ("rejected", "Lines that went to the quarantine"),
    ("windows_dates", "Dates of traffic_windows that were built"),
    ("scored_dates", "Dates of scored_windows that were built"),
    (
        "incident_dates",
        "Dates of incidents and incident_causes that were built",
    ),
    ("windows", "Windows scored"),
    ("anomalies", "Anomalous windows among them"),
    (
        "incidents",
        "Incidents found that were not stored as they are now",
    ),
    ("high_incidents", "Those of severity high among them"),
    ("detector", "The detector that decided"),
    ("ingest_seconds", "Time for reading logs, seconds"),
    ("windows_seconds", "Time for building windows, seconds"),
    ("scores_seconds", "Time for scoring, seconds"),
    (
        "incidents_seconds",
        "Time for finding and explaining incidents, seconds",
    ),
    (
        "last_scored_date",
        "Beginning of the last date scored, UTC; NULL if none was",
    ),
    (
        "unusual_share",
        "Share of that date's scored windows with a score of at least 0.9; a tenth if scores are \
         calibrated; NULL if none has a score",
    ),
    (
        "missing_share",
        "Share of that date's windows that no log covers",
    ),
    (
        "volume_ratio",
        "Requests of that date as a multiple of those of a week before, in windows observed both \
         times; NULL if there are none",
    ),
];
