//! The program that is started after a run.
//!
//! It finds the summary of the run as JSON on its standard input, and what a script needs most in its
//! environment. What it writes goes to standard error. It gets so much time and is then killed, and
//! however it ends, the run is what it was.

use std::io::{self, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::job::config::outputs::Program;

/// The time between two looks at whether the program has ended.
const CHECK: Duration = Duration::from_millis(20);

/// Why a hook did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// It cannot be started.
    #[error("the hook `{program}` cannot be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It did not end in time.
    #[error("the hook `{program}` was ended after {}s", .timeout.as_secs())]
    Timeout {
        /// The program.
        program: String,
        /// The time that it had.
        timeout: Duration,
    },
    /// It did not end well.
    #[error("the hook `{program}` ended with {status}")]
    Failed {
        /// The program.
        program: String,
        /// How the program ended.
        status: ExitStatus,
    },
}

/// Starts a program and waits for it.
///
/// # Errors
/// When the program cannot be started, takes too long or fails.
pub(crate) fn run(
    program: &Program,
    timeout: Duration,
    environment: &[(&str, String)],
    input: String,
) -> Result<(), HookError> {
    let name = || program.name.clone();
    let start = |source| HookError::Start {
        program: name(),
        source,
    };
    let mut child = spawn(program, environment).map_err(start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // By itself, since a program need not read, or may read late.
        std::thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
    }
    let started = Instant::now();
    loop {
        match child.try_wait().map_err(start)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                return Err(HookError::Failed {
                    program: name(),
                    status,
                });
            }
            None if started.elapsed() >= timeout => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(HookError::Timeout {
                    program: name(),
                    timeout,
                });
            }
            None => std::thread::sleep(CHECK),
        }
    }
}

fn spawn(program: &Program, environment: &[(&str, String)]) -> io::Result<Child> {
    let mut command = Command::new(&program.name);
    command
        .args(&program.arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::from(io::stderr()));
    command.spawn()
}
