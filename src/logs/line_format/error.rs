//! What is wrong with a format.

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
    /// A field that counts in other units in other versions of the server.
    #[error("`{name}` is in milliseconds of Tomcat before 10 and in microseconds since")]
    Unit {
        /// The field.
        name: String,
    },
    /// No field holds what every request has.
    #[error("no field holds the {what}")]
    Missing {
        /// The column.
        what: &'static str,
    },
}
