//! Why a report cannot be made.

use std::borrow::Cow;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use plotters::drawing::DrawingAreaErrorKind;

use crate::explain::{Explain, FileError, through};
use crate::{incidents, session, warehouse};

/// The result of what makes a report.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Incidents cannot be read.
    #[error(transparent)]
    Incidents(#[from] incidents::Error),
    /// A table cannot be read.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// Series that are asked for and are not there.
    #[error("no series `{asked}` was scored, only {found}")]
    NoSeries {
        /// The one asked for.
        asked: String,
        /// Those that are there.
        found: String,
    },
    /// No incident has the id, or more than one.
    #[error("{} an id that begins with `{asked}`", have(*found))]
    NoIncident {
        /// What was asked for.
        asked: String,
        /// How many there are.
        found: usize,
    },
    /// A picture cannot be drawn.
    #[error("a picture cannot be drawn: {0}")]
    Drawing(String),
    /// The page cannot be filled in.
    #[error("the page cannot be filled in")]
    Page(#[from] askama::Error),
}

through!(Error, session::Error: warehouse::Error, FileError, ArrowError, DataFusionError);

fn have(incidents: usize) -> String {
    match incidents {
        0 => "no incident has".to_owned(),
        incidents => format!("{incidents} incidents have"),
    }
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for Error {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Drawing(error.to_string())
    }
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Incidents(error) => Some(error),
            Self::Session(error) => Some(error),
            _ => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoIncident { found: 0, .. } => {
                Some("`anomalog incidents --all` lists them with their ids".into())
            }
            Self::NoIncident { .. } => Some("give more digits of it".into()),
            Self::NoSeries { .. } => {
                Some("series are named as the column `site` of `scored_windows` does".into())
            }
            _ => self.inner().and_then(Explain::hint),
        }
    }
}
