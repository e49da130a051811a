//! `anomalog ingest`.

use std::io::Write as _;
use std::process::Stdio;

use crate::Workplace;

const LINE: &str = "192.0.2.7 - - [02/Mar/2026:10:00:00 +0100] \"GET /a?b=c HTTP/1.1\" 200 12\n";

/// Refuses an input, and leaves nothing behind.
fn refuse(work: &Workplace, arguments: &[&str]) -> String {
    let before = work.files("warehouse");
    let said = work.run(&[&["ingest"], arguments].concat());
    assert_eq!(work.files("warehouse"), before, "something was written");
    said
}

#[test]
fn every_line_becomes_a_row_or_is_quarantined() {
    let work = Workplace::new();
    work.write("shop.log", format!("{LINE}no request\n{LINE}"));
    insta::assert_snapshot!(work.run(&["ingest", "shop.log"]), @"");
    insta::assert_snapshot!(
        work.run(&[
            "sql",
            "SELECT timestamp, site, client_ip, method, path, query, status, bytes FROM access_logs",
        ]),
        @""
    );
    insta::assert_snapshot!(
        work.run(&[
            "sql",
            "SELECT file, line_number, reason, arrow_cast(raw, 'Utf8') AS raw FROM quarantine",
        ]),
        @""
    );
    insta::assert_snapshot!(
        work.run(&[
            "sql",
            "SELECT site, window_start, requests, bytes, is_observed FROM traffic_windows",
        ]),
        @""
    );
}

#[test]
fn a_log_is_read_once() {
    let work = Workplace::with_windows();
    let before = work.files("warehouse");
    insta::assert_snapshot!(work.run(&["ingest", "example/logs"]), @"");
    assert!(
        work.files("warehouse") == before,
        "reading a log again changed something"
    );
}

#[test]
fn the_summary_counts_every_line() {
    let work = Workplace::new();
    work.write("shop.log", format!("{LINE}no request\n\n{LINE}"));
    let summary: serde_json::Value =
        serde_json::from_str(&work.succeed(&["--json", "ingest", "shop.log"])).unwrap();
    let totals = &summary["totals"];
    let count = |name: &str| totals[name].as_u64().unwrap();
    assert_eq!(count("lines"), 4);
    assert_eq!(
        count("rows") + count("rejected") + count("blank") + count("header"),
        count("lines")
    );
    assert_eq!(summary["windows"]["windows"], 1);
}

