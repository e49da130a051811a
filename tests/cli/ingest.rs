//! `anomalog ingest`.

use std::io::Write as _;
use std::process::Stdio;

use crate::Workplace;

const LINE: &str = "192.0.2.7 - - [02/Mar/2026:10:00:00 +0100] \"GET /a?b=c HTTP/1.1\" 200 12\n";

/// Refuses an input, and leaves nothing behind.
fn refuse(work: &Workplace, arguments: &[&str]) -> String {
    let lock = work.path().join("warehouse/.lock");
    let files = || {
        let mut files = work.files("warehouse");
        // The lock stays, and says nothing when nobody holds it.
        assert!(files.remove(&lock).is_none_or(|text| text.is_empty()));
        files
    };
    let before = files();
    let said = work.run(&[&["ingest"], arguments].concat());
    assert_eq!(files(), before, "something was written");
    said
}

#[test]
fn every_line_becomes_a_row_or_is_quarantined() {
    let work = Workplace::new();
    work.write("shop.log", format!("{LINE}no request\n{LINE}"));
    insta::assert_snapshot!(work.run(&["ingest", "shop.log"]), @"
    --- stderr
    shop.log: 2 of 3 lines are requests (common, no latency), 1 rejected; 1 × no timestamp
    2 requests ingested, 1 lines rejected (see the table `quarantine`)
    wrote 1 windows of 1m for 1 series, 2026-03-02T09:00:00Z to 2026-03-02T09:00:00Z, 0 of them not observed
    ");
    insta::assert_snapshot!(
        work.run(&[
            "sql",
            "SELECT timestamp, site, client_ip, method, path, query, status, bytes FROM access_logs",
        ]),
        @"
    +----------------------+------+-----------+--------+------+-------+--------+-------+
    | timestamp            | site | client_ip | method | path | query | status | bytes |
    +----------------------+------+-----------+--------+------+-------+--------+-------+
    | 2026-03-02T09:00:00Z | shop | 192.0.2.7 | GET    | /a   | b=c   | 200    | 12    |
    | 2026-03-02T09:00:00Z | shop | 192.0.2.7 | GET    | /a   | b=c   | 200    | 12    |
    +----------------------+------+-----------+--------+------+-------+--------+-------+
    "
    );
    insta::assert_snapshot!(
        work.run(&[
            "sql",
            "SELECT file, line_number, reason, arrow_cast(raw, 'Utf8') AS raw FROM quarantine",
        ]),
        @"
    +----------+-------------+--------------+------------+
    | file     | line_number | reason       | raw        |
    +----------+-------------+--------------+------------+
    | shop.log | 2           | no timestamp | no request |
    +----------+-------------+--------------+------------+
    "
    );
    insta::assert_snapshot!(
        work.run(&[
            "sql",
            "SELECT site, window_start, requests, bytes, is_observed FROM traffic_windows",
        ]),
        @"
    +------+----------------------+----------+-------+-------------+
    | site | window_start         | requests | bytes | is_observed |
    +------+----------------------+----------+-------+-------------+
    | shop | 2026-03-02T09:00:00Z | 2        | 24    | true        |
    +------+----------------------+----------+-------+-------------+
    "
    );
}

#[test]
fn a_log_is_read_once() {
    let work = Workplace::with_windows();
    let before = work.files("warehouse");
    insta::assert_snapshot!(work.run(&["ingest", "example/logs"]), @"
    --- stderr
    example/logs/shop/access-2026-03-02.log.gz: already ingested, nothing changed
    example/logs/shop/access-2026-03-03.log.gz: already ingested, nothing changed
    0 requests ingested, 0 lines rejected
    wrote 2880 windows of 1m for 1 series, 2026-03-02T00:00:00Z to 2026-03-03T23:59:00Z, 0 of them not observed
    ");
    assert!(
        work.files("warehouse") == before,
        "reading a log again changed something"
    );
}

#[test]
fn threads_change_nothing() {
    let work = Workplace::with_logs();
    let ingested = |threads: &str| {
        let warehouse = format!("threads-{threads}");
        let arguments = ["--warehouse", &warehouse, "--threads", threads, "--json"];
        let said = work.succeed(&[&arguments[..], &["ingest", "example/logs"]].concat());
        let root = work.path().join(&warehouse);
        let files: Vec<_> = work
            .files(&warehouse)
            .into_iter()
            .filter(|(path, _)| !path.starts_with(root.join("traffic_windows")))
            .map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes))
            .collect();
        (said, files)
    };
    let (said, files) = ingested("1");
    assert!(files.len() > 3, "{}", files.len());
    for threads in ["2", "7"] {
        let (other_said, other_files) = ingested(threads);
        assert_eq!(other_said, said, "{threads} threads");
        assert!(other_files == files, "{threads} threads");
    }
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
        @"
    site,path
    piped,/a
    "
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
        @"
    +----------------------+-------------+------+--------+
    | timestamp            | client_ip   | path | status |
    +----------------------+-------------+------+--------+
    | 2026-03-02T10:00:00Z | 192.0.2.7   | /a   | 503    |
    | 2026-03-02T10:00:01Z | 2001:db8::1 | /b   | 200    |
    +----------------------+-------------+------+--------+
    "
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
        @"
    --- stderr
    FOLDER/logs.parquet: linked in place
    0 requests ingested, 0 lines rejected
    wrote 2880 windows of 1m for 1 series, 2026-03-02T00:00:00Z to 2026-03-03T23:59:00Z, 0 of them not observed
    "
    );
    assert!(!work.path().join("linked/access_logs").exists(), "copied");
    let requests = "SELECT window_start, requests FROM traffic_windows ORDER BY window_start";
    assert_eq!(
        work.succeed(&["--warehouse", "linked", "sql", "--format", "csv", requests]),
        work.succeed(&["sql", "--format", "csv", requests])
    );
}

