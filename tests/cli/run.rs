//! `anomalog run`.

mod enrichment;
mod every;
mod odd_days;
mod operations;
mod retention;
mod retrain;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Workplace;

/// Tables that must come out alike, however they came about.
const TABLES: [&str; 8] = [
    "access_logs",
    "log_files",
    "quarantine",
    "traffic_windows",
    "scored_windows",
    "incidents",
    "incident_causes",
    "series_dates",
];

/// Crashes after so many changes of the warehouse.
const CRASH: &str = "ANOMALOG_CRASH_AFTER_CHANGES";

/// A workplace with a job over `logs`, an empty folder, and the logs of some days of two sites
/// in `all/logs`.
struct Job {
    work: Workplace,
}

impl Job {
    fn new(days: u32) -> Self {
        Self::starting("2026-03-02", days)
    }

    /// The same from another date on.
    fn starting(start: &str, days: u32) -> Self {
        let work = Workplace::new();
        work.succeed(&[
            "simulate",
            "--output",
            "all",
            "--days",
            &days.to_string(),
            "--sites",
            "2",
            "--scale",
            "0.05",
            "--start",
            start,
            "--seed",
            "5",
        ]);
        let job = Self { work };
        job.clear();
        job.work.write("job.toml", "[[logs]]\npaths = [\"logs\"]\n");
        job
    }

    /// Adds to the logs that there will be: so many minutes in which one client asks for one page 200
    /// times a minute, from so many minutes after midnight of the first day on; a log for each date.
    fn flood(&self, first_minute: u32, minutes: u32) {
        let mut logs: BTreeMap<u32, String> = BTreeMap::new();
        for minute in first_minute..first_minute + minutes {
            let (day, hour, minute) = (minute / 1_440, minute / 60 % 24, minute % 60);
            let log = logs.entry(2 + day).or_default();
            for request in 0..200 {
                let second = request * 60 / 200;
                writeln!(
                    log,
                    "203.0.113.9 - - [{:02}/Mar/2026:{hour:02}:{minute:02}:{second:02} +0000] \
                     \"GET /login HTTP/1.1\" 200 512",
                    2 + day,
                )
                .unwrap();
            }
        }
        for (day, log) in logs {
            self.work
                .write(&format!("all/logs/shop/flood-2026-03-{day:02}.log"), log);
        }
    }

    /// Forgets all that was done.
    fn clear(&self) {
        for folder in ["logs", "warehouse"] {
            let path = self.work.path().join(folder);
            if path.exists() {
                fs::remove_dir_all(&path).unwrap();
            }
        }
        fs::create_dir(self.work.path().join("logs")).unwrap();
    }

    /// The logs that there will be, by their path below `logs`, in the order of their dates.
    fn all(&self) -> Vec<PathBuf> {
        let root = self.work.path().join("all/logs");
        let mut paths: Vec<PathBuf> = crate::files(&root)
            .into_keys()
            .map(|path| path.strip_prefix(&root).unwrap().to_owned())
            .collect();
        paths.sort_by_key(|path| path.file_name().unwrap().to_owned());
        paths
    }

    /// Puts logs where the job looks for them.
    fn deliver<'a>(&self, logs: impl IntoIterator<Item = &'a PathBuf>) {
        for log in logs {
            let to = self.work.path().join("logs").join(log);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(self.work.path().join("all/logs").join(log), to).unwrap();
        }
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.work.run(&[&["run"], arguments].concat())
    }

    /// Runs, and must succeed.
    fn succeed(&self) {
        self.work.succeed(&["run"]);
    }

    /// Every file of every table.
    fn tables(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let tables = TABLES.iter();
        tables
            .flat_map(|table| self.work.files(&format!("warehouse/{table}")))
            .map(|(path, bytes)| {
                (
                    path.strip_prefix(self.work.path()).unwrap().to_owned(),
                    bytes,
                )
            })
            .collect()
    }

    /// The tables that one run over all logs makes.
    fn in_one_go(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.clear();
        self.deliver(&self.all());
        self.succeed();
        self.tables()
    }

    #[track_caller]
    fn expect(&self, expected: &BTreeMap<PathBuf, Vec<u8>>, how: &str) {
        let found = self.tables();
        let differ: Vec<&Path> = expected
            .keys()
            .chain(found.keys())
            .filter(|path| expected.get(*path) != found.get(*path))
            .map(PathBuf::as_path)
            .collect();
        assert!(differ.is_empty(), "{how}: {differ:?}");
    }
}

