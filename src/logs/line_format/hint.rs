//! What to do about a format that is wrong.

use std::borrow::Cow;

use super::error::{FormatError, FormatFault};
use super::known::KNOWN;
use crate::explain::{Explain, backticked};

/// Names of formats that are read in ways of their own.
const OTHERS: [&str; 9] = [
    "auto", "common", "combined", "json", "ltsv", "w3c", "tsv", "csv", "parquet",
];

/// All names of formats, in backticks.
fn all_names() -> String {
    backticked(
        OTHERS
            .into_iter()
            .chain(KNOWN.iter().map(|known| known.name)),
    )
}

impl Explain for FormatError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match &self.fault {
            FormatFault::NoField { .. } => format!(
                "expected the `log_format` of nginx, the `LogFormat` of Apache, or one of {}",
                all_names()
            )
            .into(),
            FormatFault::Unclosed { .. } | FormatFault::Unknown { .. } => {
                "copy the format from the server's configuration, in single quotes; \
                 `haproxy:`, `envoy:`, `tomcat:`, `nginx:` or `apache:` in front says whose it is"
                    .into()
            }
            FormatFault::Time { .. } => {
                "use `%t`, or a pattern with day, month, year and time of day".into()
            }
            FormatFault::Unit { .. } => {
                "write `%{ms}T` or `%{us}T` in its place, whichever it is".into()
            }
            FormatFault::Adjacent { .. } => "separate them by a space or a quote".into(),
            FormatFault::Missing { what: "time" } => {
                "a format needs a time, such as `$time_local` or `%t`".into()
            }
            FormatFault::Missing { what: "request" } => {
                "a format needs the request, such as `$request` or `%r`".into()
            }
            FormatFault::Missing { .. } => {
                "a format needs the status, such as `$status` or `%>s`".into()
            }
        })
    }
}
