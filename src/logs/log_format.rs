//! The format of logs as a user says it, on the command line and in a job file, and as the first
//! lines tell it.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::line_format::{FormatError, LineFormat};

/// How logs are written, as a user says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// Told from the first lines of each file.
    #[default]
    Auto,
    /// Parquet, one row per request: linked in place, not copied.
    Parquet,
    /// Lines of text.
    Lines(Format),
}

/// The format of a log file of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The common log format.
    Common,
    /// The common log format followed by referer and user agent.
    Combined,
    /// One JSON object per line.
    Json,
    /// Labelled values between tabs.
    Ltsv,
    /// The W3C extended log file format.
    W3c,
    /// A header line, then one record per line.
    Delimited {
        /// The ASCII character between two fields.
        delimiter: u8,
    },
    /// A format with a name or one that a user says.
    Fields(LineFormat),
}

impl Format {
    /// The name, or the text of a format that a user says; every delimiter but the tab makes a
    /// `csv`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Common => "common",
            Self::Combined => "combined",
            Self::Json => "json",
            Self::Ltsv => "ltsv",
            Self::W3c => "w3c",
            Self::Delimited { delimiter: b'\t' } => "tsv",
            Self::Delimited { .. } => "csv",
            Self::Fields(format) => format.name(),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Ok(match text.trim() {
            "common" | "http.server" | "flask" | "werkzeug" => Self::Common,
            "combined" => Self::Combined,
            "json" => Self::Json,
            "ltsv" => Self::Ltsv,
            "w3c" | "iis" | "cloudfront" | "zeek" => Self::W3c,
            "tsv" => Self::Delimited { delimiter: b'\t' },
            "csv" => Self::Delimited { delimiter: b',' },
            _ => Self::Fields(text.parse()?),
        })
    }
}

impl LogFormat {
    /// Whether a delimiter says something of such logs: logs of a format that is not said are
    /// delimited if their delimiter is.
    #[must_use]
    pub const fn takes_delimiter(&self) -> bool {
        matches!(self, Self::Auto | Self::Lines(Format::Delimited { .. }))
    }

    /// The format that lines are read in; `None` where it is to be told from the first lines, or
    /// where there are no lines, as in Parquet.
    #[must_use]
    pub fn of_lines(&self, delimiter: Option<u8>) -> Option<Format> {
        match (self, delimiter) {
            (Self::Auto | Self::Lines(Format::Delimited { .. }), Some(delimiter)) => {
                Some(Format::Delimited { delimiter })
            }
            (Self::Lines(format), _) => Some(format.clone()),
            (Self::Auto | Self::Parquet, _) => None,
        }
    }
}

impl FromStr for LogFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Ok(match text {
            "auto" => Self::Auto,
            "parquet" => Self::Parquet,
            _ => Self::Lines(text.parse()?),
        })
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Parquet => f.pad("parquet"),
            Self::Lines(format) => f.pad(format.name()),
        }
    }
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: FormatError| {
            use crate::explain::Explain;
            let hint = error.hint().unwrap_or_default();
            format!("{error} ({hint})")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in [
            "auto", "parquet", "common", "combined", "json", "ltsv", "w3c", "tsv", "csv", "alb",
            "main",
        ] {
            assert_eq!(name.parse::<LogFormat>().unwrap().to_string(), name);
        }
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