#[test]
fn however_the_nights_come_the_tables_are_the_same_bytes() {
    let job = Job::new(4);
    let expected = job.in_one_go();
    for table in ["access_logs", "traffic_windows", "scored_windows"] {
        let dates = expected
            .keys()
            .filter(|path| path.starts_with(format!("warehouse/{table}")));
        assert!(dates.count() >= 4, "{table}");
    }
    for table in ["incidents", "incident_causes"] {
        let path = Path::new("warehouse").join(table);
        assert!(
            expected.keys().any(|file| file.starts_with(&path)),
            "no {table}"
        );
    }

    job.succeed();
    job.expect(&expected, "run again");

    let all = job.all();
    job.clear();
    for night in all.chunks(2) {
        job.deliver(night);
        job.succeed();
    }
    job.expect(&expected, "night by night");

    job.clear();
    for night in all.chunks(2).rev() {
        job.deliver(night);
        job.succeed();
    }
    job.expect(&expected, "backwards");

    // One site of one night comes late, and one night is missing for long.
    job.clear();
    for night in [&all[..1], &all[4..], &all[1..2], &all[2..4]] {
        job.deliver(night);
        job.succeed();
    }
    job.expect(&expected, "with logs that come late");

    job.clear();
    job.deliver(&all);
    for date in ["2026-03-04", "2026-03-02", "2026-03-05", "2026-03-03"] {
        job.work.succeed(&["run", "--since", date, "--until", date]);
    }
    job.succeed();
    job.expect(&expected, "date by date");

    job.clear();
    job.deliver(&all);
    job.work.succeed(&["run", "--threads", "1"]);
    job.expect(&expected, "on one thread");

    // By hand: the windows are those of the commands.
    fs::rename(
        job.work.path().join("warehouse"),
        job.work.path().join("kept"),
    )
    .unwrap();
    job.work.succeed(&["ingest", "logs"]);
    let windows = |tables: &BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
        let windows = Path::new("warehouse/traffic_windows");
        let of_windows = tables.iter().filter(|(path, _)| path.starts_with(windows));
        of_windows
            .map(|(path, bytes)| (path.clone(), bytes.clone()))
            .collect()
    };
    assert!(
        windows(&job.tables()) == windows(&expected),
        "windows by hand differ"
    );
    job.work.succeed(&["score"]);
    job.succeed();
    job.expect(&expected, "after commands by hand");
    job.work.succeed(&["incidents", "build"]);
    job.expect(&expected, "incidents by hand");
    job.succeed();
    job.expect(&expected, "after incidents by hand");
}

