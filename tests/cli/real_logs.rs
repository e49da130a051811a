//! The whole path on real data, where it is at hand.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::parquet::arrow::ArrowWriter;

use crate::Workplace;

/// The folder of real logs, or why a test is skipped.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn weblogs() -> Option<PathBuf> {
    let shared = std::env::var_os("ANOMALOG_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = shared.join("data/weblogs");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: `{}` is not here", folder.display());
    None
}

#[test]
fn real_logs_of_four_servers_are_read_to_the_last_line() {
    let Some(folder) = weblogs() else { return };
    let work = Workplace::new();
    let path = |name: &str| folder.join(name).display().to_string();
    work.succeed(&[
        "ingest",
        &path("rhit_nginx_access.log"),
        &path("elastic_apache_logs.log"),
        &path("scan_acunetix.log"),
        &path("nasa_19950801.tsv"),
    ]);
    let counted = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT site, count(*) AS requests, count(DISTINCT client_ip) AS clients, \
         min(timestamp) AS first, max(timestamp) AS last FROM access_logs GROUP BY site ORDER BY site",
    ]);
    insta::assert_snapshot!(counted, @r"
site,requests,clients,first,last
elastic_apache_logs,10000,1753,2015-05-17T10:05:00Z,2015-05-20T21:05:59Z
nasa,30969,2365,1995-08-01T06:00:00Z,1995-08-01T18:52:01Z
rhit_nginx_access,33466,1084,2021-01-22T01:47:05Z,2021-01-22T20:10:45Z
scan_acunetix,6539,1,2016-12-22T13:11:41Z,2016-12-22T13:40:23Z
");
    let rejected = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT line_number, reason FROM quarantine",
    ]);
    insta::assert_snapshot!(rejected, @r"
line_number,reason
1,unreadable timestamp
");
}

/// Requests per minute of NASA's server in July and August 1995, as windows; the minutes of the
/// documented outage (a hurricane), as seconds since the epoch.
fn nasa(folder: &std::path::Path, work: &Workplace) -> Vec<i64> {
    let text = std::fs::read_to_string(folder.join("nasa_requests_per_minute.csv")).unwrap();
    let rows: Vec<Vec<i64>> = text
        .lines()
        .skip(1)
        .map(|line| {
            line.split(',')
                .map(|field| field.parse().unwrap())
                .collect()
        })
        .collect();
    let times = rows.iter().map(|row| row[0] * 1_000_000);
    let columns: [(&str, ArrayRef); 3] = [
        (
            "site",
            Arc::new(StringArray::from(vec!["nasa"; rows.len()])),
        ),
        (
            "window_start",
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ),
        (
            "requests",
            Arc::new(rows.iter().map(|row| Some(row[1])).collect::<Int64Array>()),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(work.path().join("nasa.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    rows.iter()
        .filter(|row| row[2] == 1)
        .map(|row| row[0])
        .collect()
}

#[test]
fn the_outage_of_august_1995_is_found_when_it_begins() {
    let Some(folder) = weblogs() else { return };
    let work = Workplace::new();
    let outage = nasa(&folder, &work);
    work.succeed(&[
        "train",
        "--windows",
        "nasa.parquet",
        "--arch",
        "lstm",
        "--until",
        "1995-07-23",
        "--seed",
        "1",
    ]);
    work.succeed(&[
        "score",
        "--windows",
        "nasa.parquet",
        "--since",
        "1995-08-01",
        "--until",
        "1995-08-01",
        "--output",
        "scored.parquet",
    ]);
    // Nothing but the outage is more than a lone window that day, and the outage is an alarm from its
    // beginning to midnight.
    std::fs::create_dir_all(work.path().join("warehouse/scored_windows")).unwrap();
    std::fs::copy(
        work.path().join("scored.parquet"),
        work.path().join("warehouse/scored_windows/scored.parquet"),
    )
    .unwrap();
    let found = work.succeed(&[
        "sql",
        "--format",
        "csv",
        &format!(
            "SELECT CAST(date_part('epoch', min(window_start) FILTER (WHERE NOT is_lone)) AS BIGINT) AS start, \
             count(DISTINCT direction) FILTER (WHERE NOT is_lone) AS directions, \
             max(direction) FILTER (WHERE NOT is_lone) AS direction, \
             count(*) FILTER (WHERE date_part('epoch', window_start) >= {}) AS windows, \
             count(*) FILTER (WHERE is_lone) AS lone \
             FROM (SELECT *, NOT coalesce(lag(is_anomaly) OVER (ORDER BY window_start), false) \
             AND NOT coalesce(lead(is_anomaly) OVER (ORDER BY window_start), false) AS is_lone \
             FROM scored_windows) WHERE is_anomaly",
            outage[0]
        ),
    ]);
    let fields: Vec<&str> = found.lines().nth(1).unwrap().split(',').collect();
    let start: i64 = fields[0].parse().unwrap();
    assert_eq!(fields[1..3], ["1", "dip"], "{found}");
    // Requests fail some minutes before the time that was written down.
    assert!((start - outage[0]).abs() <= 900, "{found}, {}", outage[0]);
    let windows: usize = fields[3].parse().unwrap();
    assert!(
        windows >= 300,
        "{windows} of the 307 minutes until midnight"
    );
    let lone: usize = fields[4].parse().unwrap();
    assert!(lone <= 1, "{found}");
}
