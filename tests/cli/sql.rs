//! `anomalog sql`.

use std::process::Stdio;

use crate::Workplace;

#[test]
fn an_empty_warehouse_answers() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["sql", "SELECT site, status FROM access_logs"]), @"
    +------+--------+
    | site | status |
    +------+--------+
    +------+--------+
    ");
    insta::assert_snapshot!(work.run(&["sql", "SELECT count(*) AS n FROM traffic_windows"]), @"
    +---+
    | n |
    +---+
    | 0 |
    +---+
    ");
    assert!(
        !work.path().join("warehouse").exists(),
        "a query writes nothing"
    );
}

#[test]
fn mistakes_are_explained() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["sql", "SELECT * FROM visits"]), @"
    --- stderr
    error: no table `visits`
    hint: the tables are `access_logs`, `log_files`, `log_coverage`, `quarantine`, `traffic_windows`, `scored_windows`, `incidents`, `incident_causes`, `labels`, `calendar`, `runs`
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["sql", "SELECT reqests FROM traffic_windows"]), @"
    --- stderr
    error: no field named reqests
    hint: did you mean 'traffic_windows.requests'?
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["sql", "SELECT cuont(1)"]), @"
    --- stderr
    error: invalid function 'cuont'
    hint: did you mean 'cot'?
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["sql", "SELEC 1"]), @"
    --- stderr
    error: expected: an SQL statement, found: SELEC at Line: 1, Column: 1
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["sql", "SELECT CAST('x' AS INT)"]), @"
    --- stderr
    error: cast error: Cannot cast string 'x' to value of Int32 type
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["sql", ";"]), @"
    --- stderr
    error: the query is empty
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["sql"]), @"
    --- stderr
    error: the query is empty
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["sql", "-f", "missing.sql"]), @"
    --- stderr
    error: cannot read `missing.sql`: No such file or directory (os error 2)
    --- exit 1
    ");
}

#[test]
fn statements_that_write_are_refused() {
    let work = Workplace::new();
    for statement in [
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE access_logs",
        "INSERT INTO log_files SELECT * FROM log_files",
        "COPY (SELECT 1) TO 'out.parquet'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.parquet'",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'x'",
    ] {
        let text = work.run(&["sql", statement]);
        assert!(
            text.contains("error: `anomalog sql` only reads"),
            "{statement}: {text}"
        );
    }
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0);
    insta::assert_snapshot!(work.run(&["sql", "CREATE TABLE t AS SELECT 1"]), @"
    --- stderr
    error: `anomalog sql` only reads, and does not run `CREATE TABLE t AS SELECT 1`
    hint: write a result to a file with `-o FILE`
    --- exit 1
    ");
}

const ROWS: &str = "SELECT * FROM (VALUES (1, 'a,\"b'), (2, NULL)) AS t(n, text) ORDER BY n";

#[test]
fn every_format() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["sql", ROWS]), @r#"
    +---+------+
    | n | text |
    +---+------+
    | 1 | a,"b |
    | 2 | NULL |
    +---+------+
    "#);
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--format", "csv"]), @r#"
    n,text
    1,"a,""b"
    2,
    "#);
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--format", "json"]), @r#"[{"n":1,"text":"a,\"b"},{"n":2,"text":null}]"#);
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--json"]), @r#"[{"n":1,"text":"a,\"b"},{"n":2,"text":null}]"#);
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--format", "ndjson"]), @r#"
    {"n":1,"text":"a,\"b"}
    {"n":2,"text":null}
    "#);
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--format", "parquet"]), @"
    --- stderr
    error: a Parquet result needs a file
    hint: name one with `-o FILE`
    --- exit 1
    ");
}

#[test]
fn results_go_to_files() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--output", "rows.csv"]), @"
    --- stderr
    wrote 2 rows to `rows.csv`
    ");
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--output", "rows.parquet", "--json"]), @r#"{"file":"rows.parquet","rows":2}"#);
    assert_eq!(work.run(&["sql", ROWS, "--output", "table", "--quiet"]), "");
    let table = std::fs::read_to_string(work.path().join("table")).unwrap();
    assert_eq!(table, work.run(&["sql", ROWS]));
    let csv = std::fs::read_to_string(work.path().join("rows.csv")).unwrap();
    assert_eq!(csv, work.run(&["sql", ROWS, "--format", "csv"]));
    insta::assert_snapshot!(work.run(&["sql", ROWS, "--output", "no/such/folder.csv"]), @"
    --- stderr
    error: cannot write `no/such/folder.csv`: No such file or directory (os error 2)
    --- exit 1
    ");
}

