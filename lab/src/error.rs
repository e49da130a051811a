//! What goes wrong in the lab.

use anomalog::evaluation::report::charts::ChartError;

use crate::pretraining::PretrainingError;
use crate::study::LinesError;

/// The result of everything that a command does.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Any failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What the program could not do.
    #[error(transparent)]
    Program(anomalog::error::Error),
    /// Results of a study that cannot be gone on with.
    #[error(transparent)]
    Study(#[from] LinesError),
    /// What shipped detectors are made from is missing.
    #[error(transparent)]
    Pretraining(#[from] PretrainingError),
    /// A chart.
    #[error("cannot draw a chart")]
    Chart(#[source] ChartError),
    /// Tables of a study that has not ended.
    #[error("the study is not complete")]
    Incomplete,
}

impl Error {
    /// What the developer can do about it.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Program(error) => error.hint(),
            Self::Study(error) => error.hint().map(str::to_owned),
            Self::Pretraining(error) => error.hint(),
            Self::Chart(_) | Self::Incomplete => None,
        }
    }

    /// The message with those of its causes, and the hint.
    pub(crate) fn report(&self) -> String {
        let message = match self {
            Self::Program(error) => error.chain(),
            other => anomalog::error::Error::chain_of(other),
        };
        match self.hint() {
            Some(hint) => format!("error: {message}\nhint: {hint}"),
            None => format!("error: {message}"),
        }
    }
}

impl<E: Into<anomalog::error::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Program(error.into())
    }
}