#[test]
fn an_incident_over_midnight_is_one_and_of_the_date_that_it_starts_on() {
    let job = Job::new(4);
    // From 23:20 of the third day to 00:50 of the fourth.
    job.flood(3 * 1_440 - 40, 90);
    let expected = job.in_one_go();
    let floods = "SELECT site, started_at, ended_at, top_metric, dimension || ' ' || value AS cause \
                  FROM incidents LEFT JOIN incident_causes \
                  ON incidents.incident_id = incident_causes.incident_id AND rank = 1 \
                  WHERE started_at BETWEEN '2026-03-04T23:00:00Z' AND '2026-03-05T02:00:00Z'";
    insta::assert_snapshot!(job.work.succeed(&["sql", "--format", "csv", floods]), @"
    site,started_at,ended_at,top_metric,cause
    shop,2026-03-04T23:20:00Z,2026-03-05T00:54:00Z,requests,client_ip 203.0.113.9
    ");
    let all = job.all();
    let of_date = |date: &str| -> Vec<PathBuf> {
        let is_of_date = |path: &&PathBuf| path.to_string_lossy().contains(date);
        all.iter().filter(is_of_date).cloned().collect()
    };
    let dates = ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [0, 1, 3, 2]] {
        job.clear();
        for date in order {
            job.deliver(&of_date(dates[date]));
            job.succeed();
        }
        job.expect(&expected, &format!("nights in the order {order:?}"));
    }
    // It depends on the night after it, and what it is explained by on the days before.
    job.clear();
    job.deliver(&all);
    for date in ["2026-03-04", "2026-03-05", "2026-03-03", "2026-03-02"] {
        job.work.succeed(&["run", "--since", date, "--until", date]);
    }
    job.succeed();
    job.expect(&expected, "date by date");
}