#[test]
fn standard_input_has_a_site_of_its_own() {
    let work = Workplace::new();
    let mut child = work
        .command(&["ingest", "-", "--site", "piped", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(LINE.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    insta::assert_snapshot!(
        work.succeed(&["sql", "--format", "csv", "SELECT site, path FROM access_logs"]),
        @""
    );
}

#[test]
fn columns_of_delimited_and_json_logs_are_mapped() {
    let work = Workplace::new();
    work.write(
        "edge.tsv",
        "at\tpeer\ttarget\tcode\n1772445600\t192.0.2.7\t/a\t503\n",
    );
    work.write(
        "edge.json",
        "{\"at\":\"2026-03-02T10:00:01Z\",\"peer\":{\"ip\":\"2001:db8::1\"},\"target\":\"/b\",\"code\":200}\n",
    );
    work.succeed(&[
        "ingest",
        "edge.tsv",
        "--columns",
        "timestamp=at,client_ip=peer,path=target,status=code",
    ]);
    work.succeed(&[
        "ingest",
        "edge.json",
        "--columns",
        "timestamp=at,client_ip=peer.ip,path=target,status=code",
    ]);
    insta::assert_snapshot!(
        work.succeed(&[
            "sql",
            "SELECT timestamp, client_ip, path, status FROM access_logs ORDER BY timestamp",
        ]),
        @""
    );
}

#[test]
fn parquet_logs_are_linked_in_place() {
    let work = Workplace::with_windows();
    work.query_to(
        "logs.parquet",
        "SELECT timestamp AS ts, client_ip, path, status AS code FROM access_logs",
    );
    insta::assert_snapshot!(
        work.run(&[
            "ingest", "--warehouse", "linked", "--site", "shop", "logs.parquet", "--columns",
            "timestamp=ts,status=code",
        ]),
        @""
    );
    assert!(!work.path().join("linked/access_logs").exists(), "copied");
    let requests = "SELECT window_start, requests FROM traffic_windows ORDER BY window_start";
    assert_eq!(
        work.succeed(&["--warehouse", "linked", "sql", "--format", "csv", requests]),
        work.succeed(&["sql", "--format", "csv", requests])
    );
}

#[test]
fn inputs_without_logs() {
    let work = Workplace::new();
    work.write("empty.log", "");
    std::fs::create_dir_all(work.path().join("notes")).unwrap();
    work.write("notes/readme.md", "hello\n");
    std::fs::create_dir_all(work.path().join("nothing")).unwrap();
    work.write("prose.txt", "once upon a time\nthere was no log\n");
    insta::assert_snapshot!(refuse(&work, &["empty.log"]), @"");
    insta::assert_snapshot!(refuse(&work, &["notes"]), @"");
    insta::assert_snapshot!(refuse(&work, &["nothing"]), @"");
    insta::assert_snapshot!(refuse(&work, &["missing.log"]), @"");
    insta::assert_snapshot!(refuse(&work, &["prose.txt"]), @"");
    insta::assert_snapshot!(work.run(&["ingest"]), @"");
}

#[test]
fn a_truncated_gzip_leaves_nothing() {
    let work = Workplace::with_logs();
    let whole = std::fs::read(
        work.path()
            .join("example/logs/shop/access-2026-03-02.log.gz"),
    )
    .unwrap();
    work.write("cut.log.gz", &whole[..20_000]);
    insta::assert_snapshot!(refuse(&work, &["cut.log.gz"]), @"");
}

#[test]
fn parquet_logs_that_are_none() {
    let work = Workplace::with_windows();
    work.query_to(
        "logs.parquet",
        "SELECT timestamp AS ts, client_ip, path, status, true AS flag FROM access_logs LIMIT 9",
    );
    let whole = std::fs::read(work.path().join("logs.parquet")).unwrap();
    work.write("empty.parquet", "");
    work.write("cut.parquet", &whole[..whole.len() / 2]);
    work.write("text.parquet", "timestamp,client_ip,path,status\n");
    insta::assert_snapshot!(refuse(&work, &["empty.parquet"]), @"");
    insta::assert_snapshot!(refuse(&work, &["cut.parquet"]), @"");
    insta::assert_snapshot!(refuse(&work, &["text.parquet"]), @"");
    insta::assert_snapshot!(refuse(&work, &["logs.parquet"]), @"");
    insta::assert_snapshot!(
        refuse(&work, &["logs.parquet", "--columns", "timestamp=time"]),
        @""
    );
    insta::assert_snapshot!(
        refuse(&work, &["logs.parquet", "--columns", "timestamp=ts,status=flag"]),
        @""
    );
    insta::assert_snapshot!(
        refuse(&work, &["logs.parquet", "--columns", "timestamp=flag"]),
        @""
    );
}

/// A link was remembered before its values were read, and every later command failed on it.
#[test]
fn a_parquet_log_with_unreadable_values_is_not_half_linked() {
    let work = Workplace::with_windows();
    work.query_to(
        "logs.parquet",
        "SELECT timestamp, client_ip, path, CAST(status AS VARCHAR) || 'x' AS status \
         FROM access_logs LIMIT 9",
    );
    let said = refuse(&work, &["logs.parquet"]);
    assert!(
        said.contains("logs.parquet") && said.contains("status"),
        "{said}"
    );
    work.succeed(&["windows"]);
}

#[test]
fn a_bad_input_does_not_undo_the_good_ones_before_it() {
    let work = Workplace::new();
    work.write("a.log", LINE);
    work.write("b.log", "");
    insta::assert_snapshot!(work.run(&["ingest", "a.log", "b.log"]), @"");
    insta::assert_snapshot!(
        work.succeed(&["sql", "--format", "csv", "SELECT site, count(*) AS n FROM access_logs GROUP BY site"]),
        @""
    );
}
