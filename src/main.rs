//! The `anomalog` command.

use std::process::ExitCode;

use anomalog::cli::Cli;
use anomalog::commands;
use anomalog::error::ExitStatus;
use anomalog::printer::Printer;
use clap::Parser;

/// Training and queries allocate and free large buffers all the time, which the system's allocator
/// gives back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.global.json, cli.global.quiet);
    match commands::run_to_end(cli) {
        Ok(()) => ExitStatus::Success.into(),
        Err(error) if error.is_broken_pipe() => ExitStatus::Success.into(),
        Err(error) => {
            printer.error(&error);
            ExitStatus::Failure.into()
        }
    }
}
