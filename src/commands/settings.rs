//! What every command is told: the global options, resolved.

use std::path::{Path, PathBuf};

use anomalog_udfs::enrich::EnrichmentFiles;

use super::error::Result;
use crate::cli::printer::Printer;
use crate::cli::{Command, GlobalArgs, JOB_FILE, JOB_VARIABLE, WAREHOUSE_VARIABLE};
use crate::job::config::warehouse_of;
use crate::session::{Session, SessionOptions};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{Wait, Writer};

/// The global options, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the tables lie.
    pub warehouse: Warehouse,
    /// Whether the user has said so.
    pub has_warehouse: bool,
    /// What queries may use.
    pub session: SessionOptions,
    /// Whether to wait while another command changes the warehouse.
    pub wait: Wait,
    /// How to write.
    pub printer: Printer,
}

impl Settings {
    /// # Errors
    /// When the job file that says where the warehouse is cannot be read.
    pub(super) fn resolve(global: GlobalArgs, command: &Command) -> Result<Self> {
        let named = match command {
            Command::Try(_) => global.warehouse,
            _ => global.warehouse.or_else(|| variable(WAREHOUSE_VARIABLE)),
        };
        let has_warehouse = named.is_some();
        let warehouse = match named {
            Some(warehouse) => warehouse,
            None => default_warehouse(command)?,
        };
        Ok(Self {
            warehouse: Warehouse::new(warehouse),
            has_warehouse,
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
            printer: Printer::new(global.json, global.quiet)
                .with_messages(global.message_format)
                .with_steps(global.verbose),
        })
    }

    /// The same with another warehouse.
    #[must_use]
    pub fn with_warehouse(&self, root: &Path) -> Self {
        Self {
            warehouse: Warehouse::new(root),
            ..self.clone()
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

/// The warehouse of a command that is told none: that of the job file, if there is one.
fn default_warehouse(command: &Command) -> Result<PathBuf> {
    const NAME: &str = "warehouse";
    let job = match command {
        Command::Demo => return Ok("target/demo".into()),
        // They read no tables, or a job file of their own.
        Command::Run(_) | Command::Init(_) | Command::Simulate(_) | Command::Try(_) => {
            return Ok(NAME.into());
        }
        _ => variable(JOB_VARIABLE),
    };
    Ok(match job {
        Some(file) => warehouse_of(&file)?,
        None if Path::new(JOB_FILE).is_file() => warehouse_of(Path::new(JOB_FILE))?,
        None => NAME.into(),
    })
}

/// The path in a variable of the environment; an empty one is none.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}
