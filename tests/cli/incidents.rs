//! `anomalog incidents`.

use crate::Workplace;

/// Incidents of simulated attacks, with what the labels say and what comes first of the causes.
///
/// A label is of an incident if they overlap.
const CULPRITS: &str = "
    SELECT labels.kind, labels.culprit,
           coalesce(first.dimension || ' ' || left(first.value, 32), '-') AS first_cause
    FROM incidents
    INNER JOIN labels
        ON labels.site = incidents.site
        AND labels.start < incidents.ended_at AND labels.\"end\" > incidents.started_at
    LEFT JOIN (SELECT * FROM incident_causes WHERE rank = 1) AS first
        ON first.incident_id = incidents.incident_id
    ORDER BY incidents.started_at, incidents.site";

/// A workplace with three simulated sites over four days, scored by the shipped detectors.
fn scored() -> Workplace {
    let work = Workplace::new();
    work.succeed(&[
        "simulate",
        "--out",
        "example",
        "--days",
        "4",
        "--sites",
        "3",
        "--scale",
        "0.5",
        "--seed",
        "7",
        "--start",
        "2026-03-02",
    ]);
    work.succeed(&["ingest", "example/logs"]);
    work.succeed(&[
        "score",
        "--metrics",
        "requests,client_errors,server_errors,latency_p95",
    ]);
    let labels = work.path().join("warehouse/labels");
    std::fs::create_dir_all(&labels).unwrap();
    std::fs::copy(
        work.path().join("example/labels.parquet"),
        labels.join("labels.parquet"),
    )
    .unwrap();
    work
}

#[test]
fn culprits_come_first() {
    let work = scored();
    let said = work.run(&["incidents"]);
    insta::assert_snapshot!(said, @"
    --- stderr
    found 6 incidents (3 high, 1 medium, 2 low), and causes of 5 of them
    ");
    // The ramp brings eight unusual minutes of few visitors, among whom one browser is frequent.
    insta::assert_snapshot!(work.succeed(&["sql", CULPRITS]), @"
    +---------------------+--------------------------+---------------------------------------------+
    | kind                | culprit                  | first_cause                                 |
    +---------------------+--------------------------+---------------------------------------------+
    | scraper             | 198.51.100.41            | client_ip 198.51.100.41                     |
    | flood               | 198.51.100.32            | client_ip 198.51.100.32                     |
    | vulnerability_scan  | 203.0.113.44             | client_ip 203.0.113.44                      |
    | latency_degradation | NULL                     | -                                           |
    | traffic_drop        | NULL                     | client_ip 192.0.2.200                       |
    | slow_ramp           | /authors/early-window-32 | user_agent Mozilla/5.0 (Windows NT 10.0; Wi |
    +---------------------+--------------------------+---------------------------------------------+
    ");
    let before = work.files("warehouse");
    // Neither threads nor the range asked for change a byte.
    work.succeed(&["incidents", "--threads", "1"]);
    work.succeed(&[
        "incidents",
        "--since",
        "2026-03-04T12:00:00Z",
        "--until",
        "2026-03-05",
    ]);
    assert!(work.files("warehouse") == before, "built again otherwise");
}

#[test]
fn tables_have_their_columns() {
    let work = Workplace::new();
    insta::assert_snapshot!(
        work.succeed(&["sql", "DESCRIBE incidents; DESCRIBE incident_causes"]),
        @r#"
    +----------------+----------------------+-------------+
    | column_name    | data_type            | is_nullable |
    +----------------+----------------------+-------------+
    | incident_id    | Utf8                 | NO          |
    | group_id       | Utf8                 | NO          |
    | site           | Utf8                 | NO          |
    | started_at     | Timestamp(µs, "UTC") | NO          |
    | ended_at       | Timestamp(µs, "UTC") | NO          |
    | windows        | Int64                | NO          |
    | peak_score     | Float64              | NO          |
    | severity       | Utf8                 | NO          |
    | direction      | Utf8                 | NO          |
    | top_metric     | Utf8                 | NO          |
    | expected_total | Float64              | NO          |
    | actual_total   | Float64              | NO          |
    | impact_minutes | Float64              | NO          |
    | run_id         | Utf8                 | NO          |
    +----------------+----------------------+-------------+
    +-------------------+-----------+-------------+
    | column_name       | data_type | is_nullable |
    +-------------------+-----------+-------------+
    | incident_id       | Utf8      | NO          |
    | dimension         | Utf8      | NO          |
    | value             | Utf8      | NO          |
    | share_during      | Float64   | NO          |
    | share_before      | Float64   | NO          |
    | excess            | Float64   | NO          |
    | explanatory_power | Float64   | NO          |
    | surprise          | Float64   | NO          |
    | rank              | Int32     | NO          |
    | dimension_rank    | Int32     | NO          |
    +-------------------+-----------+-------------+
    "#
    );
}

#[test]
fn nothing_was_scored() {
    let work = Workplace::with_windows();
    insta::assert_snapshot!(work.run(&["incidents"]), @"
    --- stderr
    error: no table `scored_windows`
    hint: run `anomalog score` first
    --- exit 1
    ");
    assert!(!work.path().join("warehouse/incidents").exists());
}
