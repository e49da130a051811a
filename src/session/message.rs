//! What DataFusion says of a query, in our words.

use std::borrow::Cow;
use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::names::TABLES;
use crate::explain::Explain;
use crate::schema::Table;

/// What to do about a page that cannot be read, of a file that changed since it was looked at.
const DAMAGED: &str = "a Parquet file is damaged: where it is linked, `anomalog run` and \
                       `anomalog ingest` of its folder name it and leave it out";

/// A query that cannot be planned or run. Its message already is that of its innermost cause, so that
/// it has none.
#[derive(Debug)]
pub struct QueryError {
    source: Box<DataFusionError>,
}

impl From<DataFusionError> for QueryError {
    fn from(source: DataFusionError) -> Self {
        Self {
            source: Box::new(source),
        }
    }
}

impl QueryError {
    /// What DataFusion said.
    #[must_use]
    pub fn into_source(self) -> Box<DataFusionError> {
        self.source
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&QueryMessage::of(&self.source).message)
    }
}

impl std::error::Error for QueryError {}

impl Explain for QueryError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        QueryMessage::of(&self.source).hint.map(Cow::Owned)
    }
}

/// The message of an error of DataFusion, for those that pass it on as their cause.
pub(super) fn message_of(error: &DataFusionError) -> String {
    QueryMessage::of(error).message
}

/// What a [`DataFusionError`] says, without the wrapping, split into message and hint.
#[derive(Debug)]
struct QueryMessage {
    message: String,
    hint: Option<String>,
}

impl QueryMessage {
    fn of(error: &DataFusionError) -> Self {
        let error = innermost(error);
        let text = match error {
            DataFusionError::Plan(text)
            | DataFusionError::Execution(text)
            | DataFusionError::NotImplemented(text)
            | DataFusionError::ResourcesExhausted(text) => text.clone(),
            DataFusionError::SQL(parser, _) => {
                parser.to_string().replacen("sql parser error: ", "", 1)
            }
            DataFusionError::SchemaError(schema, _) => schema.to_string(),
            DataFusionError::ArrowError(arrow, _) => arrow.to_string(),
            DataFusionError::ParquetError(parquet) => parquet.to_string(),
            DataFusionError::External(external) => external.to_string(),
            other => other.strip_backtrace(),
        };
        let text = text
            .split(DataFusionError::BACK_TRACE_SEP)
            .next()
            .unwrap_or_default();
        if let Some(table) = unknown_table(text) {
            let hint = if table == Table::ScoredWindows.name() {
                "run `anomalog score` first".to_owned()
            } else {
                let tables = TABLES.map(|table| format!("`{table}`")).join(", ");
                format!("the tables are {tables}")
            };
            return Self {
                message: format!("no table `{table}`"),
                hint: Some(hint),
            };
        }
        // DataFusion appends its suggestions to the message.
        let end = [text.find(". Did you mean"), text.find('\n')]
            .into_iter()
            .flatten()
            .min();
        let (message, rest) = text.split_at(end.unwrap_or(text.len()));
        let suggestion = rest.trim_start_matches(['.', ' ', '\n']).lines().next();
        let suggestion = suggestion.map(|line| line.trim_start_matches("hint: "));
        let hint = match error {
            DataFusionError::ResourcesExhausted(_) => {
                Some("raise `--memory-limit`, or lower `--threads`".to_owned())
            }
            DataFusionError::ParquetError(_) => Some(DAMAGED.to_owned()),
            DataFusionError::ArrowError(arrow, _)
                if matches!(**arrow, ArrowError::ParquetError(_)) =>
            {
                Some(DAMAGED.to_owned())
            }
            _ => suggestion.filter(|line| !line.is_empty()).map(sentence),
        };
        Self {
            message: sentence(message),
            hint,
        }
    }
}

/// Unwraps what only adds context.
fn innermost(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            innermost(inner)
        }
        DataFusionError::Shared(inner) => innermost(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, innermost),
        DataFusionError::External(inner) => inner
            .downcast_ref::<DataFusionError>()
            .map_or(error, innermost),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => inner
                .downcast_ref::<DataFusionError>()
                .map_or(error, innermost),
            _ => error,
        },
        _ => error,
    }
}

/// The name in `table 'datafusion.public.x' not found` and `No table named 'x'`.
fn unknown_table(text: &str) -> Option<&str> {
    let quoted = |prefix, suffix| text.strip_prefix(prefix)?.strip_suffix(suffix);
    let name = quoted("table '", "' not found").or_else(|| quoted("No table named '", "'"))?;
    Some(name.strip_prefix("datafusion.public.").unwrap_or(name))
}

/// Our style of message: no capital at the start unless it begins a name, no full stop.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}
