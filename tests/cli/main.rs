//! Tests of the `anomalog` command as a user runs it. Expected output stands in the tests.

mod help;
mod sql;
mod windows;

#![expect(clippy::unwrap_used, reason = "a broken fixture may end the test run")]

use std::fmt::Write as _;
use std::path::Path;
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
        text
    }
}
