//! One module per subcommand: from arguments to settings, and from settings to calls. What a
//! command computes lives elsewhere.

pub mod demo;
pub mod detectors;

pub mod error;
pub mod evaluate;
pub mod export;
pub mod incidents;
pub mod ingest;
pub mod init;
pub mod links;
pub mod packages;
pub mod report;
pub mod run;
pub mod score;
mod settings;
mod shell;
pub mod simulate;
pub mod sql;
mod statements;
mod threads;
pub mod train;
pub mod try_logs;
pub mod windows;
mod windows_input;

pub use settings::Settings;

use crate::cli::{Cli, Command, TimeArgs};
use crate::explain::ExitStatus;
use crate::units::rfc_3339;
use error::{Fault, Result};
use threads::runtime;

/// Runs a command on threads of its own until it ends.
///
/// Here and not in `main`: an `async` function is compiled by the crate that waits for it.
///
/// # Errors
/// What went wrong in it.
pub fn run_to_end(cli: Cli) -> Result<ExitStatus> {
    let runtime = runtime(cli.global.threads)?;
    let ended = runtime.block_on(run(cli));
    // A statement that was stopped may not have noticed yet.
    runtime.shutdown_background();
    ended
}

/// Refuses a range of time that ends before it begins.
fn check_range(command: &Command) -> Result<()> {
    let Some(TimeArgs {
        since: Some(since),
        until: Some(until),
    }) = command.time()
    else {
        return Ok(());
    };
    if since < until {
        return Ok(());
    }
    let [since, until] = [since, until].map(|time| rfc_3339(time.timestamp_micros()));
    Err(Fault::EmptyRange { since, until }.into())
}

/// Runs the command that was asked for.
///
/// # Errors
/// What went wrong in it.
async fn run(cli: Cli) -> Result<ExitStatus> {
    check_range(&cli.command)?;
    let settings = Settings::resolve(cli.global, &cli.command)?;
    match cli.command {
        Command::Run(args) => return run::run(&settings, &args).await,
        Command::Init(args) => init::run(&settings, &args),
        Command::Try(args) => return try_logs::run(&settings, args).await,
        Command::Ingest(args) => return ingest::run(&settings, args).await,
        Command::Windows(args) => windows::run(&settings, args).await,
        Command::Train(args) => train::run(&settings, args).await,
        Command::Score(args) => score::run(&settings, args).await,
        Command::Incidents(args) => incidents::run(&settings, args).await,
        Command::Report(args) => report::run(&settings, args).await,
        Command::Export(args) => export::run(&settings, &args).await,
        Command::Sql(args) => sql::run(&settings, args).await,
        Command::Detectors(args) => detectors::run(&settings, args).await,
        Command::Simulate(args) => simulate::run(&settings, args),
        Command::Evaluate(args) => evaluate::run(&settings, args).await,
        Command::Demo => demo::run(&settings).await,
        Command::Completions { shell } => packages::completions(&settings, shell),
        Command::Man { output } => packages::man(&settings, &output),
    }?;
    Ok(ExitStatus::Success)
}
