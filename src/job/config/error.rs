//! Why a job file cannot be used.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::explain::Explain;
use crate::logs::PseudonymError;

/// Why a job file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the job file `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is no TOML, or a value not what its key needs.
    #[error("`{}` line {line}, `{text}`: {message}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong with it.
        message: String,
    },
    /// A `--set` is not `key=value`.
    #[error("`--set {text}`: expected `key=value`, such as `windows.step=5m`")]
    NotAnOverride {
        /// What was given.
        text: String,
    },
    /// A `--set` gives a value that its key cannot have, or names no key.
    #[error("`--set {text}`: {message}")]
    Override {
        /// What was given.
        text: String,
        /// What is wrong with it.
        message: String,
    },
    /// There is nothing to read.
    #[error("`{}` names no logs", .path.display())]
    NoLogs {
        /// The file.
        path: PathBuf,
    },
    /// Clients cannot be given pseudonyms.
    #[error(transparent)]
    Pseudonyms(#[from] PseudonymError),
    /// A pattern of paths that is none.
    #[error("`{}`: `{pattern}` is no pattern of paths: {message}", .path.display())]
    Pattern {
        /// The job file.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: &'static str,
    },
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Read { .. } => Some(
                "write one with `anomalog init --logs PATH`, or name another with `--job FILE`"
                    .into(),
            ),
            Self::NoLogs { .. } => {
                Some("add a section `[[logs]]` with `paths = [\"/var/log/nginx\"]`".into())
            }
            Self::Pseudonyms(error) => error.hint(),
            _ => None,
        }
    }
}
