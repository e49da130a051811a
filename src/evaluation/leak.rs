//! What a detector must not learn from: what it is judged by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::collections::LabelledSeries;

/// Why a detector may not learn something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Leak {
    /// The range that is judged.
    #[error(
        "a detector would learn from {rows} rows of `{file}`, of which those after the first \
         {train_points} are judged"
    )]
    Future {
        /// The series.
        file: String,
        /// Rows to learn from.
        rows: usize,
        /// Rows that may be learned from.
        train_points: usize,
    },
    /// The series judged, for weights that must not know it.
    #[error("a detector that must not know `{file}` would learn from it")]
    Known {
        /// The series.
        file: String,
    },
    /// Copies of what is judged, or of a part of it.
    #[error("{}", copies(.pairs))]
    Copies {
        /// All of them.
        pairs: Vec<Copied>,
    },
    /// A stored detector that was trained on what is judged.
    #[error(
        "detector `{detector}` learned from windows before {until}, and `{file}` is judged from {since} on"
    )]
    Stored {
        /// The detector.
        detector: String,
        /// End of what it learned from, RFC 3339.
        until: String,
        /// The series.
        file: String,
        /// Its first window that is judged, RFC 3339.
        since: String,
    },
}

impl Leak {
    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Stored { .. } => {
                "judge a later range with `--since`, or train with `--until` before it"
            }
            Self::Future { .. } | Self::Known { .. } | Self::Copies { .. } => {
                "list each series once, or use `--protocol per-series`, which learns from the \
                 training range of the series judged alone"
            }
        }
    }
}

/// A history that holds rows on which another series is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The series to learn from.
    pub learned: String,
    /// The series judged.
    pub judged: String,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { learned, judged } = self;
        write!(f, "`{learned}` holds rows on which `{judged}` is judged")
    }
}

fn copies(pairs: &[Copied]) -> String {
    let texts: Vec<String> = pairs.iter().map(Copied::to_string).collect();
    texts.join("; ")
}

/// Pairs of a history and a series judged, by name.
pub(super) fn named(all: &[LabelledSeries], pairs: &[(usize, usize)]) -> Vec<Copied> {
    let name = |series: usize| all[series].file.clone();
    let named = |&(learned, judged): &(usize, usize)| Copied {
        learned: name(learned),
        judged: name(judged),
    };
    pairs.iter().map(named).collect()
}
