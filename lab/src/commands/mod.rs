//! One module per subcommand: from arguments to calls.

mod pretrain;
mod study;

use anomalog::cli::printer::Printer;
use anomalog::error::Error as ProgramError;

use crate::cli::{Cli, Command};
use crate::error::Result;

/// Runs the command that was asked for.
///
/// # Errors
/// What went wrong in it.
pub(crate) fn run_to_end(cli: Cli) -> Result<()> {
    let printer = Printer::new(cli.json, cli.quiet);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .enable_all()
        .build()
        .map_err(ProgramError::Runtime)?;
    runtime.block_on(async {
        match cli.command {
            Command::Study(args) => study::run(printer, args).await,
            Command::Pretrain(args) => pretrain::run(printer, args),
        }
    })
}
