//! The `anomalog` command.

use std::process::ExitCode;

use anomalog::cli::Cli;
use anomalog::cli::printer::Printer;
use anomalog::commands;
use anomalog::explain::ExitStatus;
use anomalog::process;
use clap::Parser;

fn main() -> ExitCode {
    #[expect(
        unsafe_code,
        reason = "settings that must be made before there are threads"
    )]
    // SAFETY: this is the first thing that the only thread does.
    unsafe {
        process::prepare();
    }
    let cli = Cli::parse();
    cli.global.color.set();
    let printer =
        Printer::new(cli.global.json, cli.global.quiet).with_messages(cli.global.message_format);
    match commands::run_to_end(cli) {
        Ok(status) => status.into(),
        Err(error) if error.is_broken_pipe() => ExitStatus::Success.into(),
        Err(error) => {
            printer.error(error.explain());
            error.exit_status().into()
        }
    }
}
