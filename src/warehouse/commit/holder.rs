//! Who holds the lock of a warehouse.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Who holds a lock, as far as it said so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What it does, such as `anomalog run`.
    pub purpose: String,
    /// Its process.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// Since when, RFC 3339.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("another process");
        }
        write!(
            f,
            "`{}` (process {} on {}, since {})",
            self.purpose, self.pid, self.host, self.since
        )
    }
}

impl Holder {
    pub(super) fn this(purpose: &str) -> Self {
        Self {
            purpose: purpose.to_owned(),
            pid: std::process::id(),
            host: host(),
            since: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }
}

/// The name of this machine, as Linux tells it, else as the shell does.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}
