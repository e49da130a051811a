//! The `anomalog` command.

use std::process::ExitCode;

use anomalog::cli::Cli;
use anomalog::commands;
use anomalog::error::{Error, ExitStatus};
use anomalog::printer::Printer;
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.global.json, cli.global.quiet);
    match run(cli) {
        Ok(()) => ExitStatus::Success.into(),
        Err(error) if error.is_broken_pipe() => ExitStatus::Success.into(),
        Err(error) => {
            printer.error(&error);
            ExitStatus::Failure.into()
        }
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all();
    if let Some(threads) = cli.global.threads {
        runtime.worker_threads(threads as usize);
    }
    runtime
        .build()
        .map_err(Error::Runtime)?
        .block_on(commands::run(cli))
}
