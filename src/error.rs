//! What goes wrong, in the user's words, and the exit status it leads to.
//!
//! A message says what was expected and what was found; the hint says what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anomalog_udfs::DetectorError;
use chrono::NaiveDate;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;

use crate::calendar::labels::LabelsError;
use crate::evaluation::collection::CollectionError;
use crate::evaluation::report::PageError;
use crate::evaluation::run::RunError;
use crate::evaluation::warehouse::WarehouseError;
use crate::export::ExportError;
use crate::incidents::RulesError;
use crate::job::ConfigError;
use crate::logs::linked::SourceError;
use crate::logs::{IngestError, WriteError};
use crate::schema::Table;
use crate::session::TABLES;
use crate::simulation::SimulationError;
use crate::training::TrainingError;
use crate::warehouse::commit::StorageError;

/// The result of everything that a command does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything asked for was done; also when the reader of standard output went away.
    Success = 0,
    /// The data, the query or the machine stood in the way.
    Failure = 1,
    /// The command line was not understood; nothing was done.
    Usage = 2,
    /// `anomalog run` did what it could, but some logs could not be read, or the export not written.
    Partial = 3,
    /// Another command is changing the warehouse; nothing was done.
    InUse = 4,
    /// `anomalog run --fail-on` did all it could, and there are new incidents so severe.
    Incidents = 5,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// Where metrics are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricSetting {
    /// With an option of the command line.
    Option,
    /// In a job file.
    Job,
}

impl MetricSetting {
    const fn hint(self) -> &'static str {
        match self {
            Self::Option => "choose metrics with `--metrics`, separated by commas",
            Self::Job => {
                "choose metrics with `metrics` in the section `[scores]` of the job file, or with \
                 `--set 'scores.metrics=[\"requests\"]'`"
            }
        }
    }
}

