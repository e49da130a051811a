//! The job file that `anomalog init` writes: every setting with its default, and what it means.

use std::fmt::Write as _;
use std::path::Path;

/// The text of a job file for logs and a warehouse. Settings that stand at their default are
/// comments, so that a later program's defaults reach old files.
#[must_use]
pub fn job_file(logs: &[&Path], warehouse: &Path) -> String {
    let mut paths = String::new();
    for path in logs {
        let separator = if paths.is_empty() { "" } else { ", " };
        let _ = write!(paths, "{separator}{}", quoted(path));
    }
    format!(
        r#"# What `anomalog run` does every night. Keys that are not known are refused; each can be
# overridden on the command line, as with `--set windows.step=5m`.

# Folder of the tables and detectors. Relative paths are from the folder of this file.
warehouse = {warehouse}
# File with a key, 64 hexadecimal digits that only its owner may read: clients' addresses are kept as
# pseudonyms that share the prefixes which the addresses share, and no rejected line is kept.
# pseudonymise = "/etc/anomalog/pseudonyms.key"

# Where logs come from. There can be several sections `[[logs]]`.
[[logs]]
# Files, folders with all below them, and patterns such as "/var/log/nginx/*.log*".
paths = [{paths}]
# auto, common, combined, json, tsv, csv, or parquet: linked in place, not copied. What begins as
# Parquet is found by `auto`, too.
# format = "auto"
# Site of every request; without it the virtual host of the line, else the folder or file name.
# site = "shop"
# Which field of JSON, TSV, CSV or Parquet logs holds which column.
# columns = {{ timestamp = "ts", status = "code" }}
# Character between two columns of a CSV or TSV log.
# delimiter = ","

# Rows with times that cannot be right are set aside: those of text go to the table `quarantine`.
[limits]
# Rows before this date.
# earliest = "1990-01-01"
# Rows so much later than their file was last written.
# ahead_of_file = "1d"
# Rows so much earlier than most of the first rows of their log.
# before_log = "1826d"

[windows]
# Length of a window: it must divide a day evenly.
# step = "1m"
# SQL expression over `access_logs` that names the series of a request.
# series_key = "site"
# Further metrics of windows: unique_paths, top_client_share (of the most frequent client, in [0, 1])
# and bot_requests (of crawlers, scanners and tools, by their user agents).
# extra_metrics = []
# Where the users of a series live: what is usual at a time of day moves with their clocks.
# time_zone = "UTC"
# Series that are elsewhere.
# time_zones = {{ shop-us = "America/New_York" }}

# Files that SQL functions over requests read, in queries and in `windows.series_key`.
[enrichment]
# Files in MaxMind's format for `country(client_ip)` and `asn(client_ip)`.
# country_database = "GeoLite2-Country.mmdb"
# asn_database = "GeoLite2-ASN.mmdb"
# A class and a pattern a line for `user_agent_class(user_agent)`, such as `tool acme-monitor`.
# user_agents = "user_agents.txt"
# A pattern a line for `path_group(path)`, such as `/blog/{{title}}`; `path_patterns(path)` learns them.
# path_groups = "path_groups.txt"

[scores]
# The detector that decides what is an anomaly, as "name" or "name@version"; without it the one
# with the most metrics, then the best forecast, or a shipped one where none was trained.
# detector = "lstm"
# Columns that shipped detectors score, unless told otherwise.
# metrics = ["requests", "client_errors", "server_errors", "latency_p95"]
# Windows per series and week that may be anomalous by chance, whatever detectors were trained with.
# False incidents are fewer, since one takes several of them.
# alarms_per_week = 4.0

# When anomalous windows are an incident, and how severe it is.
[incidents]
# Windows this many times as frequent as those at the threshold still go on with an incident.
# stop_ratio = 1.75
# Longest time below that within an incident.
# bridge = "10m"
# Longest time without scores within an incident.
# bridge_unknown = "1h"
# Shortest incident.
# min_length = "3m"
# Least severity that is kept: low, medium or high.
# min_severity = "low"
# An impact of so much usual traffic raises the severity by one step, and by two.
# medium_impact = "10m"
# high_impact = "1h"

# Incidents that are not told: they stay in the table `incidents` and on the page, but are not listed, and
# neither hooks nor `--fail-on` hear of them. One is suppressed that meets every condition of a section, and is
# below any of its least amounts, if there are some.
# [[suppress]]
# reason = "nightly backup"
# Series, or patterns of their names.
# site = ["shop", "blog-*"]
# metric = "requests"
# spike or dip.
# direction = "spike"
# kind = ["flood", "surge"]
# A time of day that the incident lies in whole, as the clocks of the series say, and days on which it begins.
# between = "01:30-04:00"
# weekdays = ["sat", "sun"]
# The first and the last date on which it begins.
# since = "2026-11-01"
# until = "2026-12-31"
# Told from so much more or less than expected on: in the unit of the metric (of counts in all, of latencies a
# window), as a share of what was expected, and from so many requests on.
# min_deviation = 100
# min_relative_deviation = 0.5
# min_requests = 200

# What is planned, and so no incident: a CSV or Parquet file with the columns site (`*` for every
# one), start, end and kind: maintenance, event (more than usual) or holiday (less). Dates and times
# without an offset are those of the zone of the site, of `*` those of `windows.time_zone`.
[calendar]
# file = "calendar.csv"

# Detectors that learn from these logs. A challenger is trained every so many days; it scores from
# then on if its forecasts are better than those of the detector before, on days neither learned from.
[retrain]
# every = "7d"
# How many days before it learns from, incidents, labels and what was planned left out.
# history = "28d"
# Its name among the detectors.
# name = "nightly"

# A folder for BI tools that follows the tables, with one file per table, of windows one per date.
[export]
# folder = "export"
# parquet, csv or ndjson.
# format = "parquet"
# Whether text of CSV stays as it is that a spreadsheet would take for a formula.
# raw = false

# A page for people, `report.html` in the warehouse: incidents with pictures and causes, all series, the
# data.
[report]
# Whether every run writes it.
# write = true
# How far back it goes, in whole days.
# history = "7d"

# Figures of each run as a file for the textfile collector of node_exporter.
[metrics]
# prometheus = "/var/lib/node_exporter/anomalog.prom"

# Who is told. Whatever becomes of it, the run is what it was.
[hooks]
# Program and arguments, started after each run with its summary as JSON on standard input.
# command = ["/usr/local/bin/tell", "anomalog"]
# How long it may take.
# command_timeout = "1m"
# Where new incidents are posted to as JSON, those of this severity or above; what is not taken is
# sent again by the next run.
# webhook = "https://example.com/hook"
# webhook_severity = "medium"
# How long that may take, with all retries.
# webhook_timeout = "1m"

# How long rows are kept, counted back from the last date of the windows, at least "14d"; for ever
# without it. Windows and incidents stay.
[retention]
# access_logs = "90d"
# scored_windows = "400d"
"#,
        warehouse = quoted(warehouse),
    )
}

