//! Ingesting as a whole.

mod cases;

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use super::chunk::ChunkLimits;
use super::lines::BLOCK;
use super::*;
use crate::explain::{Explain, chain};
use crate::progress::{Counter, Progress, Unwatched};
use crate::schema::{ACCESS_LOGS, LOG_FILES, QUARANTINE, Table};

/// A folder with logs and a warehouse.
struct Place {
    folder: TempDir,
    warehouse: Warehouse,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::new(folder.path().join("warehouse"));
        Self { folder, warehouse }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn ingest(&self, path: &Path) -> Result<IngestSummary, IngestError> {
        self.ingest_with(path, &IngestOptions::default())
    }

    fn ingest_with(
        &self,
        path: &Path,
        options: &IngestOptions,
    ) -> Result<IngestSummary, IngestError> {
        ingest(&[path.to_owned()], options, &self.warehouse, &Unwatched)
    }

    /// The error of ingesting, with its causes and hint, and without this folder's name.
    fn error(&self, path: &Path, options: &IngestOptions) -> String {
        let error = self.ingest_with(path, options).unwrap_err();
        let folder = format!("{}/logs/", self.folder.path().display());
        let mut text = chain(&error);
        if let Some(hint) = error.hint() {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text.replace(&folder, "")
    }

    /// Every file of the warehouse with its bytes.
    fn files(&self) -> Files {
        files(&self.warehouse)
    }

    /// The rows of a table, file after file.
    fn table(&self, table: Table) -> RecordBatch {
        let schema = match table {
            Table::AccessLogs => &ACCESS_LOGS,
            Table::LogFiles => &LOG_FILES,
            _ => &QUARANTINE,
        };
        let mut batches = Vec::new();
        for (name, bytes) in self.files() {
            if name.starts_with(&format!("{}/", table.name())) {
                drop(bytes);
                let file = fs::File::open(self.warehouse.root().join(&name)).unwrap();
                let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
                assert_eq!(reader.schema().fields(), schema.fields(), "{name}");
                batches.extend(reader.build().unwrap().map(Result::unwrap));
            }
        }
        concat_batches(schema, &batches).unwrap()
    }

    fn column(&self, table: Table, column: &str) -> Vec<String> {
        let batch = self.table(table);
        let column = datafusion::arrow::compute::cast(
            batch.column_by_name(column).unwrap(),
            &datafusion::arrow::datatypes::DataType::Utf8,
        )
        .unwrap();
        let text = column.as_string::<i32>();
        text.iter()
            .map(|value| value.unwrap_or("NULL").to_owned())
            .collect()
    }
}

/// Names and bytes.
type Files = Vec<(String, Vec<u8>)>;

fn files(warehouse: &Warehouse) -> Files {
    let mut files = Vec::new();
    let mut folders = vec![warehouse.root().to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(warehouse.root()).unwrap();
                files.push((name.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Ingests into a new warehouse; what that holds then, and what is said.
fn ingest_anew(paths: &[PathBuf], threads: usize, cut: Cut) -> (Files, String) {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::new(folder.path());
    let options = IngestOptions {
        threads: NonZeroUsize::new(threads),
        ..IngestOptions::default()
    };
    let outcome = ingest_cut(paths, &options, &warehouse, &Unwatched, cut);
    let said = match outcome {
        Ok(summary) => {
            assert_counts_add_up(&summary);
            format!("{summary:#?}")
        }
        Err(error) => format!("{error:#?}"),
    };
    (files(&warehouse), said)
}

fn line(client: &str, time: &str, path: &str) -> String {
    format!("{client} - - [{time} +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"ua\"\n")
}

fn small_log() -> String {
    [
        &*line("1.1.1.2", "22/Jan/2021:23:59:59", "/b"),
        "garbage \u{1b}[0m\n",
        "\n",
        &line("1.1.1.1", "23/Jan/2021:00:00:01", "/d"),
        &line("1.1.1.1", "22/Jan/2021:23:59:58", "/a"),
        &line("1.1.1.3", "22/Jan/2021:23:59:59", "/c"),
    ]
    .concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn assert_counts_add_up(summary: &IngestSummary) {
    for file in &summary.files {
        assert_eq!(
            file.lines,
            file.rows + file.rejected + file.blank + file.header,
            "{file:?}"
        );
        assert_eq!(
            file.rejected,
            file.reasons.values().sum::<u64>(),
            "{file:?}"
        );
        assert_eq!(file.rows, file.sites.values().sum::<u64>(), "{file:?}");
    }
    assert_eq!(
        summary.totals.lines,
        summary.files.iter().map(|file| file.lines).sum::<u64>()
    );
}

#[test]
fn a_log_becomes_sorted_files_by_date_a_quarantine_and_a_marker() {
    let reading = IngestOptions::default().fingerprint();
    let place = Place::new();
    let path = place.write("access-2021.log", small_log());
    let summary = place.ingest(&path).unwrap();
    assert_counts_add_up(&summary);
    let file = &summary.files[0];
    assert_eq!(
        (file.lines, file.rows, file.rejected, file.blank),
        (6, 4, 1, 1)
    );
    assert_eq!(
        file.first_timestamp.unwrap().to_string(),
        "2021-01-22T23:59:58Z"
    );
    assert_eq!(
        file.last_timestamp.unwrap().to_string(),
        "2021-01-23T00:00:01Z"
    );
    let digest = &file.digest[..16];
    let names: Vec<_> = place.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            format!("access_logs/date=2021-01-22/{digest}.{reading}-00000.parquet"),
            format!("access_logs/date=2021-01-23/{digest}.{reading}-00001.parquet"),
            format!("log_files/{digest}.{reading}.parquet"),
            format!("quarantine/{digest}.parquet"),
        ]
    );
    assert_eq!(
        place.column(Table::AccessLogs, "path"),
        ["/a", "/b", "/c", "/d"]
    );
    assert_eq!(place.column(Table::AccessLogs, "site"), ["access"; 4]);
    assert_eq!(place.column(Table::AccessLogs, "referer"), ["NULL"; 4]);
    let quarantine = place.table(Table::Quarantine);
    let numbers = quarantine.column(1).as_primitive::<Int64Type>();
    assert_eq!(numbers.values(), &[2]);
    assert_eq!(
        quarantine.column(3).as_binary::<i32>().value(0),
        b"garbage \x1b[0m"
    );
    let marker = place.table(Table::LogFiles);
    assert_eq!(marker.num_rows(), 1);
    let from = marker.column(7).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(from.value(0), file.first_timestamp.unwrap().micros());
    assert_eq!(place.column(Table::LogFiles, "lines"), ["6"]);
    assert!(
        fs::read_dir(place.warehouse.root().join(".staging"))
            .unwrap()
            .next()
            .is_none()
    );
}

#[test]
fn ingesting_again_changes_nothing() {
    let place = Place::new();
    let path = place.write("a.log", small_log());
    place.ingest(&path).unwrap();
    let before = place.files();
    let copy = place.write("copy.log", small_log());
    for path in [path, copy] {
        let again = place.ingest(&path).unwrap();
        assert_eq!(again.files[0].status, FileStatus::AlreadyIngested);
        assert_eq!(
            (again.totals.already_ingested, again.totals.ingested),
            (1, 0)
        );
    }
    assert_eq!(place.files(), before);
}

#[test]
fn a_log_that_a_crash_left_half_published_is_completed() {
    let place = Place::new();
    let path = place.write("a.log", small_log());
    let digest = place.ingest(&path).unwrap().files[0].digest[..16].to_owned();
    let complete = place.files();
    let root = place.warehouse.root();
    let reading = IngestOptions::default().fingerprint();
    fs::remove_file(root.join(format!("log_files/{digest}.{reading}.parquet"))).unwrap();
    let remains = root.join(format!(
        "access_logs/date=2021-01-23/{digest}.{reading}-00007.parquet"
    ));
    fs::write(remains, "rows of an earlier version").unwrap();
    fs::write(root.join(format!(".staging/publishing-{digest}")), "").unwrap();
    place.ingest(&path).unwrap();
    assert_eq!(place.files(), complete);
}

#[test]
fn a_log_is_read_again_as_a_whole_or_not_at_all() {
    let place = Place::new();
    let path = place.write("a.log", small_log());
    place.ingest(&path).unwrap();
    let before = place.files();
    let other = IngestOptions {
        site: Some("shop".to_owned()),
        ..IngestOptions::default()
    };
    let known = place.ingest_with(&path, &other).unwrap();
    assert_eq!(known.files[0].status, FileStatus::AlreadyIngested);
    assert!(known.files[0].warnings[0].contains("`--again`"));
    assert_eq!(place.files(), before);
    let again = IngestOptions {
        again: true,
        ..other
    };
    assert_eq!(place.ingest_with(&path, &again).unwrap().totals.rows, 4);
    let fresh = Place::new();
    let twin = fresh.write("a.log", small_log());
    fresh.ingest_with(&twin, &again).unwrap();
    let names = |place: &Place| -> Vec<String> {
        let files = place.files().into_iter().map(|(name, _)| name);
        files.filter(|name| !name.starts_with('.')).collect()
    };
    assert_eq!(names(&place), names(&fresh));
    assert_eq!(place.column(Table::AccessLogs, "site"), ["shop"; 4]);
    // Read in the same way, it is known.
    let same = place.ingest_with(&path, &again).unwrap();
    assert_eq!(same.files[0].status, FileStatus::AlreadyIngested);
    assert_eq!(same.files[0].warnings, [""; 0]);
}

#[test]
fn compressed_logs_are_told_by_their_bytes() {
    let log = small_log();
    let (first, second) = log.as_bytes().split_at(log.len() / 2);
    let members = [gzip(first), gzip(second)].concat();
    let frames = [
        zstd::encode_all(first, 1).unwrap(),
        zstd::encode_all(second, 1).unwrap(),
    ]
    .concat();
    for stored in [members, frames] {
        let place = Place::new();
        let path = place.write("access.log", stored);
        let summary = place.ingest(&path).unwrap();
        assert_counts_add_up(&summary);
        assert_eq!((summary.totals.lines, summary.totals.rows), (6, 4));
    }
}

#[test]
fn a_cut_off_or_damaged_file_leaves_nothing() {
    let log = small_log().repeat(2000);
    let gz = gzip(log.as_bytes());
    let zst = zstd::encode_all(log.as_bytes(), 1).unwrap();
    for (name, stored) in [
        ("cut.gz", &gz[..gz.len() - 9]),
        ("cut.zst", &zst[..zst.len() / 2]),
    ] {
        let place = Place::new();
        let path = place.write(name, stored);
        let error = place.ingest(&path).unwrap_err();
        let IngestError::Truncated {
            file, bytes, lines, ..
        } = &error
        else {
            panic!("{name}: {error:?}");
        };
        assert!(file.ends_with(name));
        assert_eq!(*bytes, stored.len() as u64);
        // A frame this small may not yield a line before its end.
        assert!(
            *lines <= 12_000 && (*lines > 0 || name == "cut.zst"),
            "{name}: {lines} lines"
        );
        assert_eq!(place.files(), [], "{name}");
    }
    let place = Place::new();
    let mut damaged = gz.clone();
    damaged[gz.len() - 6] ^= 1;
    let path = place.write("damaged.gz", damaged);
    assert!(matches!(place.ingest(&path), Err(IngestError::Read { .. })));
    assert_eq!(place.files(), []);
}

#[test]
fn bad_input_is_refused_with_reason_and_hint() {
    let place = Place::new();
    let error = |name: &str, bytes: &[u8]| {
        place.error(&place.write(name, bytes), &IngestOptions::default())
    };
    insta::assert_snapshot!(error("empty.log", b""), @"
    `empty.log` is empty, expected at least one line
    hint: leave the file out, or name its folder: empty logs in a folder are passed over
    ");
    insta::assert_snapshot!(error("blank.log", b"\n \n"), @r"
    `blank.log` is empty, expected at least one line
    hint: leave the file out, or name its folder: empty logs in a folder are passed over
    ");
    insta::assert_snapshot!(error("app.log", b"hello \x1b[31mworld\n"), @r#"
    cannot tell the log format of `app.log` from its first lines, which begin `hello \u{1b}[31mworld`
    hint: say it with `--format`: nginx' `log_format`, Apache's `LogFormat`, or a name such as `combined`, `json`, `w3c`, `alb` or `csv`; JSON must be one object per line
    "#);
    insta::assert_snapshot!(error("a.csv", b"timestamp,requests\n1,2\n"), @r"
    `a.csv` has no field for `path`, `status`; its fields are `timestamp`, `requests`
    hint: say which field it is, as in `--columns path=FIELD`
    ");
    insta::assert_snapshot!(error("a.xz", b"\xFD7zXZ\0"), @"
    `a.xz` is in xz format, expected plain text, gzip or zstd
    hint: unpack it and pipe it in, as in `xz -dc a.xz | anomalog ingest -`
    ");
    insta::assert_snapshot!(error("a.parquet", b"PAR1"), @r"
    `a.parquet` is in Parquet format, expected plain text, gzip or zstd
    hint: Parquet logs need no ingest: name them in the job, with a column map
    ");
    insta::assert_snapshot!(
        place.error(&place.folder.path().join("logs/none.log"), &IngestOptions::default()), @r"
    cannot open `none.log`: No such file or directory (os error 2)
    hint: check the path
    ");
    let options = IngestOptions {
        columns: "timestamp=at".parse().unwrap(),
        ..IngestOptions::default()
    };
    let path = place.write("b.tsv", "time\turl\tstatus\n");
    insta::assert_snapshot!(place.error(&path, &options), @r"
    `b.tsv` has no field `at` to fill `timestamp` with; its fields are `time`, `url`, `status`
    hint: correct the name in `--columns`; keys of nested JSON objects are joined by dots
    ");
    let path = place
        .write("folder/README.md", "")
        .parent()
        .unwrap()
        .to_owned();
    insta::assert_snapshot!(place.error(&path, &IngestOptions::default()), @r"
    no logs found in `folder`
    hint: all 1 files there were passed over; name one itself to see why
    ");
    assert_eq!(place.files(), []);
}

#[test]
fn a_folder_is_read_and_what_is_no_log_passed_over() {
    let place = Place::new();
    place.write("shop/access.log", small_log());
    place.write(
        "api/access.log",
        line("2.2.2.2", "22/Jan/2021:00:00:00", "/"),
    );
    place.write("error.log", "something else\n");
    place.write("empty.log", "");
    let summary = place.ingest(&place.folder.path().join("logs")).unwrap();
    assert_counts_add_up(&summary);
    assert_eq!(summary.totals.ingested, 2);
    assert_eq!(summary.skipped.len(), 2);
    assert!(summary.skipped[0].file.ends_with("empty.log"));
    assert_eq!(
        place
            .column(Table::AccessLogs, "site")
            .iter()
            .filter(|s| *s == "api")
            .count(),
        1
    );
}

#[test]
fn a_log_of_rejected_lines_only_is_kept_in_the_quarantine() {
    let place = Place::new();
    let path = place.write("a.log", "one\ntwo\n");
    let options = IngestOptions {
        format: Some(Format::Combined),
        ..IngestOptions::default()
    };
    let summary = place.ingest_with(&path, &options).unwrap();
    assert_counts_add_up(&summary);
    assert_eq!((summary.totals.rows, summary.totals.rejected), (0, 2));
    assert_eq!(
        summary.files[0].warnings,
        ["no line could be read as a request"]
    );
    assert_eq!(place.table(Table::LogFiles).num_rows(), 0);
    assert_eq!(place.ingest(&path).unwrap().totals.already_ingested, 1);
}

#[test]
fn long_lines_are_quarantined_by_their_first_bytes() {
    let place = Place::new();
    let mut log = line("1.1.1.1", "22/Jan/2021:00:00:00", "/").into_bytes();
    for length in [(1 << 20) + 1, 5 << 20] {
        log.extend(vec![b'x'; length]);
        log.push(b'\n');
    }
    log.extend(line("1.1.1.1", "22/Jan/2021:00:00:01", "/").into_bytes());
    let path = place.write("a.log", log);
    let summary = place.ingest(&path).unwrap();
    assert_counts_add_up(&summary);
    assert_eq!((summary.totals.lines, summary.totals.rows), (4, 2));
    assert_eq!(summary.files[0].reasons["line longer than 1 MiB"], 2);
    assert_eq!(place.column(Table::Quarantine, "line_number"), ["2", "3"]);
    let raw = place.table(Table::Quarantine);
    assert!(
        raw.column(3)
            .as_binary::<i32>()
            .iter()
            .all(|raw| raw.unwrap().len() == 4096)
    );
}

/// Lines of two sites and three days, out of order, with `\r\n`, blank, bad and long ones among
/// them.
fn mixed_log(lines: usize, seed: usize) -> Vec<u8> {
    let mut log = Vec::new();
    for number in 0..lines {
        let random = ((number + seed).wrapping_mul(2_654_435_761) % (1 << 32)) >> 7;
        let (day, hour) = (22 + number * 3 / lines, random % 24);
        let time = format!("{day}/Jan/2021:{hour:02}:{:02}:00 +0000", number % 60);
        let site = ["", "shop.example ", "api.example "][random / 24 % 3];
        let path = format!("/{}?q={}", random % 977, "x".repeat(random % 120));
        let agent = ["-", "Mozilla/5.0", "caf\u{e9}"][random % 3];
        let end = if number % 7 == 0 { "\r\n" } else { "\n" };
        match number % 500 {
            100 => log.extend(b"no request \xFF\n"),
            200 => log.extend(b"  \n"),
            300 if number % 10_000 == 300 => {
                log.extend(vec![b'y'; lines::MAX_LINE + number]);
                log.push(b'\n');
            }
            _ => log.extend(
                format!(
                    "{site}10.0.{}.{} - - [{time}] \"GET {path} HTTP/1.1\" {} {random} \"-\" \
                     \"{agent}\" 0.{random}{end}",
                    random % 11,
                    random % 251,
                    200 + random % 5,
                )
                .into_bytes(),
            ),
        }
    }
    log
}

const SMALL_CHUNKS: ChunkLimits = ChunkLimits {
    rows: 3001,
    bytes: 500_000,
};

/// Numbers of threads, and ways to cut, that must make no difference.
fn ways() -> impl Iterator<Item = (usize, Cut)> {
    let blocks = [BLOCK, lines::MAX_LINE + 1, lines::MAX_LINE + 77_777];
    [1, 2, 8, 8, 3].into_iter().flat_map(move |threads| {
        blocks.map(|block| {
            let chunk = SMALL_CHUNKS;
            (threads, Cut { block, chunk })
        })
    })
}

#[test]
fn threads_and_blocks_change_nothing() {
    let place = Place::new();
    place.write("shop/a.log", mixed_log(30_000, 1));
    place.write("shop/b.log.gz", gzip(&mixed_log(20_000, 2)));
    let zst = zstd::encode_all(&mixed_log(20_000, 3)[..], 1).unwrap();
    place.write("c.log.zst", zst);
    place.write("copy-of-a.log", mixed_log(30_000, 1));
    place.write("d.log", small_log());
    place.write("empty.log", "\n");
    place.write("notes.txt", "hello\n");
    place.write("time.tsv", "time\turl\tstatus\n1611280025\t/\t200\n");
    let logs = [place.folder.path().join("logs")];
    let (files, said) = ingest_anew(
        &logs,
        1,
        Cut {
            chunk: SMALL_CHUNKS,
            ..Cut::default()
        },
    );
    let count = |table: Table| {
        let start = format!("{}/", table.name());
        files
            .iter()
            .filter(|(name, _)| name.starts_with(&start))
            .count()
    };
    assert_eq!((count(Table::LogFiles), count(Table::Quarantine)), (5, 4));
    assert!(count(Table::AccessLogs) > 30, "too few chunks to tell");
    assert!(said.contains("AlreadyIngested"), "the copy is known");
    for (threads, cut) in ways() {
        let (other_files, other_said) = ingest_anew(&logs, threads, cut);
        assert_eq!(other_said, said, "{threads} threads, {cut:?}");
        assert!(other_files == files, "{threads} threads, {cut:?}");
    }
}

#[test]
fn the_first_log_that_fails_is_reported_whatever_fails_sooner() {
    let place = Place::new();
    let cut_off = gzip(&mixed_log(20_000, 3));
    let logs = [
        place.write("1.log", mixed_log(30_000, 1)),
        place.write("2.log.gz", gzip(&mixed_log(10_000, 2))),
        place.write("3.log.gz", &cut_off[..cut_off.len() - 100]),
        place.write("4.log", "no log\n"),
        place.write("5.log", small_log()),
    ];
    let (kept, _) = ingest_anew(&logs[..2], 1, Cut::default());
    for threads in [1, 2, 3, 8, 8, 8] {
        let (files, said) = ingest_anew(&logs, threads, Cut::default());
        assert!(said.starts_with("Truncated"), "{said}");
        assert!(said.contains("3.log.gz"), "{said}");
        assert!(files == kept, "{threads} threads");
        let (files, said) = ingest_anew(&logs[3..], threads, Cut::default());
        assert!(said.starts_with("UnknownFormat"), "{said}");
        assert_eq!(files, []);
    }
}

#[test]
fn no_more_threads_work_than_asked_for() {
    #[derive(Debug, Clone, Default)]
    struct Readers(Arc<Mutex<HashSet<ThreadId>>>);
    impl Progress for Readers {
        fn begin(&self, _step: &'static str, _total: Option<u64>) -> Box<dyn Counter> {
            Box::new(self.clone())
        }
    }
    impl Counter for Readers {
        fn advance(&self, _amount: u64) {
            self.0.lock().unwrap().insert(thread::current().id());
        }
        fn reach(&self, _amount: u64) {}
        fn expect(&self, _total: u64) {}
        fn say(&self, _message: String) {}
    }
    for threads in [1, 2, 3] {
        let place = Place::new();
        for number in 0..20 {
            place.write(&format!("{number}.log"), mixed_log(2000, number));
        }
        let logs = [place.folder.path().join("logs")];
        let options = IngestOptions {
            threads: NonZeroUsize::new(threads),
            ..IngestOptions::default()
        };
        let readers = Readers::default();
        let summary = ingest(&logs, &options, &place.warehouse, &readers).unwrap();
        assert_eq!(summary.totals.ingested, 20);
        let readers = readers.0.lock().unwrap();
        assert!(readers.len() <= threads, "{readers:?}");
        assert!(threads > 1 || readers.contains(&thread::current().id()));
    }
}

/// What a real log must yield: format, lines, rows, rejected, header lines.
fn real(name: &str, expected: (&str, u64, u64, u64, u64)) {
    let shared = std::env::var_os("ANOMALOG_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = shared.join("data/weblogs").join(name);
    if !path.exists() {
        eprintln!("skipped: `{}` is not here", path.display());
        return;
    }
    let place = Place::new();
    let summary = place.ingest(&path).unwrap();
    assert_counts_add_up(&summary);
    let file = &summary.files[0];
    let found = (
        &*file.format,
        file.lines,
        file.rows,
        file.rejected,
        file.header,
    );
    assert_eq!(found, expected, "{file:#?}");
    assert_eq!(place.table(Table::AccessLogs).num_rows() as u64, file.rows);
}

/// The first line is one of `newsyslog`; 13 requests are odd, and rows.
#[test]
fn a_real_nginx_log() {
    real("rhit_nginx_access.log", ("combined", 33_467, 33_466, 1, 0));
}

/// Line 8899 is cut off in its user agent, and a row.
#[test]
fn a_real_apache_log() {
    real(
        "elastic_apache_logs.log",
        ("combined", 10_000, 10_000, 0, 0),
    );
}

#[test]
fn a_real_scan_with_lines_in_quotes() {
    real("scan_acunetix.log", ("combined", 6539, 6539, 0, 0));
}

#[test]
fn a_real_tab_separated_log() {
    real("nasa_19950801.tsv", ("tsv", 30_970, 30_969, 0, 1));
}
