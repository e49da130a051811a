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
pub(crate) fn scored(days: u32, scale: &str, seed: u32) -> Workplace {
    let work = Workplace::new();
    work.succeed(&[
        "simulate",
        "--output",
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
    let said = work.run(&["incidents", "build"]);
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
    | slow_ramp           | /authors/early-window-32 | user_agent Mozilla/5.0 (Windows NT 10.0; Wi |
    +---------------------+--------------------------+---------------------------------------------+
    ");
    let before = work.files("warehouse");
    // Neither threads nor the range asked for change a byte.
    work.succeed(&["incidents", "build", "--threads", "1"]);
    work.succeed(&[
        "incidents",
        "build",
        "--since",
        "2026-03-04T12:00:00Z",
        "--until",
        "2026-03-04T23:00:00Z",
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
    work.succeed(&["incidents", "build"]);
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
    | kind           | Utf8                 | YES         |
    | kind_evidence  | Utf8                 | YES         |
    | requests       | Int64                | YES         |
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
    insta::assert_snapshot!(work.run(&["incidents", "build"]), @"
    --- stderr
    error: no table `scored_windows`
    hint: run `anomalog score` first
    --- exit 1
    ");
    assert!(!work.path().join("warehouse/incidents").exists());
}

#[test]
fn incidents_are_listed_shown_and_labelled() {
    let work = scored(4, "0.5", 7);
    insta::assert_snapshot!(work.run(&["incidents"]), @"
    --- stderr
    no incident was looked for yet: `anomalog run` or `anomalog incidents build` does
    ");
    work.succeed(&["incidents", "build"]);
    insta::assert_snapshot!(work.run(&["incidents"]), @"
    +----------+----------+--------------------+------+----------------------+---------+---------------------------------+--------------------------------------------------------------------------+
    | id       | severity | kind               | site | started_at           | minutes | change                          | first_cause                                                              |
    +----------+----------+--------------------+------+----------------------+---------+---------------------------------+--------------------------------------------------------------------------+
    | bfc99021 | high     | flood              | shop | 2026-03-04T10:29:00Z | 35      | +7479 requests                  | client_ip 198.51.100.32                                                  |
    | edfd6fae | high     | scraping           | api  | 2026-03-04T08:45:00Z | 21      | +200 requests                   | client_ip 198.51.100.41                                                  |
    | b32dc3f8 | high     | latency            | shop | 2026-03-05T13:24:00Z | 47      | latency_p95 7.6 times the usual | -                                                                        |
    | 25066ab3 | medium   | vulnerability_scan | blog | 2026-03-04T13:37:00Z | 15      | +347 client_errors              | client_ip 203.0.113.44                                                   |
    | 6b71582b | low      | surge              | blog | 2026-03-05T18:36:00Z | 6       | +69 requests                    | user_agent Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36… |
    +----------+----------+--------------------+------+----------------------+---------+---------------------------------+--------------------------------------------------------------------------+
    ");
    insta::assert_snapshot!(work.run(&["incidents", "--kind", "flood,scraping", "--min-severity", "high"]), @"
    +----------+----------+----------+------+----------------------+---------+----------------+-------------------------+
    | id       | severity | kind     | site | started_at           | minutes | change         | first_cause             |
    +----------+----------+----------+------+----------------------+---------+----------------+-------------------------+
    | bfc99021 | high     | flood    | shop | 2026-03-04T10:29:00Z | 35      | +7479 requests | client_ip 198.51.100.32 |
    | edfd6fae | high     | scraping | api  | 2026-03-04T08:45:00Z | 21      | +200 requests  | client_ip 198.51.100.41 |
    +----------+----------+----------+------+----------------------+---------+----------------+-------------------------+
    ");
    insta::assert_snapshot!(work.run(&["incidents", "--site", "nowhere"]), @"
    --- stderr
    no incident
    ");
    // A date is the end of a range as a whole.
    let of_date = work.run(&[
        "incidents",
        "--since",
        "2026-03-04",
        "--until",
        "2026-03-04",
    ]);
    assert!(
        of_date.contains("2026-03-04T") && !of_date.contains("2026-03-05T"),
        "{of_date}"
    );
    let listed = work.succeed(&["incidents", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let worst = listed["incidents"][0]["incident_id"].as_str().unwrap();
    insta::assert_snapshot!(work.run(&["incidents", "show", worst]), @"
    flood at shop, high severity
      incident    bfc990212ecad195
      time        2026-03-04T10:29:00Z to 2026-03-04T11:04:00Z
      windows     35 unusual, highest score 1.000000
      change      +7479 requests
      impact      181 minutes of usual traffic
      requests    8907
      why so      6.2 times the usual requests; one client explains 91 % of the rise, one path 91 %

    requests from three hours before to three hours after, UTC
          372                             ▆██
                                          ███
                                          ███
                                          ███
                                         ▃███
            0 ▆▆▅▆▅▄▄▆▅▇▆▄▇▅▅▆█▅▄▅▄▅▅▄▆▇▇████▆▅▅▅▅▇▆▅▇▆▅▅▇▆▇▇▄▇█▆▆▆▅▆▅▄▃▄▄▃▅▄▄
     expected  ▁ ▁▁▁▁▁▁▁ ▁    ▁▁▁ ▁▁ ▁  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  ▁  ▁▁▁▁▁  ▁   ▁▁ ▁▁▁
        score ▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█████▇▁▁▁▁▁▁▁▂▁▁▁▁▂▁▁▁▁▂▂▁▁▁▁▁▁▁▃▁▁▁▁
     incident                            ━━━━━━
              07:00                                                      15:00

    before  during  of the change
       0 %    80 %           91 %  client_ip 198.51.100.32
       0 %    80 %           91 %  client_network 198.51.100.0/24
       0 %    80 %           91 %  path /product/silver-pocket-92
      13 %    83 %           79 %  path_folder /product/
       0 %    80 %           91 %  user_agent Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like…

    queries to go on with, for `anomalog sql`:

      SELECT timestamp, client_ip, method, path, status, user_agent
      FROM   access_logs
      WHERE  date BETWEEN '2026-03-04' AND '2026-03-04'
        AND  timestamp >= '2026-03-04T10:29:00Z' AND timestamp < '2026-03-04T11:04:00Z'
        AND  site = 'shop'
        AND  client_ip = '198.51.100.32'
      ORDER  BY timestamp
      LIMIT  100

      SELECT window_start, requests, anomaly_score, top_metric, direction, expected_value
      FROM   scored_windows
      WHERE  site = 'shop'
        AND  window_start >= '2026-03-04T10:29:00Z' AND window_start < '2026-03-04T11:04:00Z'
      ORDER  BY window_start
    ");
    what_is_labelled_false_is_not_listed(&work, worst);
    insta::assert_snapshot!(work.run(&["incidents", "show", "nothing"]), @"
    --- stderr
    error: no incident has an id that begins with `nothing`
    hint: `anomalog incidents --all` lists them with their ids
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["incidents", "show", ""]), @"
    --- stderr
    error: no incident has an id that begins with ``
    hint: `anomalog incidents --all` lists them with their ids
    --- exit 1
    ");
}

/// Told false, an incident is listed no more; it is a label that is learned from.
fn what_is_labelled_false_is_not_listed(work: &Workplace, worst: &str) {
    insta::assert_snapshot!(work.run(&["incidents", "label", &worst[..6], "false", "--note", "a copy of ours"]), @"
    --- stderr
    flood at shop is labelled false; 0 others are like it, and not told again unless clearly worse. `anomalog train --objective gate` learns from it
    ");
    let left = work.run(&["incidents"]);
    assert!(
        !left.contains(&worst[..8]) && left.contains("`--all` lists them"),
        "{left}"
    );
    assert!(work.run(&["incidents", "--all"]).contains(&worst[..8]));
    insta::assert_snapshot!(work.succeed(&["sql", "SELECT site, start, \"end\", kind, metric, incident_kind, note FROM labels WHERE incident_id IS NOT NULL"]), @"
    +------+----------------------+----------------------+--------+----------+---------------+----------------+
    | site | start                | end                  | kind   | metric   | incident_kind | note           |
    +------+----------------------+----------------------+--------+----------+---------------+----------------+
    | shop | 2026-03-04T10:29:00Z | 2026-03-04T11:04:00Z | normal | requests | flood         | a copy of ours |
    +------+----------------------+----------------------+--------+----------+---------------+----------------+
    ");
    insta::assert_snapshot!(work.run(&["incidents", "label", worst, "true"]), @"
    --- stderr
    flood at shop is labelled true, before it was false
    ");
    assert!(work.run(&["incidents"]).contains(&worst[..8]));
}
