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

/// A workplace with three simulated sites over some days, scored by the shipped detectors.
fn scored(days: u32, scale: &str, seed: u32) -> Workplace {
    let work = Workplace::new();
    work.succeed(&[
        "simulate",
        "--out",
        "example",
        "--days",
        &days.to_string(),
        "--sites",
        "3",
        "--scale",
        scale,
        "--seed",
        &seed.to_string(),
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
    let work = scored(4, "0.5", 7);
    let said = work.run(&["incidents"]);
    insta::assert_snapshot!(said, @"
    --- stderr
    found 5 incidents (3 high, 1 medium, 1 low), and causes of 4 of them
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
    | slow_ramp           | /authors/early-window-32 | user_agent Mozilla/5.0 (iPhone; CPU iPhone  |
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

/// Labels, those of them in an incident, incidents in none of them; incidents of attacks, and those of
/// them whose first cause is the attacker, a network of theirs or the page that they ask for.
const FOUND: &str = "
    WITH pairs AS (
        SELECT incidents.incident_id, labels.site, labels.start, labels.kind, labels.culprit,
               first.value, first.dimension
        FROM labels
        INNER JOIN incidents
            ON labels.site = incidents.site
            AND labels.start < incidents.ended_at AND labels.\"end\" > incidents.started_at
        LEFT JOIN (SELECT * FROM incident_causes WHERE rank = 1) AS first
            ON first.incident_id = incidents.incident_id
    ),
    attacks AS (
        SELECT coalesce(
                   value = culprit OR client_network(value) = culprit
                       OR value = client_network(culprit) OR starts_with(value, culprit),
                   false
               ) AS is_named
        FROM pairs
        WHERE culprit IS NOT NULL
            AND kind IN ('flood', 'credential_stuffing', 'scraper', 'vulnerability_scan')
    )
    SELECT (SELECT count(*) FROM labels) AS labels,
           (SELECT count(*) FROM (SELECT DISTINCT site, start FROM pairs)) AS found,
           (SELECT count(*) FROM incidents
            WHERE incident_id NOT IN (SELECT incident_id FROM pairs)) AS wrong,
           (SELECT count(*) FROM attacks) AS attacks,
           (SELECT count(*) FROM attacks WHERE is_named) AS named";

#[test]
fn nine_anomalies_of_ten_are_found_and_nine_attackers_of_ten_named() {
    let work = scored(14, "0.25", 1);
    work.succeed(&["incidents"]);
    let found = work.succeed(&["sql", "--format", "ndjson", FOUND]);
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let count = |name: &str| found[name].as_u64().unwrap();
    assert!(count("labels") >= 30 && count("attacks") >= 12, "{found}");
    assert!(10 * count("found") >= 9 * count("labels"), "{found}");
    // Of three sites in two weeks, one false incident each a week.
    assert!(count("wrong") <= 6, "{found}");
    assert!(10 * count("named") >= 9 * count("attacks"), "{found}");
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
