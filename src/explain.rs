//! How errors are told: a message, what to do about it, and the exit status that they lead to.
//!
//! Every room has an enum of its own faults, which wraps those of lower rooms. A wrapped fault keeps
//! its own words: [`Explain::inner`] finds it, and hint and exit status are taken from it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Display, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::errors::ParquetError;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything asked for was done; also when the reader of standard output went away.
    Success = 0,
    /// The data, the query or the machine stood in the way.
    Failure = 1,
    /// The command line was not understood; nothing was done.
    Usage = 2,
    /// `anomalog run` did what it could, but some logs could not be read, or the export not written.
    Partial = 3,
    /// Another command is changing the warehouse; nothing was done.
    InUse = 4,
    /// `anomalog run --fail-on` did all it could, and there are new incidents so severe.
    Incidents = 5,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// An error that a user can do something about.
pub trait Explain: Error + Send + Sync + 'static {
    /// The error that this one only passes on, if any.
    fn inner(&self) -> Option<&dyn Explain> {
        None
    }

    /// What the user can do about it.
    fn hint(&self) -> Option<Cow<'_, str>> {
        self.inner().and_then(Explain::hint)
    }

    /// How a command ends that fails with it.
    fn status(&self) -> ExitStatus {
        self.inner().map_or(ExitStatus::Failure, Explain::status)
    }
}

/// The message of an error and those of its causes, in one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// A file or folder that the system refuses to read, write or remove.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", .path.display())]
pub struct FileError {
    /// What was tried, as a verb: `read`, `write`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl Explain for FileError {}

/// Turns an I/O error on a file into a [`FileError`]: `.map_err(cannot("read", path))`.
pub fn cannot(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError {
        action,
        path: path.to_owned(),
        source,
    }
}

/// A file without a column that is needed.
#[derive(Debug, thiserror::Error)]
#[error("`{}` has no column `{column}`{rest}", .path.display())]
pub struct MissingColumn {
    path: PathBuf,
    column: String,
    /// What follows the column in the message.
    rest: String,
    hint: Option<String>,
}

impl MissingColumn {
    /// The file or folder, and the column.
    #[must_use]
    pub fn of(path: &Path, column: &str) -> Self {
        Self {
            path: path.to_owned(),
            column: column.to_owned(),
            rest: String::new(),
            hint: None,
        }
    }

    /// The same with the columns that are there, after a word that introduces them.
    #[must_use]
    pub fn with_found<T: Display>(
        mut self,
        word: &str,
        found: impl IntoIterator<Item = T>,
    ) -> Self {
        self.rest = format!(", {word} {}", backticked(found));
        self
    }

    /// The same with the column of ours that would be read from it.
    #[must_use]
    pub fn to_read(mut self, ours: &str) -> Self {
        self.rest = format!(" to read `{ours}` from");
        self
    }

    /// The same with what the user can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Explain for MissingColumn {
    fn hint(&self) -> Option<Cow<'_, str>> {
        self.hint.as_deref().map(Cow::Borrowed)
    }
}

/// A table in a file of its own, CSV or Parquet, that cannot be read or does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum TableFileError {
    /// The file cannot be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not CSV.
    #[error("`{}` is no CSV file", .path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ArrowError,
    },
    /// It is not Parquet.
    #[error("`{}` is no Parquet file", .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A column is missing.
    #[error(transparent)]
    MissingColumn(#[from] MissingColumn),
    /// A column has another type.
    #[error("column `{column}` of `{}` is {found}, expected {expected}", .path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: DataType,
        /// The type needed.
        expected: &'static str,
    },
    /// A value that makes no sense.
    #[error("row {row} of `{}`: `{column}` is {found}, expected {expected}", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Its row, from 1, the header not counted.
        row: usize,
        /// The column.
        column: &'static str,
        /// What is there.
        found: String,
        /// What is needed.
        expected: String,
    },
}

impl Explain for TableFileError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::File(error) => Some(error),
            Self::MissingColumn(error) => Some(error),
            Self::Csv { .. } | Self::Parquet { .. } | Self::Type { .. } | Self::Entry { .. } => {
                None
            }
        }
    }
}

/// Names in backticks, one after the other.
#[must_use]
pub fn backticked<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for name in names {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}`{name}`");
    }
    text
}

/// The first of many names, in backticks, and how many more there are.
#[must_use]
pub fn first_backticked(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{}, {more} more", backticked(&names[..SHOWN])),
        _ => backticked(names),
    }
}

/// Lets `?` turn errors of lower rooms into one that wraps them through another:
/// `through!(Error, session::Error: FileError, DataFusionError)`.
macro_rules! through {
    ($error:ty, $room:ty: $($source:ty),+ $(,)?) => {
        $(impl From<$source> for $error {
            fn from(source: $source) -> Self {
                Self::from(<$room>::from(source))
            }
        })+
    };
}
pub(crate) use through;

/// Lets `?` box an error that is large: `boxed!(Error, Query(DataFusionError))`.
macro_rules! boxed {
    ($error:ty, $($variant:ident($source:ty)),+ $(,)?) => {
        $(impl From<$source> for $error {
            fn from(source: $source) -> Self {
                Self::$variant(Box::new(source))
            }
        })+
    };
}
pub(crate) use boxed;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error(transparent)]
        File(#[from] FileError),
        #[error("no place left")]
        Full,
    }

    impl Explain for Outer {
        fn inner(&self) -> Option<&dyn Explain> {
            match self {
                Self::File(error) => Some(error),
                Self::Full => None,
            }
        }

        fn status(&self) -> ExitStatus {
            match self {
                Self::Full => ExitStatus::InUse,
                Self::File(error) => error.status(),
            }
        }
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        let error = Outer::from(cannot("read", Path::new("a.log"))(missing));
        assert_eq!(chain(&error), "cannot read `a.log`: entity not found");
        assert_eq!(error.status(), ExitStatus::Failure);
        assert_eq!(Outer::Full.status(), ExitStatus::InUse);
        assert!(error.hint().is_none() && Outer::Full.hint().is_none());
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<String> = (1..=7).map(|number| format!("n{number}")).collect();
        assert_eq!(backticked(&names[..2]), "`n1`, `n2`");
        assert_eq!(
            first_backticked(&names[..5]),
            "`n1`, `n2`, `n3`, `n4`, `n5`"
        );
        assert_eq!(
            first_backticked(&names),
            "`n1`, `n2`, `n3`, `n4`, `n5`, 2 more"
        );
        assert_eq!(backticked::<&str>([]), "");
    }
}
