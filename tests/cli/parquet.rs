//! Parquet logs by `ingest` and by `run`, which must agree.

use std::fs;

use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::Workplace;

/// What became of the windows of each site.
const SUMMARY: &str = "SELECT site, count(*) AS n, sum(requests) AS requests, min(window_start) AS first, \
     count(*) FILTER (WHERE NOT is_observed) AS not_observed \
     FROM traffic_windows GROUP BY site ORDER BY site";

/// Every window.
const WINDOWS: &str = "SELECT * FROM traffic_windows ORDER BY site, window_start";

/// A workplace with Parquet logs in `logs`.
struct Logs {
    work: Workplace,
}

impl Logs {
    fn new() -> Self {
        Self {
            work: Workplace::new(),
        }
    }

    /// Writes ten hours of a day of January 2026, with a request every ten seconds.
    fn write(&self, name: &str, day: u32) {
        self.write_with(name, day, "");
    }

    /// The same with further columns, of an expression over the number `i` of the request.
    fn write_with(&self, name: &str, day: u32, columns: &str) {
        // 2026-01-01, in microseconds.
        let start = 1_767_225_600_000_000 + u64::from(day - 1) * 86_400_000_000;
        let query = format!(
            "SELECT arrow_cast({start} + 10000000 * i, 'Timestamp(Microsecond, Some(\"UTC\"))') AS timestamp, \
             '10.0.0.' || (i % 7) AS client_ip, '/' AS path, CAST(200 AS INT) AS status{columns} \
             FROM (SELECT unnest(generate_series(0, 3599)) AS i) AS numbers"
        );
        self.put(name, &query);
    }