#[test]
fn several_statements() {
    let work = Workplace::new();
    std::fs::write(
        work.path().join("report.sql"),
        "-- a report\nSET datafusion.execution.batch_size = 1;\nSELECT 1 AS a;\nSELECT 2 AS b;\n",
    )
    .unwrap();
    insta::assert_snapshot!(work.run(&["sql", "-f", "report.sql"]), @"
    +---+
    | a |
    +---+
    | 1 |
    +---+
    +---+
    | b |
    +---+
    | 2 |
    +---+
    ");
    insta::assert_snapshot!(work.run(&["sql", "-f", "report.sql", "--format", "csv"]), @"
    --- stderr
    error: this format holds the result of one statement, and the query has 2
    hint: run the statements one by one, or use `--format table`
    --- exit 1
    ");
}

#[test]
fn explain_shows_the_plan() {
    let text = Workplace::new().run(&["sql", "EXPLAIN SELECT count(*) FROM access_logs"]);
    assert!(text.contains("physical_plan"), "{text}");
}

#[test]
fn log_content_does_not_reach_the_terminal_as_control_characters() {
    let work = Workplace::new();
    let text = work.run(&["sql", "SELECT chr(27) || '[2J' AS path"]);
    insta::assert_snapshot!(text, @r#"
    +-----------+
    | path      |
    +-----------+
    | \u{1b}[2J |
    +-----------+
    "#);
    let text = work.run(&["sql", "SELECT CAST(chr(27) || '[2J' AS INT)"]);
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let work = Workplace::new();
    let mut child = work
        .command(&[
            "sql",
            "SELECT * FROM generate_series(1, 1000000)",
            "--format",
            "csv",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn an_empty_folder_of_scores_is_none() {
    let work = Workplace::with_windows();
    std::fs::create_dir_all(work.path().join("warehouse/scored_windows/date=2026-03-02")).unwrap();
    let counted = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT count(*) > 0 AS has_rows FROM traffic_windows",
    ]);
    assert_eq!(counted, "has_rows\ntrue\n");
}

#[test]
fn functions_that_need_a_file_say_so() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["sql", "SELECT country('192.0.2.7')"]), @r#"
    --- stderr
    error: `country` needs a file in MaxMind's format, and none was named
    hint: name one with `--country-database FILE`, or in the job with `[enrichment] country_database = "FILE"`; MaxMind (GeoLite2), DB-IP and IPinfo offer such files
    --- exit 1
    "#);
    insta::assert_snapshot!(work.run(&["sql", "SELECT asn('192.0.2.7')"]), @r#"
    --- stderr
    error: `asn` needs a file in MaxMind's format, and none was named
    hint: name one with `--asn-database FILE`, or in the job with `[enrichment] asn_database = "FILE"`; MaxMind (GeoLite2), DB-IP and IPinfo offer such files
    --- exit 1
    "#);
    work.write("places.mmdb", "no such file");
    let options = [
        "sql",
        "--country-database",
        "places.mmdb",
        "SELECT country('192.0.2.7')",
    ];
    insta::assert_snapshot!(work.run(&options), @"
    --- stderr
    error: `places.mmdb` is no file in MaxMind's format (.mmdb), or damaged: invalid database: could not find MaxMind DB metadata in file
    hint: is it still packed (.tar.gz), or only partly copied?
    --- exit 1
    ");
    work.write("agents.txt", "tool acme\nrobot x\n");
    let options = [
        "sql",
        "--user-agents",
        "agents.txt",
        "SELECT user_agent_class('Acme/1.0') AS class",
    ];
    insta::assert_snapshot!(work.run(&options), @"
    --- stderr
    error: `agents.txt`, line 2: expected a class (browser, app, crawler, ai_crawler, tool, scanner, empty, other) and a pattern, found `robot x`
    hint: a line is a class and a pattern, such as `tool acme-monitor`
    --- exit 1
    ");
    work.write("agents.txt", "scanner acme\n");
    insta::assert_snapshot!(work.run(&options), @"
    +---------+
    | class   |
    +---------+
    | scanner |
    +---------+
    ");
}

#[test]
#[cfg(unix)]
fn a_shell_on_a_terminal() {
    use std::path::Path;
    use std::process::Command;

    let work = Workplace::new();
    let python = std::env::var("ANOMALOG_READERS").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/type_in_shell.py");
    let ended = Command::new(python)
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_anomalog"))
        .args(["warehouse", "home"])
        .current_dir(work.path())
        .output();
    let Ok(output) = ended else {
        eprintln!("skipped: there is no Python, which has a terminal to type into");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let history = work.path().join("home/.local/state/anomalog/history");
    let history = std::fs::read_to_string(history).unwrap();
    assert!(history.contains("SELECT 6 * 7 AS answer;"), "{history}");
}
