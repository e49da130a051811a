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
pub mod run;
pub mod score;
pub mod simulate;
pub mod sql;
pub mod train;
pub mod windows;
mod windows_input;

use std::path::PathBuf;

use crate::cli::printer::Printer;
use crate::cli::{Cli, Command, GlobalArgs};
use crate::explain::ExitStatus;
use crate::session::{Session, SessionOptions};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Wait, Writer};
use error::{Fault, Result};

/// The global options, resolved.
#[derive(Debug)]
pub struct Settings {
    /// Where the tables lie.
    pub warehouse: Warehouse,
    /// What queries may use.
    pub session: SessionOptions,
    /// Whether to wait while another command changes the warehouse.
    pub wait: Wait,
    /// How to write.
    pub printer: Printer,
}

impl Settings {
    fn resolve(global: GlobalArgs, command: &Command) -> Self {
        let warehouse = global
            .warehouse
            .unwrap_or_else(|| default_warehouse(command));
        Self {
            warehouse: Warehouse::new(warehouse),
            session: SessionOptions {
                memory_limit: global.memory_limit,
                threads: global.threads,
                ..SessionOptions::default()
            },
            wait: if global.wait { Wait::ForEver } else { Wait::No },
            printer: Printer::new(global.json, global.quiet).with_log(global.log_format),
        }
    }

    /// Takes the right to change the warehouse.
    ///
    /// # Errors
    /// When another command has it and the user does not wait, or the warehouse cannot be written.
    pub async fn writer(&self, purpose: &str) -> Result<Writer> {
        Ok(Writer::open(&self.warehouse, purpose, self.wait).await?)
    }

    /// Opens the warehouse.
    ///
    /// # Errors
    /// When a linked source cannot be read.
    pub async fn open(&self) -> Result<Session> {
        Ok(Session::open(&self.warehouse, &self.session).await?)
    }
}

/// The demo has a warehouse of its own.
fn default_warehouse(command: &Command) -> PathBuf {
    PathBuf::from(match command {
        Command::Demo => "target/demo",
        _ => "warehouse",
    })
}

/// Runs a command on threads of its own until it ends.
///
/// Here and not in `main`: an `async` function is compiled by the crate that waits for it.
///
/// # Errors
/// What went wrong in it.
pub fn run_to_end(cli: Cli) -> Result<ExitStatus> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all();
    if let Some(threads) = cli.global.threads {
        runtime.worker_threads(threads as usize);
    }
    runtime.build().map_err(Fault::Runtime)?.block_on(run(cli))
}

/// Runs the command that was asked for.
///
/// # Errors
/// What went wrong in it.
async fn run(cli: Cli) -> Result<ExitStatus> {
    let has_warehouse = cli.global.warehouse.is_some();
    let settings = Settings::resolve(cli.global, &cli.command);
    match cli.command {
        Command::Run(args) => return run::run(&settings, &args, has_warehouse).await,
        Command::Init(args) => init::run(&settings, &args, has_warehouse),
        Command::Ingest(args) => ingest::run(&settings, args).await,
        Command::Windows(args) => windows::run(&settings, args).await,
        Command::Train(args) => train::run(&settings, args).await,
        Command::Score(args) => score::run(&settings, args).await,
        Command::Incidents(args) => incidents::run(&settings, args).await,
        Command::Export(args) => export::run(&settings, &args).await,
        Command::Sql(args) => sql::run(&settings, args).await,
        Command::Detectors(args) => detectors::run(&settings, args).await,
        Command::Simulate(args) => simulate::run(&settings, args),
        Command::Evaluate(args) => evaluate::run(&settings, args).await,
        Command::Demo => demo::run(&settings).await,
    }?;
    Ok(ExitStatus::Success)
}
