//! What is wrong with a format.

use std::borrow::Cow;

use crate::explain::Explain;

/// A format that cannot be compiled, and where it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log format, character {position}: {fault}")]
pub struct FormatError {
    /// The character, from 1.
    pub position: usize,
    /// What is wrong there.
    pub fault: FormatFault,
}

/// What is wrong with a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    /// Nothing in it is a field.
    #[error("`{text}` is the name of no format and holds no field")]
    NoField {
        /// The text.
        text: String,
    },
    /// A field is not written to its end.
    #[error("`{start}` is not closed, expected `{close}`")]
    Unclosed {
        /// How it begins.
        start: String,
        /// What closes it.
        close: char,
    },
    /// A directive that the server does not have.
    #[error("unknown directive `{name}`")]
    Unknown {
        /// The directive.
        name: String,
    },
    /// A pattern of a time that cannot be read back.
    #[error("`{pattern}` is no time that can be read: {reason}")]
    Time {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: &'static str,
    },
    /// Two fields without text between them.
    #[error(
        "nothing stands between `{first}` and `{second}`, so that no line tells where the first ends"
    )]
    Adjacent {
        /// The first field.
        first: String,
        /// The second field.
        second: String,
    },
    /// No field holds what every request has.
    #[error("no field holds the {what}")]
    Missing {
        /// The column.
        what: &'static str,
    },
}

impl Explain for FormatError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match &self.fault {
            FormatFault::NoField { .. } => format!(
                "expected the `log_format` of nginx, the `LogFormat` of Apache, or one of {}",
                super::known_names::all()
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
