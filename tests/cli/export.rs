//! `anomalog export`, read back by those it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use datafusion::prelude::{
    CsvReadOptions, DataFrame, JsonReadOptions, ParquetReadOptions, SessionContext,
};
use serde_json::Value;

use crate::Workplace;

/// A Python with DuckDB, Polars, pandas and pyarrow: see `.ci/run`.
const READERS: &str = "ANOMALOG_READERS";

/// A workplace with `example/logs`: three days of two sites, with incidents.
fn with_logs() -> Workplace {
    let work = Workplace::new();
    work.succeed(&[
        "simulate",
        "--output",
        "example",
        "--days",
        "3",
        "--sites",
        "2",
        "--scale",
        "0.05",
        "--seed",
        "5",
        "--start",
        "2026-03-02",
    ]);
    work
}

/// The same with all tables, but for `incidents` and `incident_causes`.
fn scored() -> Workplace {
    let work = with_logs();
    work.write("job.toml", "[[logs]]\npaths = [\"example/logs\"]\n");
    work.succeed(&["run"]);
    work
}

/// Rows of each table, as the command says.
fn export(work: &Workplace, arguments: &[&str]) -> BTreeMap<String, u64> {
    let said = work.succeed(&[&["export", "--json"], arguments].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    let tables = said["tables"].as_array().unwrap().iter();
    tables
        .map(|table| {
            let name = table["table"].as_str().unwrap().to_owned();
            (name, table["rows"].as_u64().unwrap())
        })
        .collect()
}

/// Type of each column of each table, as `columns.csv` has them.
fn columns(folder: &Path) -> BTreeMap<String, Vec<(String, String)>> {
    let text = fs::read_to_string(folder.join("columns.csv")).unwrap();
    let mut columns: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',').map(str::to_owned);
        let (table, name, kind) = (cells.next(), cells.next(), cells.next());
        let column = (name.unwrap(), kind.unwrap());
        columns.entry(table.unwrap()).or_default().push(column);
    }
    columns
}

#[test]
fn what_is_not_there_is_an_empty_table() {
    let work = scored();
    for table in ["incidents", "incident_causes"] {
        fs::remove_dir_all(work.path().join("warehouse").join(table)).unwrap();
    }
    insta::assert_snapshot!(work.run(&["export", "--output", "bi"]), @"
    --- stderr
    exported 2026-03-02 to 2026-03-04 as Parquet to `bi`
      traffic_windows.parquet: 8640 rows
      scored_windows.parquet: 8640 rows
      incidents.parquet: 0 rows, since the table is not there: `anomalog incidents build` builds it
      incident_causes.parquet: 0 rows, since the table is not there: `anomalog incidents build` builds it
      detectors.parquet: 4 rows
      runs.parquet: 1 rows
    ");
    let listed: Vec<String> = work
        .files("bi")
        .into_keys()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    insta::assert_snapshot!(listed.join("\n"), @"
    .anomalog-export.json
    README.md
    columns.csv
    detectors.parquet
    incident_causes.parquet
    incidents.parquet
    runs.parquet
    scored_windows.parquet
    star.sql
    traffic_windows.parquet
    ");
    let readme = fs::read_to_string(work.path().join("bi/README.md")).unwrap();
    assert!(readme.contains(
        "| `started_at` | TIMESTAMP WITH TIME ZONE |  | Start of the first window, UTC |"
    ));
}

#[test]
fn the_same_tables_are_the_same_bytes_and_a_range_is_a_part() {
    let work = scored();
    work.succeed(&["incidents", "build"]);
    let bytes = |folder: &str| -> BTreeMap<_, _> {
        let files = work.files(folder).into_iter();
        files
            .map(|(path, bytes)| (path.file_name().unwrap().to_owned(), bytes))
            .collect()
    };
    for format in ["parquet", "csv", "ndjson", "sqlite"] {
        work.succeed(&[
            "export",
            "--output",
            "one",
            "--format",
            format,
            "--overwrite",
        ]);
        work.succeed(&[
            "export",
            "--output",
            "other",
            "--format",
            format,
            "--overwrite",
            "--threads",
            "1",
        ]);
        assert!(bytes("one") == bytes("other"), "{format}");
    }
    let all = export(&work, &["--output", "all"]);
    let first = export(&work, &["--output", "first", "--until", "2026-03-02"]);
    let second = export(&work, &["--output", "second", "--since", "2026-03-03"]);
    let date = export(
        &work,
        &[
            "--output",
            "date",
            "--since",
            "2026-03-02",
            "--until",
            "2026-03-02",
        ],
    );
    let none = export(&work, &["--output", "none", "--since", "2027-01-01"]);
    for table in [
        "traffic_windows",
        "scored_windows",
        "incidents",
        "incident_causes",
    ] {
        assert_eq!(all[table], first[table] + second[table], "{table}");
        assert_eq!(first[table], date[table], "{table}");
        assert_eq!(none[table], 0, "{table}");
    }
    assert_eq!(
        (first["traffic_windows"], all["runs"], none["runs"]),
        (2880, 1, 1)
    );
    assert!(
        all["incidents"] > 0 && all["incident_causes"] > 0,
        "{all:?}"
    );
    // The schema of what is stored is that of what is exported.
    let described = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT column_name FROM information_schema.columns \
         WHERE table_name = 'scored_windows' ORDER BY ordinal_position",
    ]);
    let names = columns(&work.path().join("all"))["scored_windows"].clone();
    let names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
    assert_eq!(described.lines().skip(1).collect::<Vec<_>>(), names);
}

