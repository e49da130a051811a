//! The format of logs as a user says it: on the command line and in a job file.

use clap::ValueEnum;
use serde::Deserialize;

use super::detect::Format;

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// Told from the first lines of each file.
    #[default]
    Auto,
    /// Apache's common log format.
    Common,
    /// Apache's and nginx's combined log format.
    Combined,
    /// One JSON object a line.
    Json,
    /// Tab-separated columns with a header.
    Tsv,
    /// Comma-separated columns with a header.
    Csv,
    /// Parquet, one row per request: linked in place, not copied.
    Parquet,
}

impl LogFormat {
    /// Whether a delimiter says something of such logs: logs of a format that is not said are
    /// delimited if their delimiter is.
    #[must_use]
    pub const fn takes_delimiter(self) -> bool {
        matches!(self, Self::Auto | Self::Tsv | Self::Csv)
    }

    /// The format that lines are read in; `None` where it is to be told from the first lines, or
    /// where there are no lines, as in Parquet.
    #[must_use]
    pub fn of_lines(self, delimiter: Option<u8>) -> Option<Format> {
        match self {
            Self::Common => Some(Format::Common),
            Self::Combined => Some(Format::Combined),
            Self::Json => Some(Format::Json),
            Self::Auto => delimiter.map(|delimiter| Format::Delimited { delimiter }),
            Self::Tsv => Some(Format::Delimited {
                delimiter: delimiter.unwrap_or(b'\t'),
            }),
            Self::Csv => Some(Format::Delimited {
                delimiter: delimiter.unwrap_or(b','),
            }),
            Self::Parquet => None,
        }
    }
}

impl TryFrom<String> for LogFormat {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::from_str(&name, false)
            .map_err(|_| "expected `auto`, `common`, `combined`, `json`, `tsv`, `csv` or `parquet`")
    }
}
