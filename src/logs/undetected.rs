//! Why the format of a log cannot be told.

use super::fields::FieldIndex;

/// Why the first lines cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undetected {
    /// No format reads them; with the first one.
    Unknown { line: String },
    /// Named fields, but not all that a request needs.
    Missing {
        missing: Vec<&'static str>,
        found: Vec<String>,
    },
    /// The map names a field that does not occur.
    Unmatched {
        column: &'static str,
        source: String,
        found: Vec<String>,
    },
}

impl Undetected {
    /// The same without what the log has: it may be an address.
    pub(super) fn without_text(mut self) -> Self {
        match &mut self {
            Self::Unknown { line } => "…".clone_into(line),
            Self::Missing { found, .. } | Self::Unmatched { found, .. } => {
                *found = vec!["…".to_owned()];
            }
        }
        self
    }
}

/// No format reads the lines, of which this is the first.
pub(super) fn unknown(line: &str) -> Undetected {
    Undetected::Unknown {
        line: line.chars().take(120).collect(),
    }
}

/// Checks that fields of these names make requests.
pub(super) fn check(names: &[String], index: &FieldIndex) -> Result<(), Undetected> {
    if let Some((column, source)) = index.unmatched(names) {
        let source = source.to_owned();
        return Err(Undetected::Unmatched {
            column,
            source,
            found: names.to_vec(),
        });
    }
    match index.missing(names) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Undetected::Missing {
            missing,
            found: names.to_vec(),
        }),
    }
}
