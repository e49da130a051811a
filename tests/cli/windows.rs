//! `anomalog windows`.

use crate::Workplace;

#[test]
fn a_step_must_divide_a_day() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["windows", "--step", "7m"]), @"
    --- stderr
    error: invalid value '7m' for '--step <DURATION>': a step must divide a day evenly, such as `30s`, `1m`, `5m`, `1h` or `1d`

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(work.run(&["windows", "--step", "fast"]), @"
    --- stderr
    error: invalid value 'fast' for '--step <DURATION>': expected a whole number and a unit, such as `30s`, `1m`, `5m` or `1h`

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn a_series_key_is_checked_against_the_logs() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["windows", "--series-key", "sight"]), @"
    --- stderr
    error: series key `sight`: no field named sight
    hint: valid fields are access_logs.timestamp, access_logs.site, access_logs.client_ip, access_logs.method, access_logs.path, access_logs.query, access_logs.protocol, access_logs.status, access_logs.bytes, access_logs.latency_ms, access_logs.referer, access_logs.user_agent, access_logs.date
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["windows", "--series-key", "count(*)"]), @"
    --- stderr
    error: series key `count(*)`: expected an expression over the columns of one request
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["windows", "--series-key", "site ||"]), @"
    --- stderr
    error: series key `site ||`: expected: an expression, found: EOF
    --- exit 1
    ");
}

#[test]
fn an_empty_warehouse_has_nothing_to_count() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["windows"]), @"
    --- stderr
    error: the warehouse `warehouse` has no access logs
    hint: read some with `anomalog ingest FILE…`, or name another warehouse with `--warehouse PATH`
    --- exit 1
    ");
    assert!(!work.path().join("warehouse/traffic_windows").exists());
}

/// What is known of files' sites decides how requests are dealt out to threads, and which files are
/// read for the range of a series. To the planner, `site || ''` is no site.
#[test]
fn sites_counted_apart_are_counted_as_any_series() {
    let work = Workplace::new();
    let simulate = "simulate --output example --days 2 --sites 7 --scale 0.2 --start 2026-03-02";
    work.succeed(&simulate.split(' ').collect::<Vec<_>>());
    work.succeed(&["ingest", "example/logs"]);
    let windows = |key: &str, threads: &str| {
        let extra = "unique_paths,top_client_share,bot_requests";
        let build = ["windows", "--extra-metrics", extra, "--series-key", key];
        work.succeed(&[&build[..], &["--threads", threads]].concat());
        let mut files = work.files("warehouse/traffic_windows");
        // Not the settings, which name the key.
        files.retain(|path, _| {
            path.extension()
                .is_some_and(|extension| extension == "parquet")
        });
        files
    };
    let expected = windows("site || ''", "1");
    assert_eq!(expected.len(), 2);
    for threads in ["1", "2", "3", "8"] {
        assert!(windows("site", threads) == expected, "{threads} threads");
        assert!(
            windows("site || ''", threads) == expected,
            "{threads} threads"
        );
    }
}