/// Any failure of a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A query that cannot be planned or run.
    #[error("{}", QueryMessage::of(.0).message)]
    Query(Box<DataFusionError>),
    /// A series key that is no expression over a request.
    #[error("series key `{expression}`: {}", QueryMessage::of(.source).message)]
    SeriesKey {
        /// The expression.
        expression: String,
        /// Why it does not do.
        source: Box<DataFusionError>,
    },
    /// A statement that would define or change a table.
    #[error("`anomalog sql` only reads, and does not run `{statement}`")]
    ReadOnly {
        /// The statement, shortened.
        statement: String,
    },
    /// More results than a format can hold.
    #[error("this format holds the result of one statement, and the query has {statements}")]
    ManyResults {
        /// How many statements give a result.
        statements: usize,
    },
    /// A query without any statement.
    #[error("the query is empty")]
    EmptyQuery,
    /// Something that is no file has the name of an output, which would take its place.
    #[error("`{}` is no regular file", .path.display())]
    NoRegularFile {
        /// What is there.
        path: PathBuf,
    },
    /// Parquet was asked for without a file to put it in.
    #[error("a Parquet result needs a file")]
    ParquetToTerminal,
    /// Windows of all dates are to be cut, and requests are no longer there.
    #[error(
        "requests before {before} are no longer kept, so that windows of all dates cannot be cut anew"
    )]
    RequestsRetired {
        /// The first date whose requests are kept.
        before: NaiveDate,
    },
    /// Nothing to count.
    #[error("the warehouse `{}` has no access logs", .warehouse.display())]
    NoLogs {
        /// The warehouse.
        warehouse: PathBuf,
    },
    /// A warehouse that cannot be changed.
    #[error(transparent)]
    Storage(Box<StorageError>),
    /// What is left of a log that was not ingested to its end.
    #[error("cannot remove what is left of an unfinished log in `{}`", .warehouse.display())]
    Unpublished {
        /// The warehouse.
        warehouse: PathBuf,
        /// Why.
        source: Box<WriteError>,
    },
    /// An export that cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A job file.
    #[error(transparent)]
    Job(Box<ConfigError>),
    /// A job file that would be written over.
    #[error("the job file `{}` is there already", .path.display())]
    JobExists {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet file of the warehouse that cannot be read.
    #[error("cannot read `{}`", .path.display())]
    ParquetInput {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A linked source.
    #[error(transparent)]
    Source(Box<SourceError>),
    /// Settings of the warehouse that cannot be read back.
    #[error("`{}` is damaged", .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The threads that a command works with.
    #[error("cannot start worker threads")]
    Runtime(#[source] io::Error),
    /// Writing a result to standard output.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// A file or folder.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A Parquet file that cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A value that a format cannot express.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// Raw logs that cannot be ingested.
    #[error(transparent)]
    Ingest(Box<IngestError>),
    /// A simulation that cannot be made.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// A detector that cannot be found, read or written.
    #[error(transparent)]
    Detector(Box<DetectorError>),
    /// A training run.
    #[error(transparent)]
    Training(Box<TrainingError>),
    /// Labelled series that cannot be read.
    #[error(transparent)]
    Collection(Box<CollectionError>),
    /// Labels that cannot be read.
    #[error(transparent)]
    Labels(Box<LabelsError>),
    /// Labels that do not go with the windows.
    #[error(transparent)]
    Labelled(Box<WarehouseError>),
    /// Rules of incidents that mean nothing.
    #[error(transparent)]
    IncidentRules(#[from] RulesError),
    /// An evaluation that would leak, or that can judge nothing.
    #[error(transparent)]
    Evaluation(Box<RunError>),
    /// The page of an evaluation.
    #[error(transparent)]
    Page(#[from] PageError),
    /// A delimiter that is no single byte.
    #[error("`--delimiter` must be one ASCII character, found `{found}`")]
    Delimiter {
        /// What was given.
        found: char,
    },
    /// A name that cannot be a folder.
    #[error("`{found}` cannot name a detector: use ASCII letters, digits, `_`, `-` and `.`")]
    DetectorName {
        /// What was given.
        found: String,
    },
    /// Linked logs with values that cannot be read as ours.
    #[error("cannot read the values of {}: {}", list_paths(.paths), QueryMessage::of(.source).message)]
    LinkedValues {
        /// The files or folders.
        paths: Vec<PathBuf>,
        /// Why.
        source: Box<DataFusionError>,
    },
    /// A file that should be Parquet.
    #[error("cannot read `{}` as Parquet: {}", .path.display(), QueryMessage::of(.source).message)]
    NotParquet {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: Box<DataFusionError>,
    },
    /// A column that windows need.
    #[error("`{}` has no column `{column}`, only {}", .path.display(), list(.found))]
    MissingColumn {
        /// The file or folder.
        path: PathBuf,
        /// The column needed.
        column: String,
        /// The columns there.
        found: Vec<String>,
    },
    /// A column of a type that does not do.
    #[error(
        "column `{column}` of `{}` must be {expected}, found {found}",
        .path.display()
    )]
    ColumnType {
        /// The file or folder.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it must be.
        expected: &'static str,
        /// Its type.
        found: String,
    },
    /// A metric that is no number column of the windows.
    #[error("`{}` has no numeric column `{metric}`, only {}", .path.display(), list(.found))]
    UnknownMetric {
        /// The metric asked for.
        metric: String,
        /// Where it was asked for.
        setting: MetricSetting,
        /// The file or folder.
        path: PathBuf,
        /// The numeric columns there.
        found: Vec<String>,
    },
    /// No detector fits the columns of the windows.
    #[error("no detector reads the columns of these windows: {}", list(.columns))]
    NoDetectors {
        /// The numeric columns there.
        columns: Vec<String>,
    },
    /// Detectors that were verified are not whole.
    #[error("{damaged} of {of} detectors that were verified cannot be used")]
    DamagedDetectors {
        /// How many.
        damaged: usize,
        /// Of how many.
        of: usize,
    },
    /// A name that a detector already has that comes with the program.
    #[error("`{found}` is the name of a detector that comes with the program")]
    ShippedName {
        /// The name.
        found: String,
    },
    /// Options that do not go with the detector that training begins with.
    #[error("`{detector}` {expected}, which does not go with `{found}`")]
    BeginningMismatch {
        /// The detector of `--from`.
        detector: String,
        /// What it is.
        expected: String,
        /// The option that asks for something else.
        found: String,
    },
    /// Options that do not go together.
    #[error("`{option}` does not go with `--objective {objective}`")]
    ObjectiveMismatch {
        /// The option.
        option: &'static str,
        /// The objective.
        objective: &'static str,
    },
    /// Labels of a series that there is not.
    #[error(
        "`{}` labels the series `{series}`, which has no windows, only {}",
        .labels.display(),
        some(.found)
    )]
    UnknownSeries {
        /// The file or folder of labels.
        labels: PathBuf,
        /// The series.
        series: String,
        /// The series that there are.
        found: Vec<String>,
    },
    /// No label says anything of the windows to learn from.
    #[error(
        "none of {count} labels of `{}` lies in the windows to learn from, {from} to {until}",
        .labels.display()
    )]
    NoLabels {
        /// The file or folder of labels.
        labels: PathBuf,
        /// How many labels there are.
        count: usize,
        /// First window.
        from: String,
        /// End of the last window.
        until: String,
    },
    /// Windows of the user's were scored without a place for the result.
    #[error("scores of `--windows` need a file to go to")]
    NoScoreOutput,
}

/// Paths in backticks.
fn list_paths(paths: &[PathBuf]) -> String {
    list(
        &paths
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>(),
    )
}

/// Names in backticks.
fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The first of many names, in backticks.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{}, {more} more", list(&names[..SHOWN])),
        _ => list(names),
    }
}