/// A path as a TOML string.
fn quoted(path: &Path) -> String {
    // A JSON string is one of TOML, except that it may hold the character 127 as it is.
    let text = serde_json::Value::String(path.to_string_lossy().into_owned());
    text.to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::config::Job;

    /// The settings of a job file, written out.
    fn settings(text: &str) -> String {
        format!(
            "{:#?}",
            Job::parse(text, Path::new("job.toml"), &[]).unwrap()
        )
    }

    #[test]
    fn the_file_means_the_defaults() {
        let text = job_file(
            &[Path::new("logs"), Path::new("a \"b\"")],
            Path::new("warehouse"),
        );
        let least = "[[logs]]\npaths = [\"logs\", 'a \"b\"']";
        assert_eq!(settings(&text), settings(least));
    }

    #[test]
    fn what_is_said_to_be_the_default_is() {
        let text = job_file(&[Path::new("logs")], Path::new("warehouse"));
        // Those are examples: the default is that they are not there.
        let examples = [
            "site",
            "reason",
            "metric",
            "direction",
            "kind",
            "between",
            "weekdays",
            "since",
            "until",
            "min_deviation",
            "min_relative_deviation",
            "min_requests",
            "time_zones",
            "columns",
            "pseudonymise",
            "country_database",
            "asn_database",
            "user_agents",
            "path_groups",
            "delimiter",
            "detector",
            "metrics",
            "file",
            "every",
            "folder",
            "prometheus",
            "command",
            "webhook",
            "access_logs",
            "scored_windows",
        ];
        let is_default = |line: &str| {
            line.strip_prefix("# ").is_some_and(|line| {
                let key = line.split(' ').next().unwrap_or_default();
                line[key.len()..].starts_with(" = ") && !examples.contains(&key)
            })
        };
        let lines = text.lines();
        let spoken: Vec<&str> = lines
            .map(|line| if is_default(line) { &line[2..] } else { line })
            .collect();
        let spoken = spoken.join("\n");
        assert_eq!(spoken.matches("\nstep = ").count(), 1);
        assert_eq!(settings(&spoken), settings(&text));
    }
}
