//! What every command is told: the global options, resolved.

use std::path::PathBuf;

use anomalog_udfs::enrich::EnrichmentFiles;

use super::error::Result;
use crate::cli::printer::Printer;
use crate::cli::{Command, GlobalArgs};
use crate::session::{Session, SessionOptions};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Wait, Writer};

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
    pub(super) fn resolve(global: GlobalArgs, command: &Command) -> Self {
        let warehouse = global
            .warehouse
            .unwrap_or_else(|| default_warehouse(command));
        Self {
            warehouse: Warehouse::new(warehouse),
            session: SessionOptions {
                memory_limit: global.memory_limit,
                threads: global.threads,
                enrichment: EnrichmentFiles {
                    user_agents: global.user_agents,
                    path_groups: global.path_groups,
                    countries: global.country_database,
                    asns: global.asn_database,
                },
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

    /// Opens the warehouse, and warns of linked files that are left out.
    ///
    /// # Errors
    /// When a link or the settings of the windows are damaged.
    pub async fn open(&self) -> Result<Session> {
        let session = self.open_quietly().await?;
        for file in session.left_out() {
            let (path, message) = (file.path.display(), file.message());
            self.printer.warning(format_args!("`{path}` {message}"));
        }
        Ok(session)
    }

    /// Opens the warehouse, and leaves it to the caller to say which linked files are left out.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_quietly(&self) -> Result<Session> {
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