#[test]
fn a_night_says_what_happened() {
    let job = Job::new(3);
    job.flood(2 * 1_440 + 600, 30);
    let all = job.all();
    let (last, before): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|path| path.to_string_lossy().contains("2026-03-04"));
    job.deliver(&before);
    job.succeed();
    job.deliver(&last);
    let said = job.run(&[]);
    let of_incidents: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.starts_with("new incidents"))
        .collect();
    insta::assert_snapshot!(of_incidents.join("\n"), @"
    new incidents: 3 high, 1 medium, 1 low
      high: flood at shop, 2026-03-04T10:00:00Z to 2026-03-04T10:30:00Z, +5983 requests, client_ip 203.0.113.9
      high: credential stuffing at shop, 2026-03-04T14:17:00Z to 2026-03-04T14:38:00Z, +245 client_errors, path /login
      high: vulnerability scan at blog, 2026-03-04T00:44:00Z to 2026-03-04T00:59:00Z, +365 client_errors, client_ip 203.0.113.12
      medium: outage at shop, 2026-03-04T18:20:00Z to 2026-03-04T18:33:00Z, -46 requests
      low: slow answers at shop, 2026-03-04T07:24:00Z to 2026-03-04T07:30:00Z, latency_p95 6.6 times the usual
    report: warehouse/report.html
    ");
    let runs = job.work.path().join("warehouse/runs");
    let summaries = crate::files(&runs);
    let markdown = summaries
        .iter()
        .filter(|(path, _)| path.ends_with("summary.md"))
        .map(|(_, text)| String::from_utf8(text.clone()).unwrap())
        .find(|text| text.contains("203.0.113.9"))
        .unwrap();
    let worst = markdown
        .split("## ")
        .find(|part| part.starts_with("The worst"));
    insta::assert_snapshot!(worst.unwrap().trim_end(), @r#"
    The worst new incidents

    | severity | kind | site | from | to | change | first cause |
    |---|---|---|---|---|---|---|
    | high | flood | shop | 2026-03-04T10:00:00Z | 2026-03-04T10:30:00Z | +5983 requests | client\_ip 203.0.113.9 |
    | high | credential stuffing | shop | 2026-03-04T14:17:00Z | 2026-03-04T14:38:00Z | +245 client\_errors | path /login |
    | high | vulnerability scan | blog | 2026-03-04T00:44:00Z | 2026-03-04T00:59:00Z | +365 client\_errors | client\_ip 203.0.113.12 |
    | medium | outage | shop | 2026-03-04T18:20:00Z | 2026-03-04T18:33:00Z | -46 requests |  |
    | low | slow answers | shop | 2026-03-04T07:24:00Z | 2026-03-04T07:30:00Z | latency\_p95 6.6 times the usual |  |
    "#);
    // The same again is nothing new.
    let said = job.run(&["--set", "incidents.bridge=9m"]);
    assert!(said.contains("\nwindows: none\nscores: none\n"), "{said}");
    assert!(said.contains("\nnew incidents: none\n"), "{said}");
    let runs = job.work.succeed(&[
        "sql", "--format", "csv",
        "SELECT scored_dates, incident_dates, incidents > 0 AS has_new, high_incidents FROM runs ORDER BY logs_read DESC, started_at",
    ]);
    insta::assert_snapshot!(runs, @"
    scored_dates,incident_dates,has_new,high_incidents
    2,2,true,1
    1,1,true,3
    0,3,false,0
    ");
}

#[test]
fn nothing_new_ends_at_once() {
    let job = Job::new(2);
    job.in_one_go();
    let before = job.work.files("warehouse");
    insta::assert_snapshot!(job.run(&[]), @"
    --- stderr
    nothing new: 4 logs found, all known, and every table is up to date
    ");
    assert!(
        job.work.files("warehouse") == before,
        "something was written"
    );

    // A file that was taken away is made again.
    let scores = job.work.path().join("warehouse/scored_windows");
    let file = crate::files(&scores).into_keys().next().unwrap();
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    job.succeed();
    assert!(fs::read(&file).unwrap() == bytes);
}

#[test]
fn a_night_rebuilds_no_date_that_it_does_not_touch() {
    let job = Job::new(3);
    let all = job.all();
    job.deliver(&all[..4]);
    let said = job.run(&["--json"]);
    let first: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        first["windows_built"],
        serde_json::json!(["2026-03-02", "2026-03-03"])
    );
    job.deliver(&all[4..]);
    let said = job.run(&["--json"]);
    let second: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(second["logs_read"], 2, "{said}");
    assert!(
        !second["windows_built"]
            .as_array()
            .unwrap()
            .contains(&"2026-03-02".into()),
        "{said}"
    );
    assert!(
        !second["dates_scored"]
            .as_array()
            .unwrap()
            .contains(&"2026-03-02".into()),
        "{said}"
    );
    let incidents = second["incidents_built"].as_array().unwrap();
    assert!(incidents.contains(&"2026-03-04".into()), "{said}");
    assert!(!incidents.contains(&"2026-03-02".into()), "{said}");
    let runs = job.work.succeed(&[
        "sql", "--format", "csv",
        "SELECT outcome, logs_found, logs_read, windows_dates > 0 AS built FROM runs ORDER BY started_at, logs_found",
    ]);
    insta::assert_snapshot!(runs, @"
    outcome,logs_found,logs_read,built
    success,4,4,true
    success,6,2,true
    ");
}

#[test]
fn a_crash_at_any_commit_is_made_good_by_the_next_run() {
    let job = Job::new(2);
    job.flood(1_440 + 1_200, 20);
    let expected = job.in_one_go();
    for table in ["incidents", "incident_causes"] {
        let path = Path::new("warehouse").join(table);
        assert!(
            expected.keys().any(|file| file.starts_with(&path)),
            "no {table}"
        );
    }
    let mut crashes = 0;
    loop {
        job.clear();
        job.deliver(&job.all());
        let mut command = job.work.command(&["run"]);
        let ended = command.env(CRASH, crashes.to_string()).output().unwrap();
        if ended.status.success() {
            break;
        }
        assert_eq!(
            ended.status.code(),
            None,
            "it ended by itself after {crashes} changes"
        );
        // What a reader finds meanwhile can be read.
        job.work
            .succeed(&["sql", "SELECT sum(requests) FROM traffic_windows"]);
        job.succeed();
        job.expect(&expected, &format!("after a crash at change {crashes}"));
        let left = job.work.files("warehouse/.staging");
        assert!(
            left.is_empty(),
            "left after a crash at change {crashes}: {:?}",
            left.keys()
        );
        crashes += 1;
    }
    assert!(crashes > 15, "only {crashes} changes");
}

#[test]
fn a_kill_at_any_time_is_made_good_by_the_next_run() {
    let job = Job::new(2);
    job.flood(1_440 + 1_200, 20);
    let expected = job.in_one_go();
    // Times that spread over a run, whatever it takes.
    let started = std::time::Instant::now();
    job.in_one_go();
    let run = started.elapsed();
    for part in 1..8 {
        job.clear();
        job.deliver(&job.all());
        let mut child = job.work.command(&["run", "--quiet"]).spawn().unwrap();
        std::thread::sleep(run * part / 8);
        child.kill().unwrap();
        child.wait().unwrap();
        job.succeed();
        job.expect(&expected, &format!("killed after {part} eighths of a run"));
    }
}

#[test]
fn a_full_disk_fails_the_run_and_not_the_next() {
    let job = Job::new(2);
    let expected = job.in_one_go();
    job.clear();
    job.deliver(&job.all());
    // Files of more than some KiB cannot be written: as a full disk, an error of `write`.
    let exe = env!("CARGO_BIN_EXE_anomalog");
    let script = format!("trap '' XFSZ; ulimit -f 24; exec {exe} run");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(job.work.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write"), "{said}");
    job.succeed();
    job.expect(&expected, "after a full disk");
}

#[test]
fn a_second_run_waits_or_says_who_is_at_work() {
    let job = Job::new(2);
    let expected = job.in_one_go();
    job.clear();
    job.deliver(&job.all());
    let mut first = job.work.command(&["run", "--quiet"]).spawn().unwrap();
    let lock = job.work.path().join("warehouse/.lock");
    while !fs::read_to_string(&lock).is_ok_and(|text| text.contains("anomalog run")) {
        assert!(first.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::sleep(Duration::from_millis(1));
    }
    let said = job.run(&[]);
    assert!(
        said.contains("error: the warehouse `warehouse` is in use by `anomalog run` (process "),
        "{said}"
    );
    assert!(
        said.contains("hint: try again when that has ended, or wait for it with `--wait`"),
        "{said}"
    );
    assert!(said.contains("--- exit 4"), "{said}");
    let said = job.run(&["--wait"]);
    assert!(said.contains("nothing new"), "{said}");
    assert!(first.wait().unwrap().success());
    job.expect(&expected, "two at once");
}

#[test]
fn a_log_that_grows_is_replaced() {
    let job = Job::new(2);
    let expected = job.in_one_go();
    // Half a day of plain text, then the whole.
    let log = job.all().into_iter().next_back().unwrap();
    let plain = |bytes: &[u8]| -> Vec<u8> {
        if log.extension().is_some_and(|ending| ending == "zst") {
            zstd::decode_all(bytes).unwrap()
        } else {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text)
                .unwrap();
            text
        }
    };
    let text = plain(&fs::read(job.work.path().join("all/logs").join(&log)).unwrap());
    let half = text[..text.len() / 2]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .unwrap()
        + 1;
    let place = job.work.path().join("logs").join(&log).with_extension("");
    let in_one_go = |text: &[u8]| {
        job.clear();
        job.deliver(&job.all()[..3]);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, text).unwrap();
        job.succeed();
        job.tables()
    };
    let whole = in_one_go(&text);
    in_one_go(&text[..half]);
    fs::write(&place, &text).unwrap();
    let said = job.run(&[]);
    assert!(
        said.contains("has grown: what was read of it before is replaced"),
        "{said}"
    );
    job.expect(&whole, "a log that grew");

    // It is cut short, and then compressed as it is.
    fs::write(&place, &text[..half]).unwrap();
    let said = job.run(&[]);
    assert!(
        said.contains("is shorter than it was: what was read of it before is replaced"),
        "{said}"
    );
    let short = job.tables();
    fs::write(
        place.with_extension("log.zst"),
        zstd::encode_all(&text[..half], 3).unwrap(),
    )
    .unwrap();
    fs::remove_file(&place).unwrap();
    let said = job.run(&[]);
    assert!(
        said.contains("nothing new") || !said.contains("is replaced"),
        "{said}"
    );
    job.expect(&short, "a log that was compressed");

    // A log that is taken away leaves its rows.
    fs::remove_dir_all(job.work.path().join("logs")).unwrap();
    fs::create_dir(job.work.path().join("logs")).unwrap();
    job.succeed();
    job.expect(&short, "logs that were taken away");
    assert!(expected != short);
}

#[test]
fn times_beyond_the_limits_are_quarantined() {
    let job = Job::new(1);
    job.deliver(&job.all());
    job.work.write(
        "logs/clock.log",
        "1.2.3.4 - - [02/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1\n\
         1.2.3.4 - - [02/Mar/1999:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1\n\
         1.2.3.4 - - [02/Mar/2098:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1\n",
    );
    job.succeed();
    insta::assert_snapshot!(
        job.work.succeed(&["sql", "--format", "csv", "SELECT line_number, reason FROM quarantine ORDER BY line_number"]),
        @"
    line_number,reason
    2,timestamp beyond the limits
    3,timestamp beyond the limits
    "
    );
    let dates = fs::read_dir(job.work.path().join("warehouse/traffic_windows")).unwrap();
    assert_eq!(dates.count(), 2, "one date and the settings");
}

#[test]
fn what_cannot_be_read_does_not_end_the_night() {
    let job = Job::new(1);
    job.deliver(&job.all());
    job.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"gone\", \"logs\", \"none-*.log\"]\n",
    );
    job.work.write(
        "logs/cut.log.gz",
        [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3],
    );
    let said = job.run(&[]);
    assert!(
        said.contains("warning: `gone`: no such file or folder"),
        "{said}"
    );
    assert!(
        said.contains("warning: `none-*.log`: no such file or folder"),
        "{said}"
    );
    assert!(said.contains("cut.log.gz"), "{said}");
    assert!(said.contains("2 of 3 logs are new"), "{said}");
    assert!(said.contains("--- exit 3"), "{said}");
    // The night is done, and the next tells again of what is missing.
    let said = job.run(&[]);
    assert!(
        said.contains("nothing new") && said.contains("--- exit 3"),
        "{said}"
    );
}

#[test]
fn a_job_file_is_checked_and_so_is_the_warehouse() {
    let job = Job::new(1);
    job.deliver(&job.all());
    insta::assert_snapshot!(job.run(&["--check"]), @"
    `job.toml` is in order
    logs: 2 found, 2 of them new
    detector: pretrained-gru@2
    windows to build: none, besides those of the new logs
    scores to build: none, besides those of the new logs
    incidents to build: none, besides those of the new logs
    ");
    assert!(
        !job.work.path().join("warehouse").exists(),
        "a check writes nothing"
    );
    job.succeed();
    insta::assert_snapshot!(job.run(&["--check", "--set", "windows.step=5m"]), @"
    `job.toml` is in order
    logs: 2 found, 0 of them new
    detector: pretrained-gru@2
    windows to build: 1 date, 2026-03-02
    scores to build: 1 date, 2026-03-02
    incidents to build: 1 date, 2026-03-02
    ");
    insta::assert_snapshot!(job.run(&["--check", "--set", "incidents.min_length=5m"]), @"
    `job.toml` is in order
    logs: 2 found, 0 of them new
    detector: pretrained-gru@2
    windows to build: none
    scores to build: none
    incidents to build: 1 date, 2026-03-02
    ");
    job.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\n[windows]\nstep = \"7m\"\n",
    );
    insta::assert_snapshot!(job.run(&["--check"]), @r#"
    --- stderr
    error: `job.toml` line 4, `step = "7m"`: a step must divide a day evenly, such as `30s`, `1m`, `5m`, `1h` or `1d`
    --- exit 1
    "#);
    job.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\n[windows]\ntime_zone = \"Berlin\"\n",
    );
    insta::assert_snapshot!(job.run(&["--check"]), @r#"
    --- stderr
    error: `job.toml` line 4, `time_zone = "Berlin"`: no time zone `Berlin` is known: did you mean `Europe/Berlin`?
    --- exit 1
    "#);
    insta::assert_snapshot!(job.run(&["--job", "other.toml"]), @"
    --- stderr
    error: cannot read the job file `other.toml`: No such file or directory (os error 2)
    hint: write one with `anomalog init --logs PATH`, or name another with `--job FILE`
    --- exit 1
    ");
    job.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\n[scores]\ndetector = \"mine\"\n",
    );
    insta::assert_snapshot!(job.run(&["--check"]), @"
    --- stderr
    error: there is no detector `mine`; there are shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    job.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\n[scores]\nmetrics = [\"hits\"]\n",
    );
    insta::assert_snapshot!(job.run(&["--check"]), @r#"
    --- stderr
    error: `warehouse/traffic_windows` has no numeric column `hits`, only `bytes`, `client_errors`, `latency_p50`, `latency_p95`, `requests`, `server_errors`, `unique_clients`
    hint: choose metrics with `metrics` in the section `[scores]` of the job file, or with `--set 'scores.metrics=["requests"]'`
    --- exit 1
    "#);
}

/// The second night is that in which clocks change in Berlin.
#[test]
fn series_of_two_zones_are_the_same_bytes_however_the_nights_come() {
    let job = Job::starting("2026-03-28", 4);
    let in_utc = job.in_one_go();
    let zones = |windows: &str| {
        let text = format!("[[logs]]\npaths = [\"logs\"]\n[windows]\n{windows}");
        job.work.write("job.toml", &text);
    };
    zones("time_zone = \"Europe/Berlin\"\n[windows.time_zones]\nblog = \"America/New_York\"\n");
    let expected = job.in_one_go();
    let scores = |tables: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<Vec<u8>> {
        let files = tables.iter();
        let files = files.filter(|(path, _)| path.starts_with("warehouse/scored_windows"));
        files.map(|(_, bytes)| bytes.clone()).collect()
    };
    assert_eq!(scores(&expected).len(), 4);
    assert_ne!(scores(&expected), scores(&in_utc));

    let all = job.all();
    job.clear();
    for night in all.chunks(2) {
        job.deliver(night);
        job.succeed();
    }
    job.expect(&expected, "night by night");

    // Moved to UTC, all dates are scored again, and nothing else is built.
    zones("time_zone = \"Etc/UTC\"\n");
    let said = job.run(&["--json"]);
    let moved: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(moved["windows_built"], serde_json::json!([]), "{said}");
    assert_eq!(moved["dates_scored"].as_array().unwrap().len(), 4, "{said}");
    job.expect(&in_utc, "moved to UTC");
}

#[test]
fn a_changed_setting_builds_anew_what_depends_on_it() {
    let job = Job::new(2);
    let expected = job.in_one_go();
    let said = job.run(&["--json", "--set", "scores.alarms_per_week=20.0"]);
    let changed: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(changed["windows_built"], serde_json::json!([]), "{said}");
    assert_eq!(
        changed["dates_scored"].as_array().unwrap().len(),
        2,
        "{said}"
    );
    assert!(job.tables() != expected);
    job.work.succeed(&["run", "--set", "windows.step=5m"]);
    let rows = job.work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT count(*) FROM traffic_windows",
    ]);
    assert_eq!(rows.lines().next_back(), Some("1152"));
    job.succeed();
    job.expect(&expected, "with the first settings again");
}

#[test]
fn a_warehouse_that_cannot_be_written_is_told() {
    let job = Job::new(1);
    job.deliver(&job.all());
    // A file where the folder should be: root may write anywhere else.
    job.work.write("warehouse", "");
    let said = job.run(&[]);
    assert!(said.contains("error: cannot write `warehouse`"), "{said}");
    assert!(said.contains("--- exit 1"), "{said}");
}

#[test]
fn a_warehouse_that_may_only_be_read_is_told_and_stays() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let job = Job::new(2);
    let all = job.all();
    job.deliver(&all[..2]);
    job.succeed();
    job.deliver(&all[2..]);
    let before = job.work.files("warehouse");
    let allow = |folders: u32| {
        let mut paths = vec![
            job.work.path().to_owned(),
            job.work.path().join("warehouse"),
        ];
        while let Some(path) = paths.pop() {
            fs::set_permissions(&path, fs::Permissions::from_mode(folders)).unwrap();
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap());
            let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
            paths.extend(folders.map(|entry| entry.path()));
        }
    };
    allow(0o555);
    // Who may do everything is not asked whether they may write.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let program = tempfile::tempdir().unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut run = job.work.command(&["run"]);
    if is_root {
        let copy = program.path().join("anomalog");
        let original = Path::new(env!("CARGO_BIN_EXE_anomalog"));
        if fs::hard_link(original, &copy).is_err() {
            fs::copy(original, &copy).unwrap();
        }
        run = std::process::Command::new(copy);
        run.arg("run")
            .current_dir(job.work.path())
            .env_remove("ANOMALOG_WAREHOUSE")
            .uid(65_534)
            .gid(65_534);
    }
    let output = run.output().unwrap();
    allow(0o755);
    let said = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(said, @"
    error: cannot write `warehouse/.lock`: Permission denied (os error 13)
    hint: check that the folder can be written and has space: nothing is lost, the next run goes on from here
    ");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        job.work.files("warehouse") == before,
        "something was written"
    );
    job.succeed();
}

#[test]
fn init_writes_a_job_that_runs() {
    let job = Job::new(1);
    job.deliver(&job.all());
    fs::remove_file(job.work.path().join("job.toml")).unwrap();
    insta::assert_snapshot!(job.work.run(&["init", "--logs", "logs"]), @"
    --- stderr
    wrote `job.toml`: read it, then try `anomalog run --job job.toml --check`
    ");
    job.succeed();
    insta::assert_snapshot!(job.work.run(&["init", "--logs", "logs"]), @"
    --- stderr
    error: the job file `job.toml` is there already
    hint: name another with `--job FILE`, or remove it first
    --- exit 1
    ");
}

#[test]
fn parquet_logs_are_linked_and_forgotten() {
    let job = Job::new(2);
    job.in_one_go();
    for (name, dates) in [("a", "= '2026-03-02'"), ("b", "> '2026-03-02'")] {
        let query = format!(
            "SELECT timestamp AS ts, client_ip, path, status AS code, bytes, latency_ms FROM access_logs \
             WHERE site = 'shop' AND date {dates} ORDER BY timestamp"
        );
        job.work.query_to(&format!("{name}.parquet"), &query);
    }
    fs::rename(
        job.work.path().join("b.parquet"),
        job.work.path().join("later"),
    )
    .unwrap();
    job.clear();
    job.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"*.parquet\"]\nformat = \"parquet\"\nsite = \"shop\"\n\
         columns = { timestamp = \"ts\", status = \"code\" }\n",
    );
    job.succeed();
    fs::rename(
        job.work.path().join("later"),
        job.work.path().join("b.parquet"),
    )
    .unwrap();
    let said = job.run(&[]);
    assert!(
        said.contains("0 of 0 logs are new, with 0 requests, 0 lines rejected; 2 logs are linked"),
        "{said}"
    );
    let night_by_night = job.tables();
    job.clear();
    job.succeed();
    job.expect(&night_by_night, "in one go");
    assert!(job.run(&[]).contains("nothing new"));

    fs::remove_file(job.work.path().join("a.parquet")).unwrap();
    let said = job.run(&[]);
    assert!(
        said.contains("the linked source is gone, and its requests with it"),
        "{said}"
    );
    assert!(
        said.contains("2 partitions removed, since there are no logs of their dates any more"),
        "{said}"
    );
    assert!(said.contains("--- exit 3"), "{said}");
    assert!(job.run(&[]).contains("nothing new"));
}