/// One line with a clock that was not set made windows for decades.
#[test]
fn times_that_cannot_be_right_are_set_aside() {
    let work = Workplace::new();
    let at = |time: &str| format!("10.0.0.1 - - [{time} +0000] \"GET / HTTP/1.1\" 200 5\n");
    let wrong = [
        "01/Jan/1970:00:00:00",
        "01/Jan/2000:00:00:00",
        "05/Jan/2019:10:00:00",
        "19/Jan/2038:03:14:07",
        "31/Dec/9999:23:59:59",
    ];
    let log = at(wrong[1])
        + &at("05/Jan/2026:10:00:30")
        + &wrong.map(at).concat()
        + &at("05/Jan/2026:10:02:30");
    work.write("shop.log", &log);
    work.write(
        "old.log",
        at("01/Jul/1995:00:00:01") + &at("01/Jul/1995:00:00:09") + &at("01/Jul/1989:00:00:01"),
    );
    insta::assert_snapshot!(work.run(&["ingest", "shop.log"]), @"
    --- stderr
    shop.log: 2 of 8 lines are requests (common, no latency), 6 rejected; 4 × timestamp beyond the limits; 2 × timestamp outside the years 1990 to 2099
    2 requests ingested, 6 lines rejected (see the table `quarantine`)
    wrote 3 windows of 1m for 1 series, 2026-01-05T10:00:00Z to 2026-01-05T10:02:00Z, 0 of them not observed
    ");
    insta::assert_snapshot!(
        work.succeed(&["sql", "--format", "csv", "SELECT line_number, reason FROM quarantine ORDER BY line_number"]),
        @"
    line_number,reason
    1,timestamp beyond the limits
    3,timestamp outside the years 1990 to 2099
    4,timestamp beyond the limits
    5,timestamp beyond the limits
    6,timestamp beyond the limits
    7,timestamp outside the years 1990 to 2099
    "
    );
    // From the standard input, which has no time of writing.
    let mut piped = work.command(&["ingest", "--warehouse", "piped", "--site", "shop", "-"]);
    piped.stdin(std::fs::File::open(work.path().join("shop.log")).unwrap());
    assert!(piped.output().unwrap().status.success());
    let windows = "SELECT site, window_start, requests FROM traffic_windows ORDER BY 1, 2";
    let expected = work.succeed(&["sql", "--format", "csv", windows]);
    assert_eq!(
        work.succeed(&["--warehouse", "piped", "sql", "--format", "csv", windows]),
        expected
    );
    // Other limits can be said, and old logs are of their time.
    insta::assert_snapshot!(work.run(&["ingest", "--warehouse", "old", "old.log"]), @"
    --- stderr
    old.log: 2 of 3 lines are requests (common, no latency), 1 rejected; 1 × timestamp outside the years 1990 to 2099
    2 requests ingested, 1 lines rejected (see the table `quarantine`)
    wrote 1 windows of 1m for 1 series, 1995-07-01T00:00:00Z to 1995-07-01T00:00:00Z, 0 of them not observed
    ");
    insta::assert_snapshot!(
        work.run(&["ingest", "--warehouse", "wide", "--step", "1d", "--before-log", "3000d", "shop.log"]),
        @"
        --- stderr
        shop.log: 3 of 8 lines are requests (common, no latency), 5 rejected; 3 × timestamp beyond the limits; 2 × timestamp outside the years 1990 to 2099
        3 requests ingested, 5 lines rejected (see the table `quarantine`)
        wrote 2558 windows of 1d for 1 series, 2019-01-05T00:00:00Z to 2026-01-05T00:00:00Z, 0 of them not observed
        "
    );
    insta::assert_snapshot!(
        work.run(&["ingest", "--warehouse", "none", "--earliest", "2026-01-06", "shop.log"]),
        @"
    --- stderr
    error: the warehouse `none` has no access logs
    hint: read some with `anomalog ingest FILE…`, or name another warehouse with `--warehouse PATH`
    --- exit 1
    "
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
    insta::assert_snapshot!(refuse(&work, &["empty.log"]), @"
    --- stderr
    error: `empty.log` is empty, expected at least one line
    hint: leave the file out, or name its folder: empty logs in a folder are passed over
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["notes"]), @"
    --- stderr
    error: no logs found in `notes`
    hint: all 1 files there were passed over; name one itself to see why
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["nothing"]), @"
    --- stderr
    error: no logs found in `nothing`
    hint: name a folder that holds log files, or the files themselves
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["missing.log"]), @"
    --- stderr
    error: cannot open `missing.log`: No such file or directory (os error 2)
    hint: check the path
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["prose.txt"]), @"
    --- stderr
    error: cannot tell the log format of `prose.txt` from its first lines, which begin `once upon a time`
    hint: say it with `--format`: nginx' `log_format`, Apache's `LogFormat`, or a name such as `combined`, `json`, `w3c`, `alb` or `csv`; JSON must be one object per line
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["ingest"]), @"
    --- stderr
    error: the following required arguments were not provided:
      <INPUT>...

    Usage: anomalog ingest <INPUT>...

    For more information, try '--help'.
    --- exit 2
    ");
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
    insta::assert_snapshot!(refuse(&work, &["cut.log.gz"]), @"
    --- stderr
    error: compressed file `cut.log.gz` is cut off after 20000 bytes; 1062 lines could be read, none was kept: incomplete deflate stream
    hint: fetch the file again; nothing of it was written, so ingesting it again is safe
    --- exit 1
    ");
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
    insta::assert_snapshot!(refuse(&work, &["empty.parquet"]), @"
    --- stderr
    error: `FOLDER/empty.parquet` is not a complete Parquet file: EOF: Parquet file too small. Size is 0 but need 8
    hint: was it still being written, or only partly copied?
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["cut.parquet"]), @"
    --- stderr
    error: `FOLDER/cut.parquet` is not a complete Parquet file: Parquet error: Invalid Parquet file. Corrupt footer
    hint: was it still being written, or only partly copied?
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["text.parquet"]), @"
    --- stderr
    error: `FOLDER/text.parquet` is not a complete Parquet file: Parquet error: Invalid Parquet file. Corrupt footer
    hint: was it still being written, or only partly copied?
    --- exit 1
    ");
    insta::assert_snapshot!(refuse(&work, &["logs.parquet"]), @"
    --- stderr
    error: `FOLDER/logs.parquet` has no column `timestamp` to read `timestamp` from
    hint: the file has `ts`, `client_ip`, `path`, `status`, `flag`; name one with `--columns timestamp=…`
    --- exit 1
    ");
    insta::assert_snapshot!(
        refuse(&work, &["logs.parquet", "--columns", "timestamp=time"]),
        @"
    --- stderr
    error: `FOLDER/logs.parquet` has no column `time` to read `timestamp` from
    hint: the file has `ts`, `client_ip`, `path`, `status`, `flag`; name one with `--columns timestamp=…`
    --- exit 1
    "
    );
    insta::assert_snapshot!(
        refuse(&work, &["logs.parquet", "--columns", "timestamp=ts,status=flag"]),
        @"
    --- stderr
    error: column `flag` of `FOLDER/logs.parquet` holds Boolean; `status` needs whole numbers
    --- exit 1
    "
    );
    insta::assert_snapshot!(
        refuse(&work, &["logs.parquet", "--columns", "timestamp=flag"]),
        @"
        --- stderr
        error: column `flag` of `FOLDER/logs.parquet` holds Boolean; `timestamp` needs a timestamp, seconds to nanoseconds since 1970 as a number, or text as in logs
        --- exit 1
        "
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
    insta::assert_snapshot!(refuse(&work, &["logs.parquet"]), @"
    --- stderr
    error: no row of `FOLDER/logs.parquet` is a request: 9 of 9 rows are set aside: 9 × no status
    hint: name the columns that hold the values with `--columns`, and the times that are taken in with `--earliest`, `--ahead-of-file` and `--before-log`
    --- exit 1
    ");
    work.succeed(&["windows"]);
}

#[test]
fn a_bad_input_does_not_undo_the_good_ones_before_it() {
    let work = Workplace::new();
    work.write("a.log", LINE);
    work.write("b.log", "");
    insta::assert_snapshot!(work.run(&["ingest", "a.log", "b.log"]), @"
    --- stderr
    a.log: 1 of 1 lines are requests (common, no latency), 0 rejected
    b.log: not read: `b.log` is empty, expected at least one line
    1 requests ingested, 0 lines rejected
    wrote 1 windows of 1m for 1 series, 2026-03-02T09:00:00Z to 2026-03-02T09:00:00Z, 0 of them not observed
    --- exit 3
    ");
    insta::assert_snapshot!(
        work.succeed(&["sql", "--format", "csv", "SELECT site, count(*) AS n FROM access_logs GROUP BY site"]),
        @"
    site,n
    a,1
    "
    );
}

/// A key file that only its owner may read.
fn key_file(work: &Workplace, name: &str, digit: &str) {
    work.write(name, digit.repeat(64));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(work.path().join(name), owner_only).unwrap();
    }
}

#[test]
fn pseudonyms_take_the_place_of_clients() {
    let work = Workplace::new();
    let line = |client: &str| LINE.replace("192.0.2.7", client);
    let clients = [
        "192.0.2.7",
        "192.0.2.8",
        "198.51.100.9",
        "2001:db8::7",
        "ppp.example",
    ];
    let log: String = clients.iter().map(|client| line(client)).collect();
    work.write("shop.log", format!("{log}192.0.2.7 is no request\n{log}"));
    key_file(&work, "key", "1");
    key_file(&work, "other", "2");
    let said = work.run(&["ingest", "shop.log", "--pseudonymise", "key"]);
    assert!(said.contains("10 of 11 lines are requests"), "{said}");
    let table = work.succeed(&["sql", "--format", "csv", "SELECT * FROM access_logs"]);
    for client in clients {
        assert!(!table.contains(client), "{client} is there");
    }
    let counts = "SELECT count(*) AS requests, count(DISTINCT client_ip) AS clients,
        count(DISTINCT client_network(client_ip)) AS networks FROM access_logs";
    assert_eq!(
        work.succeed(&["sql", "--format", "csv", counts]),
        "requests,clients,networks\n10,5,3\n"
    );
    let places = ["sql", "SELECT country(client_ip) FROM access_logs"];
    insta::assert_snapshot!(work.run(&places), @"
    --- stderr
    error: `country` needs addresses, and the clients of this warehouse are pseudonyms
    hint: pseudonyms keep networks, which `client_network(client_ip)` tells
    --- exit 1
    ");
    let rejected =
        "SELECT line_number, octet_length(arrow_cast(raw, 'Utf8')) AS bytes FROM quarantine";
    assert_eq!(
        work.succeed(&["sql", "--format", "csv", rejected]),
        "line_number,bytes\n6,0\n"
    );
    // What is there goes on with its key alone.
    work.write("blog.log", LINE);
    let without = refuse(&work, &["blog.log"]);
    assert!(
        without.contains("would be as the logs have them\nhint: name the key file"),
        "{without}"
    );
    for log in ["blog.log", "shop.log"] {
        let said = refuse(&work, &[log, "--pseudonymise", "other"]);
        assert!(
            said.contains("would be pseudonyms of the key"),
            "{log}: {said}"
        );
    }
    insta::assert_snapshot!(refuse(&work, &["a.parquet", "--pseudonymise", "key"]), @"
    --- stderr
    error: Parquet logs are read where they lie, with their addresses: `a.parquet` cannot be pseudonymised
    hint: leave them out, or pseudonymise them where they are written
    --- exit 1
    ");
    work.succeed(&["ingest", "blog.log", "--pseudonymise", "key"]);
}

#[test]
fn a_warehouse_with_addresses_takes_no_pseudonyms() {
    let work = Workplace::with_windows();
    work.write("blog.log", LINE);
    key_file(&work, "key", "1");
    let said = refuse(&work, &["blog.log", "--pseudonymise", "key"]);
    assert!(
        said.contains("are as the logs have them, and those of new logs would be pseudonyms"),
        "{said}"
    );
}

#[test]
fn what_is_no_log_is_not_shown_where_clients_are_pseudonymised() {
    let work = Workplace::new();
    work.write("odd.log", "192.0.2.7 says hello\n");
    key_file(&work, "key", "1");
    let said = work.run(&["ingest", "odd.log", "--pseudonymise", "key"]);
    assert!(said.contains("exit 1"), "{said}");
    assert!(!said.contains("192.0.2.7"), "{said}");
}
