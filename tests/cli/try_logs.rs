//! `anomalog try`: from logs to incidents and a page, without anything kept.

use std::io::Write;
use std::process::Stdio;

use crate::Workplace;

#[test]
fn logs_become_incidents_and_a_page() {
    let work = Workplace::with_incidents();
    // A warehouse that a variable names is another one.
    let mut tried = work.command(&["try", "example/logs"]);
    let tried = tried.env("ANOMALOG_WAREHOUSE", "mine").output().unwrap();
    assert!(tried.status.success());
    let said = String::from_utf8(tried.stderr).unwrap();
    insta::assert_snapshot!(said, @"
    8 files read as combined, latency from 3rd field behind the size in seconds: 251264 of 251264 lines are requests
    4 files read as combined, no latency: 85272 of 85272 lines are requests
    3 sites: shop, blog, api
    4 days of logs: habits of the week are not known yet
    report: report.html
    ");
    insta::assert_snapshot!(String::from_utf8(tried.stdout).unwrap(), @"
    +----------+----------+--------------------+------+----------------------+---------+---------------------------------+--------------------------------------------------------------------------+
    | id       | severity | kind               | site | started_at           | minutes | change                          | first_cause                                                              |
    +----------+----------+--------------------+------+----------------------+---------+---------------------------------+--------------------------------------------------------------------------+
    | bfc99021 | high     | flood              | shop | 2026-03-04T10:29:00Z | 35      | +7479 requests                  | client_ip 198.51.100.32                                                  |
    | 634eb32a | high     | scraping           | api  | 2026-03-04T08:42:00Z | 24      | +226 requests                   | client_ip 198.51.100.41                                                  |
    | b32dc3f8 | high     | latency            | shop | 2026-03-05T13:24:00Z | 47      | latency_p95 7.6 times the usual | -                                                                        |
    | 25066ab3 | medium   | vulnerability_scan | blog | 2026-03-04T13:37:00Z | 15      | +347 client_errors              | client_ip 203.0.113.44                                                   |
    | 6b71582b | low      | surge              | blog | 2026-03-05T18:36:00Z | 6       | +69 requests                    | user_agent Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36… |
    +----------+----------+--------------------+------+----------------------+---------+---------------------------------+--------------------------------------------------------------------------+
    ");
    let page = std::fs::read_to_string(work.path().join("report.html")).unwrap();
    for id in ["bfc99021", "634eb32a", "6b71582b"] {
        assert!(page.contains(id), "the page lacks {id}");
    }
    for kept in ["mine", "warehouse"] {
        assert!(!work.path().join(kept).exists(), "`{kept}` was left");
    }
    // The same by a job: rows are those that a night has.
    work.succeed(&["init", "-q", "--logs", "example/logs"]);
    work.succeed(&["run", "-q"]);
    let kept = work.succeed(&[
        "--warehouse",
        "kept",
        "try",
        "-q",
        "example/logs",
        "-o",
        "kept.html",
    ]);
    assert_eq!(work.succeed(&["incidents"]), kept);
    assert_eq!(work.succeed(&["--warehouse", "kept", "incidents"]), kept);
}

#[test]
fn what_is_tried_says_what_it_lacks() {
    let work = Workplace::new();
    work.write("mine.html", "<!doctype html><title>mine</title>");
    work.write("odd.log", "what is this\nno log\n");
    let minutes: String = (0..90).fold(String::new(), |mut log, minute| {
        use std::fmt::Write as _;
        let time = format!("02/Mar/2026:{:02}:{:02}:00 +0000", minute / 60, minute % 60);
        let _ = writeln!(
            log,
            "192.0.2.1 - - [{time}] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\""
        );
        log
    });
    work.write("short.log", &minutes);
    insta::assert_snapshot!(work.run(&["try", "none.log"]), @"
    --- stderr
    error: cannot open `none.log`: No such file or directory (os error 2)
    hint: check the path
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["try", "odd.log"]), @"
    --- stderr
    error: cannot tell the log format of `odd.log` from its first lines, which begin `what is this`
    hint: say it with `--format`: nginx' `log_format`, Apache's `LogFormat`, or a name such as `combined`, `json`, `w3c`, `alb` or `csv`; JSON must be one object per line
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["try", "short.log", "-o", "mine.html"]), @"
    --- stderr
    error: `mine.html` is there already, and no page that anomalog wrote
    hint: name another file with `-o FILE`
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["try", "short.log"]), @"
    --- stderr
    1 file read as combined, no latency: 90 of 90 lines are requests
    1 site: short
    1 hour of logs: habits of the day are not known yet
    too few windows to judge any: of a minute it takes two hours of them, of an hour six days
    no incident
    report: report.html
    ");
    // The page of the last time is written over.
    insta::assert_snapshot!(work.run(&["try", "short.log", "odd.log", "--site", "shop"]), @"
    --- stderr
    1 file read as combined, no latency: 90 of 90 lines are requests
    odd.log: not read: cannot tell the log format of `odd.log` from its first lines, which begin `what is this`
    1 site: shop
    1 hour of logs: habits of the day are not known yet
    too few windows to judge any: of a minute it takes two hours of them, of an hour six days
    no incident
    report: report.html
    --- exit 3
    ");
    // Standard input, in windows of another length.
    let mut tried = work.command(&["try", "-", "--step", "5m", "-o", "stdin.html"]);
    let mut tried = tried.stdin(Stdio::piped()).spawn().unwrap();
    tried
        .stdin
        .take()
        .unwrap()
        .write_all(minutes.as_bytes())
        .unwrap();
    assert!(tried.wait().unwrap().success());
    assert!(work.path().join("stdin.html").exists());
}
