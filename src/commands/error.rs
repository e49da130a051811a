//! Why a command fails: any error of the rooms below, or a fault of what it was asked for.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use anomalog_engine::detector::DetectorError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::cli::printer::OutputError;
use crate::explain::{ExitStatus, Explain};
use crate::session::QueryError;
use crate::warehouse;

/// The result of everything that a command does.
pub type Result<T, E = CommandError> = std::result::Result<T, E>;

/// Why a command fails: whatever error it met, as it is.
pub struct CommandError(Box<dyn Explain>);

impl CommandError {
    /// The error itself, to be told.
    #[must_use]
    pub fn explain(&self) -> &dyn Explain {
        &*self.0
    }

    /// How the command ends.
    #[must_use]
    pub fn exit_status(&self) -> ExitStatus {
        self.0.status()
    }

    /// Whether the reader of standard output went away, as `head` does: no failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        let error: &(dyn Error + 'static) = &*self.0;
        error
            .downcast_ref::<OutputError>()
            .is_some_and(OutputError::is_broken_pipe)
    }
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<E: Explain> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl From<DataFusionError> for CommandError {
    fn from(error: DataFusionError) -> Self {
        QueryError::from(error).into()
    }
}

impl From<ArrowError> for CommandError {
    fn from(error: ArrowError) -> Self {
        warehouse::Error::from(error).into()
    }
}

/// What a command was asked for and cannot do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A statement that would define or change a table.
    #[error("`anomalog sql` only reads, and does not run `{statement}`")]
    ReadOnly {
        /// The statement, shortened.
        statement: String,
    },
    /// More results than a format can hold.
    #[error("this format holds the result of one statement, and the query has {statements}")]
    ManyResults {
        /// How many statements give a result.
        statements: usize,
    },
    /// A range of time that ends before it begins.
    #[error("the range from {since} to {until} holds no time")]
    EmptyRange {
        /// The first moment.
        since: String,
        /// The first after it.
        until: String,
    },
    /// A query without any statement.
    #[error("the query is empty")]
    EmptyQuery,
    /// Parquet was asked for without a file to put it in.
    #[error("a Parquet result needs a file")]
    ParquetToTerminal,
    /// Windows of the user's were scored without a place for the result.
    #[error("scores of `--windows` need a file to go to")]
    NoScoreOutput,
    /// A job file that would be written over.
    #[error("the job file `{}` is there already", .path.display())]
    JobExists {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no page of ours, where the page is to go.
    #[error("`{}` is there already, and no page that anomalog wrote", .path.display())]
    NotAReport {
        /// The file.
        path: PathBuf,
    },
    /// Logs that fill no window.
    #[error("the logs fill no window from its first moment to its last")]
    NoWindow,
    /// A column of a type that does not do.
    #[error("column `{column}` of `{}` must be {expected}, found {found}", .path.display())]
    ColumnType {
        /// The file or folder.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it must be.
        expected: &'static str,
        /// Its type.
        found: String,
    },
    /// A delimiter that is no single byte.
    #[error("`--delimiter` must be one ASCII character, found `{found}`")]
    Delimiter {
        /// What was given.
        found: char,
    },
    /// Detectors that were verified are not whole.
    #[error("{damaged} of {of} detectors that were verified cannot be used")]
    DamagedDetectors {
        /// How many.
        damaged: usize,
        /// Of how many.
        of: usize,
    },
    /// The terminal of the shell.
    #[error("cannot read from the terminal")]
    Terminal(#[source] io::Error),
    /// The threads that a command works with.
    #[error("cannot start worker threads")]
    Runtime(#[source] io::Error),
}

impl Explain for Fault {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let hint = match self {
            Self::ReadOnly { .. } => "write a result to a file with `-o FILE`",
            Self::ManyResults { .. } => "run the statements one by one, or use `--format table`",
            Self::ParquetToTerminal | Self::NoScoreOutput => "name one with `-o FILE`",
            Self::EmptyRange { .. } => "`--since` must lie before `--until`",
            Self::DamagedDetectors { .. } => {
                "restore their folders from a copy, or train them again"
            }
            Self::JobExists { .. } => "name another with `--job FILE`, or remove it first",
            Self::NoWindow => "try logs of a longer time, or a shorter `--step`",
            Self::NotAReport { .. } => "name another file with `-o FILE`",
            Self::EmptyQuery
            | Self::ColumnType { .. }
            | Self::Delimiter { .. }
            | Self::Terminal(_)
            | Self::Runtime(_) => return None,
        };
        Some(hint.into())
    }
}

/// Options of `anomalog train` that do not go with each other.
#[derive(Debug, thiserror::Error)]
pub enum TrainFault {
    /// Options that do not go together.
    #[error("`{option}` does not go with `--objective {objective}`")]
    ObjectiveMismatch {
        /// The option.
        option: &'static str,
        /// The objective.
        objective: &'static str,
    },
}

impl Explain for TrainFault {
    fn hint(&self) -> Option<Cow<'_, str>> {
        let hint = match self {
            Self::ObjectiveMismatch { objective, .. } if *objective == "gate" => {
                "a gate goes on with the weights of a detector, as it is"
            }
            Self::ObjectiveMismatch { .. } => "labels are what `--objective gate` learns from",
        };
        Some(hint.into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Runtime(error)
    }
}

impl From<Box<DetectorError>> for CommandError {
    fn from(error: Box<DetectorError>) -> Self {
        (*error).into()
    }
}
