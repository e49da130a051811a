//! The range of time that a command is about: one rule for all of them.

use chrono::{DateTime, Utc};
use clap::Args;

use crate::units::{parse_since, parse_until};

/// From when to when.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Range of time")]
pub struct TimeArgs {
    /// From this time on: a date, an RFC 3339 time, `today`, `yesterday`, or how long ago, such as `24h`
    /// or `7d`.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<DateTime<Utc>>,

    /// Until this time, written likewise; a date is a part of the range.
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    pub until: Option<DateTime<Utc>>,
}
