//! Files that are no logs.

use serde::Serialize;

/// A file that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its path.
    pub file: String,
    /// Why it is no log.
    pub reason: String,
}