impl Error {
    /// Turns an I/O error on a file into an [`Error`]: `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// How a command ends that fails with it.
    #[must_use]
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Storage(error) if matches!(**error, StorageError::Locked { .. }) => {
                ExitStatus::InUse
            }
            _ => ExitStatus::Failure,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Export(error) => error.hint().map(str::to_owned),
            Self::Job(error) => error.hint().map(str::to_owned),
            Self::JobExists { .. } => Some(
                "name another with `--job FILE`, or remove it first".to_owned(),
            ),
            Self::Query(source) => QueryMessage::of(source).hint,
            Self::SeriesKey { source, .. } => QueryMessage::of(source).hint,
            Self::ReadOnly { .. } => Some("write a result to a file with `--out FILE`".to_owned()),
            Self::ManyResults { .. } => {
                Some("run the statements one by one, or use `--format table`".to_owned())
            }
            Self::NoRegularFile { .. } => Some(
                "what is written takes its name when it is complete, and would be in its place: name \
                 another file"
                    .to_owned(),
            ),
            Self::ParquetToTerminal => Some("name one with `--out FILE`".to_owned()),
            Self::NoLogs { .. } => Some(
                "read some with `anomalog ingest FILE…`, or name another warehouse with \
                 `--warehouse PATH`"
                    .to_owned(),
            ),
            Self::RequestsRetired { .. } => Some(
                "`anomalog run` goes on with the windows that there are, with the step and the series \
                 key that they have; for others begin a warehouse of its own"
                    .to_owned(),
            ),
            Self::Storage(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Settings { path, .. } => Some(format!(
                "remove `{}` and run `anomalog windows` again",
                path.display()
            )),
            Self::Ingest(error) => error.hint(),
            Self::Simulation(error) => error.hint(),
            Self::Detector(error) => error.hint(),
            Self::Training(error) => error.hint(),
            Self::Collection(error) => error.hint().map(str::to_owned),
            Self::Labels(error) => error.hint().map(str::to_owned),
            Self::Labelled(error) => error.hint().map(str::to_owned),
            Self::Evaluation(error) => error.hint(),
            Self::MissingColumn { .. } => {
                Some("name the column of the series key with `--series-column`; the time must be `window_start`".to_owned())
            }
            Self::UnknownMetric { setting, .. } => Some(setting.hint().to_owned()),
            Self::NoDetectors { .. } => {
                Some("train some with `anomalog train`, or name columns for the shipped ones with `--metrics`".to_owned())
            }
            Self::DamagedDetectors { .. } => {
                Some("restore their folders from a copy, or train them again".to_owned())
            }
            Self::ShippedName { .. } => Some("choose another with `--name`".to_owned()),
            Self::BeginningMismatch { .. } => {
                Some("training goes on with a detector as it is: leave the option out, or train without `--from`".to_owned())
            }
            Self::ObjectiveMismatch { objective, .. } => Some(match *objective {
                "classify" => "classifiers begin with new weights, as labels are what they learn from".to_owned(),
                _ => "labels are what `--objective classify` learns from".to_owned(),
            }),
            Self::UnknownSeries { .. } => Some("labels name series as the column `site` of the windows does".to_owned()),
            Self::NoLabels { .. } => Some("move `--until`, or label anomalies before it".to_owned()),
            Self::NoScoreOutput => Some("name one with `--out FILE`".to_owned()),
            Self::Delimiter { .. }
            | Self::Unpublished { .. }
            | Self::ParquetInput { .. }
            | Self::DetectorName { .. }
            | Self::IncidentRules(_)
            | Self::NotParquet { .. }
            | Self::LinkedValues { .. }
            | Self::ColumnType { .. }
            | Self::EmptyQuery
            | Self::Page(_)
            | Self::Runtime(_)
            | Self::Output(_)
            | Self::Io { .. }
            | Self::Parquet { .. }
            | Self::Arrow(_) => None,
        }
    }

    /// The message and those of its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        // A query's message already is that of its innermost cause.
        if matches!(self, Self::Query(_) | Self::SeriesKey { .. }) {
            return self.to_string();
        }
        Self::chain_of(self)
    }

    /// The message of an error and those of its causes, in one line.
    #[must_use]
    pub fn chain_of(error: &(dyn std::error::Error + 'static)) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// Whether the reader of standard output went away, as `head` does: no failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<DetectorError> for Error {
    fn from(error: DetectorError) -> Self {
        Self::Detector(Box::new(error))
    }
}

impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        Self::Ingest(Box::new(error))
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Job(Box::new(error))
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Storage(Box::new(error))
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        Self::Source(Box::new(error))
    }
}

impl From<CollectionError> for Error {
    fn from(error: CollectionError) -> Self {
        Self::Collection(Box::new(error))
    }
}

impl From<LabelsError> for Error {
    fn from(error: LabelsError) -> Self {
        Self::Labels(Box::new(error))
    }
}

impl From<WarehouseError> for Error {
    fn from(error: WarehouseError) -> Self {
        Self::Labelled(Box::new(error))
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        Self::Evaluation(Box::new(error))
    }
}

impl From<TrainingError> for Error {
    fn from(error: TrainingError) -> Self {
        Self::Training(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Self::Query(Box::new(error))
    }
}

/// What a [`DataFusionError`] says, without the wrapping, split into message and hint.
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