/// The rows of a file, read by another DataFusion program.
async fn read(context: &SessionContext, path: &Path, format: &str) -> DataFrame {
    let path = path.to_str().unwrap();
    match format {
        "parquet" => {
            context
                .read_parquet(path, ParquetReadOptions::default())
                .await
        }
        "csv" => context.read_csv(path, CsvReadOptions::default()).await,
        _ => {
            let options = JsonReadOptions::default().file_extension(".ndjson");
            context.read_json(path, options).await
        }
    }
    .unwrap()
}

#[tokio::test]
async fn datafusion_reads_every_format() {
    let work = scored();
    work.succeed(&["incidents", "build"]);
    for format in ["parquet", "csv", "ndjson"] {
        let rows = export(&work, &["--output", format, "--format", format]);
        let folder = work.path().join(format);
        for (table, columns) in columns(&folder) {
            let file = folder.join(format!("{table}.{format}"));
            let frame = read(&SessionContext::new(), &file, format).await;
            let names: BTreeSet<String> = frame
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect();
            let expected: BTreeSet<String> = columns.into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, expected, "{table}.{format}");
            let found = frame.count().await.unwrap() as u64;
            assert_eq!(found, rows[&table], "{table}.{format}");
        }
    }
}

/// What the readers of `read_export.py` find.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn python(folder: &Path, format: &str) -> Option<Value> {
    let Ok(python) = std::env::var(READERS) else {
        eprintln!("skipped: {READERS} names no Python with DuckDB, Polars, pandas and pyarrow");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/read_export.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder)
        .arg(format)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Compares what the readers find with what was written.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn compare(folder: &Path, format: &str, rows: &BTreeMap<String, u64>) {
    let Some(found) = python(folder, format) else {
        return;
    };
    for (reader, tables) in found.as_object().unwrap() {
        let Value::Object(tables) = tables else {
            eprintln!("skipped: {tables}");
            continue;
        };
        // Who must guess types from text is asked for names and rows alone.
        let knows_types = reader == "duckdb" || (format == "parquet" && reader != "pandas");
        for (table, expected) in columns(folder) {
            let is_read = match reader.as_str() {
                "pyarrow" => format == "parquet",
                "sqlite3" => format == "sqlite",
                "pandas" => true,
                _ => format != "sqlite",
            };
            assert_eq!(tables.contains_key(&table), is_read, "{reader} {format}");
            let Some(found) = tables.get(&table) else {
                continue;
            };
            let what = format!("{reader} reads {table} as {format}");
            assert_eq!(found["rows"], rows[&table], "{what}");
            let columns = found["columns"].as_object().unwrap();
            if format == "ndjson" && reader != "duckdb" && rows[&table] == 0 {
                continue;
            }
            assert_eq!(columns.len(), expected.len(), "{what}: {columns:?}");
            for (name, kind) in expected {
                let found = &columns[&name];
                assert!(
                    !knows_types || *found == kind,
                    "{what}: {name} is {found}, not {kind}"
                );
            }
        }
    }
}

