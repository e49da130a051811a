//! Which field of a log holds which column, as a user says it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::column::LogColumn;
use crate::explain::{Explain, backticked};

/// Says which source field holds a column of `access_logs`, where the field has an unusual name.
///
/// ```
/// use anomalog::logs::FieldMap;
///
/// let map: FieldMap = "timestamp=at, client_ip=peer.address".parse()?;
/// assert_eq!(map.get("client_ip"), Some("peer.address"));
/// assert_eq!(map.get("status"), None);
/// # Ok::<(), anomalog::logs::FieldMapError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldMap {
    /// Each column with its field, in the order given.
    pub(super) entries: Vec<(LogColumn, String)>,
}

impl FieldMap {
    /// The source field of a column, if the map names one.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        let part = LogColumn::named(column)?;
        self.entries
            .iter()
            .find(|(named, _)| *named == part)
            .map(|(_, source)| source.as_str())
    }

    /// Whether the map names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A map of columns to source fields, whose names may hold any characters.
    ///
    /// # Errors
    /// When a column is none of `access_logs`, or a field has no name.
    pub fn from_entries(
        entries: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, FieldMapError> {
        let entries = entries.into_iter().map(|(column, source)| {
            if source.is_empty() {
                let entry = format!("{column}=");
                return Err(FieldMapError::Entry { entry });
            }
            match LogColumn::named(&column) {
                Some(part) => Ok((part, source)),
                None => Err(FieldMapError::Column { column }),
            }
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Columns with their source fields, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|(part, source)| (part.name(), source.as_str()))
    }
}

impl FromStr for FieldMap {
    type Err = FieldMapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut entries: Vec<(LogColumn, String)> = Vec::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (column, source) = entry
                .split_once('=')
                .map(|(column, source)| (column.trim(), source.trim()))
                .filter(|(column, source)| !column.is_empty() && !source.is_empty())
                .ok_or_else(|| FieldMapError::Entry {
                    entry: entry.to_owned(),
                })?;
            let part = LogColumn::named(column).ok_or_else(|| FieldMapError::Column {
                column: column.to_owned(),
            })?;
            if entries.iter().any(|(named, _)| *named == part) {
                return Err(FieldMapError::Twice {
                    column: column.to_owned(),
                });
            }
            entries.push((part, source.to_owned()));
        }
        Ok(Self { entries })
    }
}

impl fmt::Display for FieldMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (column, source)) in self.iter().enumerate() {
            write!(f, "{}{column}={source}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Why text is no [`FieldMap`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldMapError {
    /// An entry has no `=`, or nothing beside it.
    #[error("expected `column=field` in the column map, found `{entry}`")]
    Entry {
        /// The entry.
        entry: String,
    },
    /// No column has this name.
    #[error("unknown column `{column}` in the column map")]
    Column {
        /// The name.
        column: String,
    },
    /// A column is named by two entries.
    #[error("column `{column}` occurs twice in the column map")]
    Twice {
        /// The name.
        column: String,
    },
}

impl Explain for FieldMapError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Entry { .. } => {
                Some("write it as `--columns timestamp=time,client_ip=host`".into())
            }
            Self::Column { .. } => Some(
                format!(
                    "the columns are {}",
                    backticked(LogColumn::NAMES.map(|(_, name)| name))
                )
                .into(),
            ),
            Self::Twice { .. } => Some("name each column once".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_and_shown() {
        let map: FieldMap = " timestamp = at ,client_ip=peer.ip,".parse().unwrap();
        assert_eq!(map.get("timestamp"), Some("at"));
        assert_eq!(map.get("client_ip"), Some("peer.ip"));
        assert_eq!((map.get("status"), map.get("nonsense")), (None, None));
        assert_eq!(map.to_string(), "timestamp=at,client_ip=peer.ip");
        assert_eq!("".parse(), Ok(FieldMap::default()));
    }

    #[test]
    fn a_wrong_map_says_what_is_wrong() {
        let message = |text: &str| text.parse::<FieldMap>().unwrap_err().to_string();
        assert_eq!(
            message("time"),
            "expected `column=field` in the column map, found `time`"
        );
        assert_eq!(
            message("time="),
            "expected `column=field` in the column map, found `time=`"
        );
        assert_eq!(message("tiem=a"), "unknown column `tiem` in the column map");
        assert_eq!(
            message("path=a,path=b"),
            "column `path` occurs twice in the column map"
        );
        let error = "tiem=a".parse::<FieldMap>().unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("`latency_s`"), "{hint}");
    }
}
