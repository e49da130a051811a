//! `anomalog-lab`: what developers of anomalog do, and its users do not.
//!
//! It depends on the program, which must not depend on it.
//!
//! - [`study`] compares architectures, ways to learn and floors on labelled data, and writes tables
//!   and plots. What follows from them stands in `docs/study.md`, written by people.
//! - [`nuisances`] counts false alarms on made-up sites, and the anomalies that are found there.
//! - [`gates`] learn from such sites what is a nuisance, and what is an anomaly: the detectors that are
//!   compiled into the program.

mod cli;
mod commands;
mod controls;
mod gates;
mod nuisances;
mod study;
mod unlisted;

use std::process::ExitCode;

use anomalog::cli::printer::Printer;
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
    let cli = Cli::parse();
    let printer = Printer::new(cli.json, cli.quiet);
    match commands::run_to_end(cli.command, printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(error.explain());
            error.exit_status().into()
        }
    }
}
