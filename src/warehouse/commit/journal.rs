//! The journal of a commit: what is about to happen.

use serde::{Deserialize, Serialize};

use super::error::CommitError;

/// Where the journal lies while a commit is under way.
pub(super) const JOURNAL: &str = ".staging/journal.json";

/// Files that take and lose names in one commit. The last move is that of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub(super) moves: Vec<Move>,
    pub(super) deletions: Vec<String>,
}

/// A file takes another name, both from the root of the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
}

impl Journal {
    pub(super) fn to_json(&self) -> Result<Vec<u8>, CommitError> {
        serde_json::to_vec(self).map_err(damaged)
    }

    pub(super) fn from_json(text: &[u8]) -> Result<Self, CommitError> {
        serde_json::from_slice(text).map_err(damaged)
    }
}

fn damaged(source: serde_json::Error) -> CommitError {
    CommitError::Damaged {
        path: JOURNAL.into(),
        source,
    }
}