#[test]
fn a_database_has_tables_with_types_and_times() {
    let work = scored();
    work.succeed(&["incidents", "build"]);
    let rows = export(&work, &["--output", "bi", "--format", "sqlite"]);
    let folder = work.path().join("bi");
    let database = rusqlite::Connection::open(folder.join("anomalog.sqlite")).unwrap();
    let number = |query: &str| -> u64 {
        let count: i64 = database.query_row(query, [], |row| row.get(0)).unwrap();
        count.try_into().unwrap()
    };
    for (table, columns) in columns(&folder) {
        assert_eq!(
            number(&format!("SELECT count(*) FROM {table}")),
            rows[&table]
        );
        for (name, kind) in columns {
            let (declared, stored) = match kind.as_str() {
                "BOOLEAN" => ("BOOLEAN", "integer"),
                "INTEGER" | "BIGINT" => ("INTEGER", "integer"),
                "DOUBLE" => ("DOUBLE", "real"),
                _ => ("TEXT", "text"),
            };
            let of_column =
                format!("SELECT type FROM pragma_table_info('{table}') WHERE name = '{name}'");
            let found: String = database
                .query_row(&of_column, [], |row| row.get(0))
                .unwrap();
            assert_eq!(found, declared, "{table}.{name}");
            let others = format!(
                "SELECT count(*) FROM {table} WHERE typeof({name}) NOT IN ('null', '{stored}')"
            );
            assert_eq!(number(&others), 0, "{table}.{name}");
        }
    }
    // What SQLite makes of the times, and whether tables go together.
    let windows = "SELECT count(*) FROM scored_windows WHERE date(window_start) = '2026-03-03'";
    assert_eq!(number(windows), 2_880);
    let of_incidents = "SELECT count(DISTINCT incident_id) FROM incidents \
                        JOIN scored_windows USING (site) \
                        WHERE window_start >= started_at AND window_start < ended_at AND is_anomaly";
    assert_eq!(number(of_incidents), rows["incidents"]);
    let read_only = work.run(&["export", "--output", "bi", "--format", "sqlite"]);
    assert!(read_only.contains("is there already"), "{read_only}");
}

#[test]
fn bi_tools_read_every_format() {
    let work = scored();
    // With and without rows of incidents.
    for pass in ["empty", "full"] {
        for format in ["parquet", "csv", "ndjson", "sqlite"] {
            let folder = format!("{pass}-{format}");
            let rows = export(&work, &["--output", &folder, "--format", format]);
            compare(&work.path().join(folder), format, &rows);
        }
        work.succeed(&["incidents", "build"]);
    }
}