    /// Writes the result of a query.
    fn put(&self, name: &str, query: &str) {
        self.work.query_to("new.parquet", query);
        let path = self.work.path().join("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(self.work.path().join("new.parquet"), path).unwrap();
    }

    /// Writes a file that is no log.
    fn litter(&self, name: &str, content: &[u8]) {
        let path = self.work.path().join("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn sql(&self, warehouse: &str, query: &str) -> String {
        let arguments = ["--warehouse", warehouse, "sql", "--format", "csv", query];
        self.work.succeed(&arguments)
    }

    /// Ingests `logs` into one warehouse and runs a job over it into another, and says how both ended:
    /// the warehouses must be the same.
    fn both(&self, format: &str) -> [String; 2] {
        for folder in ["ingested", "ran"] {
            let path = self.work.path().join(folder);
            if path.exists() {
                fs::remove_dir_all(path).unwrap();
            }
        }
        let ingest = [
            "ingest",
            "--warehouse",
            "ingested",
            "--format",
            format,
            "logs",
        ];
        let ingested = self.work.run(&ingest);
        let job = format!("[[logs]]\npaths = [\"logs\"]\nformat = {format:?}\n");
        self.work.write("job.toml", job);
        let ran = self.work.run(&["run", "--warehouse", "ran"]);
        assert_eq!(
            self.sql("ran", WINDOWS),
            self.sql("ingested", WINDOWS),
            "{ingested}\n{ran}"
        );
        [ingested, ran]
    }

    fn summary(&self) -> String {
        self.sql("ingested", SUMMARY)
    }
}

#[test]
fn sites_are_folders_or_keys_and_never_part_files() {
    let logs = Logs::new();
    for day in [5, 6] {
        let date = format!("dt=2026-01-0{day}/part-0000{day}-6a1f-c000.snappy.parquet");
        logs.write(&date, day);
    }
    for format in ["parquet", "auto"] {
        logs.both(format);
        insta::allow_duplicates!(insta::assert_snapshot!(logs.summary(), @"
        site,n,requests,first,not_observed
        logs,2040,7200,2026-01-05T00:00:00Z,840
        "));
    }
    let logs = Logs::new();
    logs.write("site=shop/dt=2026-01-05/part-0.parquet", 5);
    logs.write("site=blog/dt=2026-01-05/part-0.parquet", 5);
    logs.write("docs/2026/01/05/00/stream-1.parquet", 5);
    logs.both("parquet");
    insta::assert_snapshot!(logs.summary(), @"
    site,n,requests,first,not_observed
    blog,600,3600,2026-01-05T00:00:00Z,0
    docs,600,3600,2026-01-05T00:00:00Z,0
    shop,600,3600,2026-01-05T00:00:00Z,0
    ");
}

/// A day without a file is not one without requests.
#[test]
fn a_missing_day_is_not_observed() {
    let logs = Logs::new();
    logs.write("dt=2026-01-05/a.parquet", 5);
    logs.write("dt=2026-01-07/a.parquet", 7);
    logs.both("parquet");
    let days = "SELECT CAST(window_start AS DATE) AS day, sum(requests) AS requests, \
                count(*) FILTER (WHERE NOT is_observed) AS not_observed \
                FROM traffic_windows GROUP BY 1 ORDER BY 1";
    insta::assert_snapshot!(logs.sql("ran", days), @"
    day,requests,not_observed
    2026-01-05,3600,840
    2026-01-06,,1440
    2026-01-07,3600,0
    ");
}

#[test]
fn columns_may_come_go_and_change_their_types() {
    let logs = Logs::new();
    logs.write_with("a.parquet", 5, ", CAST(i AS INT) AS bytes");
    logs.write_with(
        "b.parquet",
        6,
        ", 1.5 AS latency_ms, CAST(i AS VARCHAR) AS bytes",
    );
    logs.put(
        "c.parquet",
        "SELECT '07/Jan/2026:00:00:0' || i || ' +0000' AS timestamp, '/c' AS path, 500.0 AS status, \
         '10.0.0.1' AS client_ip FROM (VALUES (1), (2)) AS t(i)",
    );
    logs.put(
        "d.parquet",
        "SELECT 1767830400000 + i AS timestamp, '/d' AS path, 404 AS status, '10.0.0.1' AS client_ip \
         FROM (SELECT unnest(generate_series(1, 20)) AS i) AS numbers",
    );
    logs.both("parquet");
    let days = "SELECT date, count(*) AS n, count(latency_ms) AS latencies, sum(bytes) AS bytes, max(status) AS status \
                FROM access_logs GROUP BY date ORDER BY date";
    insta::assert_snapshot!(logs.sql("ran", days), @"
    date,n,latencies,bytes,status
    2026-01-05,3600,0,6478200,200
    2026-01-06,3600,3600,6478200,200
    2026-01-07,2,0,,500
    2026-01-08,20,0,,404
    ");
}

#[test]
fn what_lies_in_real_folders_is_read_or_named() {
    let logs = Logs::new();
    logs.write("a b#1.gz.parquet", 5);
    logs.write("hour=2026-01-06 10%3A00/part [1].parquet", 6);
    logs.write("000000_0", 7);
    logs.write("B.PARQ", 8);
    logs.put(
        "none.parquet",
        "SELECT 1 AS timestamp, '' AS path, '' AS client_ip, 1 AS status WHERE false",
    );
    logs.litter("_SUCCESS", b"");
    logs.litter("._part-0.parquet", b"\0\x05\x16\x07");
    logs.litter("_delta_log/0.json", b"{}");
    logs.litter("_temporary/part-1.parquet", b"PAR1");
    let [ingested, ran] = logs.both("parquet");
    assert!(
        !ingested.contains("exit") && !ran.contains("exit"),
        "{ingested}{ran}"
    );
    insta::assert_snapshot!(logs.summary(), @"
    site,n,requests,first,not_observed
    logs,4920,14400,2026-01-05T00:00:00Z,2520
    ");
    // Found by their names and first bytes.
    let [ingested, _] = logs.both("auto");
    assert!(!ingested.contains("passed over"), "{ingested}");
    insta::assert_snapshot!(logs.summary(), @"
    site,n,requests,first,not_observed
    logs,4920,14400,2026-01-05T00:00:00Z,2520
    ");

    let whole = fs::read(logs.work.path().join("logs/000000_0")).unwrap();
    logs.litter("cut.parquet", &whole[..whole.len() / 2]);
    logs.litter("notes.txt", b"no log\n");
    let [ingested, ran] = logs.both("parquet");
    insta::assert_snapshot!(ingested, @"
    --- stderr
    FOLDER/logs: linked in place, 5 files
    FOLDER/logs/cut.parquet: is left out: `FOLDER/logs/cut.parquet` is not a complete Parquet file: Parquet error: Invalid Parquet file. Corrupt footer
    FOLDER/logs/notes.txt: is left out: `FOLDER/logs/notes.txt` is not a complete Parquet file: EOF: Parquet file too small. Size is 7 but need 8
    0 requests ingested, 0 lines rejected
    wrote 4920 windows of 1m for 1 series, 2026-01-05T00:00:00Z to 2026-01-08T09:59:00Z, 2520 of them not observed
    --- exit 3
    ");
    assert!(
        ran.contains("cut.parquet") && ran.contains("notes.txt"),
        "{ran}"
    );
    assert!(ran.ends_with("--- exit 3\n"), "{ran}");
}

/// One file that went or was cut short stood in the way of every later command.
#[test]
fn a_file_that_is_gone_or_damaged_stands_in_nobodys_way() {
    let logs = Logs::new();
    logs.write("a.parquet", 5);
    logs.write("b.parquet", 6);
    logs.both("parquet");
    let count = "SELECT count(*) AS n FROM access_logs";
    fs::write(logs.work.path().join("logs/a.parquet"), "PAR1").unwrap();
    let arguments = ["sql", "--warehouse", "ran", "--format", "csv", count];
    insta::assert_snapshot!(logs.work.run(&arguments), @"
    n
    3600
    --- stderr
    warning: `FOLDER/logs/a.parquet` is left out: `FOLDER/logs/a.parquet` is not a complete Parquet file: EOF: Parquet file too small. Size is 4 but need 8
    ");
    fs::remove_file(logs.work.path().join("logs/a.parquet")).unwrap();
    insta::assert_snapshot!(logs.work.run(&arguments), @"
    n
    3600
    --- stderr
    warning: `FOLDER/logs/a.parquet` is gone, and its requests with it
    ");
    let said = logs.work.run(&["windows", "--warehouse", "ran"]);
    assert!(!said.contains("exit"), "{said}");
    // A run names it once.
    let said = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(said.contains("is gone, and its requests with it"), "{said}");
    assert!(said.ends_with("--- exit 3\n"), "{said}");
    let said = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(!said.contains("exit"), "{said}");
    // All of it.
    fs::remove_dir_all(logs.work.path().join("logs")).unwrap();
    let said = logs.work.run(&arguments);
    assert!(
        said.starts_with("n\n0\n") && !said.contains("exit"),
        "{said}"
    );
}

#[test]
fn rows_that_are_no_requests_are_counted_and_said() {
    let logs = Logs::new();
    let wrong = "CASE i WHEN 1 THEN '1970-01-01' WHEN 2 THEN '2000-01-01' WHEN 3 THEN '2038-01-19' \
                 WHEN 4 THEN '9999-12-31' WHEN 5 THEN '-' END";
    logs.put(
        "shop.parquet",
        &format!(
            "SELECT coalesce({wrong}, '2026-01-05 10:00:' || (10 + i)) AS timestamp, '10.0.0.1' AS client_ip, \
             '/' AS path, CASE WHEN i <> 6 THEN 200 END AS status \
             FROM (SELECT unnest(generate_series(0, 19)) AS i) AS numbers"
        ),
    );
    let [ingested, ran] = logs.both("parquet");
    insta::assert_snapshot!(ingested, @"
    --- stderr
    FOLDER/logs: linked in place; 6 of 20 rows are set aside: 1 × no status; 1 × no timestamp that can be read; 4 × timestamp beyond the limits (see the table `quarantine`)
    0 requests ingested, 0 lines rejected
    wrote 1 windows of 1m for 1 series, 2026-01-05T10:00:00Z to 2026-01-05T10:00:00Z, 1 of them not observed
    ");
    assert!(
        ran.contains("shop.parquet`: 6 of 20 rows are set aside:"),
        "{ran}"
    );
    assert!(!ran.contains("exit"), "{ran}");
    let rows = "SELECT line_number, reason, arrow_cast(raw, 'Utf8') AS raw FROM quarantine ORDER BY line_number";
    insta::assert_snapshot!(logs.sql("ran", rows), @r#"
    line_number,reason,raw
    2,timestamp beyond the limits,"{""client_ip"":""10.0.0.1"",""path"":""/"",""status"":""200"",""timestamp"":""1970-01-01""}"
    3,timestamp beyond the limits,"{""client_ip"":""10.0.0.1"",""path"":""/"",""status"":""200"",""timestamp"":""2000-01-01""}"
    4,timestamp beyond the limits,"{""client_ip"":""10.0.0.1"",""path"":""/"",""status"":""200"",""timestamp"":""2038-01-19""}"
    5,timestamp beyond the limits,"{""client_ip"":""10.0.0.1"",""path"":""/"",""status"":""200"",""timestamp"":""9999-12-31""}"
    6,no timestamp that can be read,"{""client_ip"":""10.0.0.1"",""path"":""/"",""status"":""200"",""timestamp"":""-""}"
    7,no status,"{""client_ip"":""10.0.0.1"",""path"":""/"",""status"":null,""timestamp"":""2026-01-05 10:00:16""}"
    "#);
    // Both kinds of logs are in one table.
    logs.litter("text/shop.log", b"no request\n");
    logs.work.run(&[
        "ingest",
        "--warehouse",
        "ran",
        "--no-windows",
        "--format",
        "common",
        "logs/text",
    ]);
    let counts =
        "SELECT file LIKE '%.log' AS is_text, count(*) AS n FROM quarantine GROUP BY 1 ORDER BY 1";
    assert_eq!(logs.sql("ran", counts), "is_text,n\nfalse,6\ntrue,1\n");
}

/// Damages a page of the last column of a file, whose footer stays whole.
fn damage(logs: &Logs, name: &str) {
    let path = logs.work.path().join("logs").join(name);
    let mut bytes = fs::read(&path).unwrap();
    let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    let page = columns.last().unwrap().data_page_offset();
    bytes[page as usize..][..16].fill(0xff);
    fs::write(path, bytes).unwrap();
}

/// One damaged page failed every query over all files, without a word of the file.
#[test]
fn a_damaged_page_costs_its_file() {
    let logs = Logs::new();
    logs.write_with("a.parquet", 5, ", CAST(i AS VARCHAR) || 'x' AS user_agent");
    logs.write("b.parquet", 6);
    damage(&logs, "a.parquet");
    let [ingested, ran] = logs.both("parquet");
    for said in [&ingested, &ran] {
        assert!(
            said.contains("logs/a.parquet") && said.contains("is left out: `"),
            "{said}"
        );
        assert!(said.contains("is damaged: "), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(said.ends_with("--- exit 3\n"), "{said}");
    }
    insta::assert_snapshot!(logs.summary(), @"
    site,n,requests,first,not_observed
    logs,600,3600,2026-01-06T00:00:00Z,0
    ");
    let count = "SELECT count(*) AS n, count(user_agent) AS agents FROM access_logs";
    assert_eq!(logs.sql("ran", count), "n,agents\n3600,0\n");
    // Again and again, until it is written once more.
    let again = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(
        again.contains("is damaged: ") && again.ends_with("--- exit 3\n"),
        "{again}"
    );
    logs.write_with("a.parquet", 5, ", CAST(i AS VARCHAR) || 'x' AS user_agent");
    let mended = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(!mended.contains("exit"), "{mended}");
    assert_eq!(logs.sql("ran", count), "n,agents\n7200,3600\n");
    // A file that is damaged after it was linked.
    damage(&logs, "b.parquet");
    let later = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(
        later.contains("b.parquet") && later.ends_with("--- exit 3\n"),
        "{later}"
    );
    assert_eq!(logs.sql("ran", count), "n,agents\n3600,3600\n");
    // Nothing is left.
    damage(&logs, "a.parquet");
    let none = logs.work.run(&[
        "ingest",
        "--warehouse",
        "none",
        "--format",
        "parquet",
        "logs",
    ]);
    assert!(
        none.contains("is damaged: ") && none.ends_with("--- exit 1\n"),
        "{none}"
    );
    assert!(!logs.work.path().join("none").exists());
}

/// Disks rot without a new time of writing: what fails then is looked at again.
#[test]
fn a_page_that_rots_unseen_costs_its_file() {
    let logs = Logs::new();
    logs.write_with("a.parquet", 5, ", CAST(i AS VARCHAR) || 'x' AS user_agent");
    logs.write("b.parquet", 6);
    logs.both("parquet");
    let path = logs.work.path().join("logs/a.parquet");
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    damage(&logs, "a.parquet");
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(written).unwrap();
    let query = [
        "sql",
        "--warehouse",
        "ran",
        "SELECT max(user_agent), max(client_ip) FROM access_logs",
    ];
    let said = logs.work.run(&query);
    assert!(said.contains("hint: a Parquet file is damaged"), "{said}");
    let job = "[[logs]]\npaths = [\"logs\"]\nformat = \"parquet\"\n[windows]\nextra_metrics = [\"bot_requests\"]\n";
    logs.work.write("job.toml", job);
    let said = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(
        said.contains("a.parquet` is damaged") && said.ends_with("--- exit 3\n"),
        "{said}"
    );
    insta::assert_snapshot!(logs.sql("ran", SUMMARY), @"
    site,n,requests,first,not_observed
    logs,600,3600,2026-01-06T00:00:00Z,0
    ");
}

/// A link that could not be made again took the earlier one with it.
#[test]
fn a_link_that_fails_leaves_the_earlier_one() {
    let logs = Logs::new();
    logs.write_with("a.parquet", 5, ", '-' AS never");
    logs.both("parquet");
    let count = "SELECT count(*) AS n FROM access_logs";
    let ingest = [
        "ingest",
        "--warehouse",
        "ingested",
        "--no-windows",
        "logs",
        "--columns",
    ];
    for columns in ["status=never", "status=none"] {
        let said = logs.work.run(&[&ingest[..], &[columns]].concat());
        assert!(said.ends_with("--- exit 1\n"), "{said}");
        assert_eq!(logs.sql("ingested", count), "n\n3600\n", "{columns}");
    }
    logs.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\nformat = \"parquet\"\ncolumns = { status = \"none\" }\n",
    );
    let said = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(
        said.contains("has no column `none`") && said.ends_with("--- exit 3\n"),
        "{said}"
    );
    assert_eq!(logs.sql("ran", count), "n\n3600\n");
    assert_eq!(logs.sql("ran", WINDOWS), logs.sql("ingested", WINDOWS));
}

/// Rows later than their file are set aside, and windows know it.
#[test]
fn windows_follow_the_time_at_which_a_file_was_written() {
    let logs = Logs::new();
    logs.write("a.parquet", 5);
    logs.write("b.parquet", 6);
    logs.both("parquet");
    let written = |day: u64| {
        let time =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_600 + day * 86_400);
        let path = logs.work.path().join("logs/b.parquet");
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    };
    // The second of January, and a day.
    written(1);
    let said = logs.work.run(&["run", "--warehouse", "ran"]);
    assert!(said.contains("3600 of 3600 rows are set aside"), "{said}");
    let days = "SELECT count(*) AS n, sum(requests) AS requests FROM traffic_windows";
    assert_eq!(logs.sql("ran", days), "n,requests\n600,3600\n");
    written(9);
    logs.work.succeed(&["run", "--warehouse", "ran"]);
    assert_eq!(logs.sql("ran", WINDOWS), logs.sql("ingested", WINDOWS));
}

/// What is remembered of files saves opening them, and nothing depends on it.
#[test]
fn what_is_remembered_of_files_changes_nothing() {
    let logs = Logs::new();
    logs.write("a.parquet", 5);
    logs.put(
        "b.parquet",
        "SELECT 1767657600000 + 1000 * i AS timestamp, named_struct('ip', '10.0.0.1') AS client_ip, '/d' AS path, \
         404 AS status FROM (SELECT unnest(generate_series(1, 20)) AS i) AS numbers",
    );
    let job = "[[logs]]\npaths = [\"logs\"]\nformat = \"parquet\"\ncolumns = { client_ip = \"client_ip.ip\" }\n";
    logs.work.write("job.toml", job);
    logs.work.run(&["run", "--warehouse", "ran"]);
    let rows = "SELECT * FROM access_logs ORDER BY timestamp";
    let remembered = logs.work.path().join("ran/.linked.json");
    let first = logs.sql("ran", rows);
    for text in ["", "{}", "\u{0}"] {
        assert!(remembered.exists());
        fs::write(&remembered, text).unwrap();
        assert_eq!(logs.sql("ran", rows), first);
        let said = logs.work.run(&["run", "--warehouse", "ran"]);
        assert!(!said.contains("exit"), "{said}");
        assert_eq!(logs.sql("ran", rows), first);
    }
}

#[test]
fn init_and_mixed_folders_find_parquet() {
    let logs = Logs::new();
    logs.write("dt=2026-01-05/part-0.parquet", 5);
    logs.litter(
        "shop/access.log",
        b"10.0.0.1 - - [06/Jan/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n",
    );
    logs.work.succeed(&["init", "--logs", "logs"]);
    let said = logs.work.run(&["run"]);
    assert!(said.contains("1 of 1 logs are new"), "{said}");
    assert!(
        said.contains("1 logs are linked") && !said.contains("exit"),
        "{said}"
    );
    logs.both("auto");
    let said = logs.work.run(&["ingest", "--warehouse", "other", "logs"]);
    insta::assert_snapshot!(said, @"
    --- stderr
    logs/shop/access.log: 1 of 1 lines are requests (common, no latency), 0 rejected
    FOLDER/logs: linked in place
    1 requests ingested, 0 lines rejected
    wrote 2042 windows of 1m for 2 series, 2026-01-05T00:00:00Z to 2026-01-06T10:00:00Z, 1441 of them not observed
    ");
}
