//! One module per subcommand: from arguments to calls.

mod gates;
mod nuisances;
mod study;

use anomalog::cli::printer::Printer;
use anomalog::commands::error::{Fault, Result};

use crate::cli::Command;

/// Runs the command that was asked for.
///
/// # Errors
/// What went wrong in it.
pub(crate) fn run_to_end(command: Command, printer: Printer) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().map_err(Fault::Runtime)?;
    runtime.block_on(async {
        match command {
            Command::Study(args) => study::run(printer, args).await,
            Command::Gates(args) => gates::run(printer, args),
            Command::Nuisances(args) => nuisances::run(printer, args),
        }
    })
}