#[test]
fn what_may_not_be_written_over_is_not() {
    let work = scored();
    work.succeed(&["export", "--output", "bi"]);
    let before = work.files("bi");
    insta::assert_snapshot!(work.run(&["export", "--output", "bi"]), @"
    --- stderr
    error: `bi` is there already
    hint: replace it with `--overwrite`, or name another folder
    --- exit 1
    ");
    work.succeed(&["export", "--output", "bi", "--overwrite"]);
    assert!(work.files("bi") == before);
    // A name of the user's own is never taken away.
    fs::create_dir(work.path().join("mine")).unwrap();
    work.write("mine/letter.txt", "dear");
    insta::assert_snapshot!(work.run(&["export", "--output", "mine", "--overwrite"]), @"
    --- stderr
    error: `mine` is there already, and no export of anomalog's
    hint: name a folder that is not there yet
    --- exit 1
    ");
    work.write("file", "dear");
    insta::assert_snapshot!(work.run(&["export", "--output", "file", "--overwrite"]), @"
    --- stderr
    error: `file` is there already, and no export of anomalog's
    hint: name a folder that is not there yet
    --- exit 1
    ");
    // An empty folder is nobody's.
    fs::create_dir(work.path().join("empty")).unwrap();
    work.succeed(&["export", "--output", "empty"]);
    insta::assert_snapshot!(work.run(&["export", "--output", "x", "--since", "2026-03-03", "--until", "2026-03-02"]), @"
    --- stderr
    error: the range from 2026-03-03T00:00:00Z to 2026-03-03T00:00:00Z holds no time
    hint: `--since` must lie before `--until`
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["export", "--output", "x", "--warehouse", "none"]), @"
    --- stderr
    error: there is no warehouse `none`
    hint: name one with `--warehouse PATH`
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["export", "--output", "x", "--format", "xlsx"]), @"
    --- stderr
    error: invalid value 'xlsx' for '--format <FORMAT>'
      [possible values: parquet, csv, ndjson, sqlite]

    For more information, try '--help'.
    --- exit 2
    ");
    let left = fs::read_dir(work.path()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with(".anomalog-export")
    });
    assert_eq!(left.count(), 0, "an unfinished export is left");
}

#[test]
fn the_nightly_export_follows_the_tables() {
    let work = with_logs();
    let job = "[[logs]]\npaths = [\"logs\"]\n[export]\nfolder = \"bi\"\n";
    work.write("job.toml", job);
    let root = work.path().join("example/logs");
    let mut logs: Vec<_> = crate::files(&root).into_keys().collect();
    logs.sort_by_key(|path| path.file_name().unwrap().to_owned());
    let deliver = |delivered: &[PathBuf]| {
        for log in delivered {
            let to = work
                .path()
                .join("logs")
                .join(log.strip_prefix(&root).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(log, to).unwrap();
        }
    };
    // All but the times of runs, and what the export knows of itself.
    let export = || -> BTreeMap<_, _> {
        let files = work.files("bi").into_iter();
        files
            .map(|(path, bytes)| (path.strip_prefix(work.path()).unwrap().to_owned(), bytes))
            .filter(|(path, _)| {
                !path.ends_with("runs.parquet") && !path.ends_with(".anomalog-export.json")
            })
            .collect()
    };
    deliver(&logs[..2]);
    let said = work.run(&["run"]);
    assert!(
        said.contains("export: 9 files written, 0 removed"),
        "{said}"
    );
    deliver(&logs[2..]);
    work.succeed(&["run"]);
    let by_night = export();
    assert!(by_night.contains_key(Path::new("bi/scored_windows/2026-03-03.parquet")));
    let said = work.run(&["run"]);
    assert!(
        said.contains("nothing new") && !said.contains("export"),
        "{said}"
    );

    // In one go.
    fs::remove_dir_all(work.path().join("warehouse")).unwrap();
    fs::rename(work.path().join("bi"), work.path().join("kept")).unwrap();
    work.succeed(&["run"]);
    assert!(export() == by_night, "in one go it differs");

    // What others take away or cut short is there again.
    fs::remove_file(work.path().join("bi/scored_windows/2026-03-03.parquet")).unwrap();
    work.write("bi/README.md", "x");
    let said = work.run(&["run"]);
    assert!(
        said.contains("nothing new") && said.contains("export: 2 files written"),
        "{said}"
    );
    assert!(export() == by_night, "after a repair it differs");
    // Incidents found by hand are the same; what is new is the row of the run that found them again.
    work.succeed(&["incidents", "build"]);
    let said = work.run(&["run"]);
    assert!(
        said.contains("export: 1 files written, 0 removed"),
        "{said}"
    );
    assert!(
        export() == by_night,
        "after finding incidents by hand it differs"
    );

    // Tools read it.
    let rows = work.succeed(&["export", "--json", "--output", "flat"]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let rows = rows["tables"].as_array().unwrap().iter().map(|table| {
        let name = table["table"].as_str().unwrap().to_owned();
        (name, table["rows"].as_u64().unwrap())
    });
    let rows: BTreeMap<String, u64> = rows.collect();
    compare(&work.path().join("bi"), "parquet", &rows);

    // Another format leaves nothing of the old one.
    work.succeed(&["run", "--set", "export.format=csv"]);
    let names: Vec<_> = export().into_keys().collect();
    assert!(
        names
            .iter()
            .all(|name| name.extension().unwrap() != "parquet"),
        "{names:?}"
    );

    // A folder with something else in it fails the export, and nothing but it.
    fs::create_dir(work.path().join("mine")).unwrap();
    work.write("mine/letter.txt", "dear");
    insta::assert_snapshot!(work.run(&["run", "--set", "export.folder=mine"]), @"
    --- stderr
    nothing new: 6 logs found, all known, and every table is up to date
    warning: `mine`: `mine` is there already, and no export of anomalog's
    --- exit 3
    ");
}
