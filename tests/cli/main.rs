//! Tests of the `anomalog` command as a user runs it. Expected output stands in the tests.

#![expect(clippy::unwrap_used, reason = "a broken fixture may end the test run")]

mod apache_format;
mod demo;
mod detectors;
mod evaluate;
mod example;
mod export;
mod formats;
mod gate;
mod help;
mod incidents;
mod ingest;
mod parquet;
mod readme;
mod real_logs;
mod report;
mod run;
mod score;
mod shipped;
mod simulate;
mod sql;
mod suppress;
mod train;
mod try_logs;
mod versions;
mod windows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder to run the command in. Its warehouse is `warehouse`, which does not exist at first.
struct Workplace {
    folder: TempDir,
}

impl Workplace {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anomalog"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("ANOMALOG_WAREHOUSE")
            .env_remove("ANOMALOG_JOB")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command and tells all that it said, and how it ended unless well.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        if !errors.is_empty() {
            let _ = write!(text, "--- stderr\n{errors}");
        }
        if !output.status.success() {
            let _ = writeln!(text, "--- exit {}", output.status.code().unwrap());
        }
        // Linked logs are named by their whole path, which is another one each time.
        text.replace(
            self.path().canonicalize().unwrap().to_str().unwrap(),
            "FOLDER",
        )
    }

    /// Runs a command that must succeed, and returns its standard output.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?} failed: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A workplace with `example/logs`: four simulated days of three sites, in which incidents are found.
    fn with_incidents() -> Self {
        let work = Self::new();
        let simulate =
            "simulate -q -o example --days 4 --sites 3 --scale 0.5 --start 2026-03-02 --seed 7";
        work.succeed(&simulate.split(' ').collect::<Vec<_>>());
        work
    }

    /// A workplace with `example/logs`: two simulated days of one site.
    fn with_logs() -> Self {
        let work = Self::new();
        work.succeed(&[
            "simulate",
            "--output",
            "example",
            "--days",
            "2",
            "--sites",
            "1",
            "--scale",
            "0.5",
            "--start",
            "2026-03-02",
        ]);
        work
    }

    /// The same, ingested.
    fn with_windows() -> Self {
        let work = Self::with_logs();
        work.succeed(&["ingest", "example/logs"]);
        work
    }

    /// The same, with the detector `lstm@1`, hardly trained, on `requests`.
    fn with_detector() -> Self {
        let work = Self::with_windows();
        work.succeed(&[
            "train",
            "--arch",
            "lstm",
            "--steps",
            "4",
            "--hidden",
            "8",
            "--until",
            "2026-03-03T18:00:00Z",
        ]);
        work
    }

    /// Writes a file into the workplace.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    /// Writes the result of a query over the warehouse as a Parquet file.
    fn query_to(&self, name: &str, query: &str) {
        self.succeed(&["sql", "--output", name, query]);
    }

    /// Every file below a folder of the workplace, with its content; none if there is no folder.
    fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.path().join(folder))
    }
}

/// Every file below a folder, with its content; none if there is no folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            found.insert(path, content);
        }
    }
    found
}
