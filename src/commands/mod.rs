//! One module per subcommand: from arguments to settings, and from settings to calls. What a
//! command computes lives elsewhere.

pub mod sql;
pub mod windows;

use crate::cli::{Cli, Command, GlobalArgs};
use crate::error::{Error, Result};
use crate::printer::Printer;
use crate::session::{Session, SessionOptions};
use crate::warehouse::Warehouse;

/// The global options, resolved.
#[derive(Debug)]
pub struct Settings {
    /// Where the tables lie.
    pub warehouse: Warehouse,
    /// What queries may use.
    pub session: SessionOptions,
    /// How to write.
    pub printer: Printer,
}

impl Settings {
    fn resolve(global: GlobalArgs) -> Self {
        Self {
            warehouse: Warehouse::new(global.warehouse),
            session: SessionOptions {
                memory_limit: global.memory_limit,
                threads: global.threads,
            },
            printer: Printer::new(global.json, global.quiet),
        }
    }

    /// Opens the warehouse.
    ///
    /// # Errors
    /// When a linked source cannot be read.
    pub async fn open(&self) -> Result<Session> {
        Session::open(&self.warehouse, &self.session).await
    }
}

/// Runs the command that was asked for.
///
/// # Errors
/// What went wrong in it.
pub async fn run(cli: Cli) -> Result<()> {
    let settings = Settings::resolve(cli.global);
    match cli.command {
        Command::Windows(args) => windows::run(&settings, args).await,
        Command::Sql(args) => sql::run(&settings, args).await,
        Command::Ingest(_) => Err(Error::Unavailable("ingest")),
        Command::Train(_) => Err(Error::Unavailable("train")),
        Command::Score(_) => Err(Error::Unavailable("score")),
        Command::Detectors(_) => Err(Error::Unavailable("detectors")),
        Command::Simulate(_) => Err(Error::Unavailable("simulate")),
        Command::Demo(_) => Err(Error::Unavailable("demo")),
    }
}
