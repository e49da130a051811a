//! `anomalog-lab`: what developers of anomalog do, and its users do not.
//!
//! It depends on the program, which must not depend on it.
//!
//! - [`study`] compares architectures, ways to learn and floors on labelled data, and writes tables
//!   and plots. What follows from them stands in `docs/study.md`, written by people.
//! - [`pretraining`] makes the detectors that are compiled into the program.

mod cli;
mod commands;
mod error;
mod pretraining;
mod study;

use std::io::{self, Write};
use std::process::ExitCode;

use anomalog::process;
use clap::Parser;
use cli::Cli;

fn main() -> ExitCode {
    #[expect(
        unsafe_code,
        reason = "settings that must be made before there are threads"
    )]
    // SAFETY: this is the first thing that the only thread does.
    unsafe {
        // The study says how fast detectors are: they run as in the program.
        process::prepare();
    }
    match commands::run_to_end(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere to report a failure of that.
            let _ = writeln!(io::stderr().lock(), "{}", error.report());
            ExitCode::FAILURE
        }
    }
}
