//! The only writer of standard output and standard error.
//!
//! Data goes to standard output, everything else to standard error. Log content is written by
//! whoever sends requests: no control character of it reaches a terminal as such. Formats for
//! machines (CSV, JSON, Parquet) keep data as it is.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, StdoutLock, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use chrono::{SecondsFormat, Utc};

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::arrow::util::pretty::pretty_format_batches;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::explain::{Explain, chain};
use crate::progress::{Counter, Progress};
use crate::units::printable::{escape_controls, is_invisible};

/// Why a result cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Standard output takes no more.
    #[error("cannot write to standard output")]
    Closed(#[source] io::Error),
    /// A value cannot be written out.
    #[error(transparent)]
    Value(#[from] ArrowError),
}

impl Explain for OutputError {}

impl OutputError {
    /// Whether the reader of standard output went away, as `head` does: no failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Closed(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

type Result<T, E = OutputError> = std::result::Result<T, E>;

/// How standard error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum MessageFormat {
    /// Lines for people, with bars on a terminal.
    #[default]
    Human,
    /// One JSON object a line, for programs that collect logs; progress included.
    Json,
}

/// When messages have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorMode {
    /// On a terminal, unless the environment says otherwise (`NO_COLOR`, `CLICOLOR_FORCE`).
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl ColorMode {
    /// Lets it hold for the whole program.
    pub fn set(self) {
        let choice = match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        };
        choice.write_global();
    }
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How often a step that is under way says how far it has come, where that is a line.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How soon it is noticed that a step has ended.
const PROGRESS_CHECK: Duration = Duration::from_millis(100);

/// Writes what a command has to say, in the way the user asked for.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    json: bool,
    quiet: bool,
    verbose: bool,
    messages: MessageFormat,
}

impl Printer {
    /// With `json`, summaries are JSON on standard output; with `quiet`, only data and errors are
    /// written.
    #[must_use]
    pub const fn new(json: bool, quiet: bool) -> Self {
        let messages = MessageFormat::Human;
        Self {
            json,
            quiet,
            verbose: false,
            messages,
        }
    }

    /// The same that also says what each step did, if `verbose`.
    #[must_use]
    pub const fn with_steps(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// The same with another form of standard error.
    #[must_use]
    pub const fn with_messages(self, messages: MessageFormat) -> Self {
        Self { messages, ..self }
    }

    /// Whether summaries are JSON.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Standard output, for data.
    pub fn data(self) -> StdoutLock<'static> {
        io::stdout().lock()
    }

    /// Writes what a command did: a line for people on standard error, or with `--json` one object
    /// on standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn summary<S: Display + Serialize>(self, summary: &S) -> Result<()> {
        if self.json {
            let mut output = self.data();
            serde_json::to_writer(&mut output, summary)
                .map_err(|error| OutputError::Closed(error.into()))?;
            return writeln!(output).map_err(OutputError::Closed);
        }
        match self.messages {
            MessageFormat::Human => self.note(summary),
            MessageFormat::Json if self.quiet => {}
            MessageFormat::Json => log_line(
                "info",
                json!({ "message": summary.to_string(), "summary": summary }),
            ),
        }
        Ok(())
    }

    /// Writes what a command was asked for: text for people or with `--json` one object, both on
    /// standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn answer<S: Display + Serialize>(self, answer: &S) -> Result<()> {
        if self.json {
            return self.summary(answer);
        }
        writeln!(self.data(), "{}", escape_lines(&answer.to_string())).map_err(OutputError::Closed)
    }

    /// Writes rows as a table for people.
    ///
    /// # Errors
    /// When a value cannot be formatted or standard output not be written.
    pub fn table(self, batches: &[RecordBatch]) -> Result<()> {
        writeln!(self.data(), "{}", format_table(batches)?).map_err(OutputError::Closed)
    }

    /// Writes a line of text for people on standard output: the answer of a command that has no
    /// table to show.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn line(self, text: impl Display) -> Result<()> {
        writeln!(self.data(), "{}", escape_controls(&text.to_string())).map_err(OutputError::Closed)
    }

    /// Writes lines of text on standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn text(self, text: &str) -> Result<()> {
        writeln!(self.data(), "{}", escape_lines(text.trim_end())).map_err(OutputError::Closed)
    }

    /// Tells something that is neither data nor a fault.
    pub fn note(self, text: impl Display) {
        if !self.quiet {
            self.report("info", None, text);
        }
    }

    /// Tells of something that may be a fault but did not stop the command.
    pub fn warning(self, text: impl Display) {
        if !self.quiet {
            self.report("warning", Some(WARNING), text);
        }
    }

    /// Tells why a command failed, and what to do about it.
    pub fn error(self, error: &dyn Explain) {
        if self.messages == MessageFormat::Json {
            log_line(
                "error",
                json!({ "message": chain(error), "hint": error.hint() }),
            );
            return;
        }
        report(Some(("error", ERROR)), &chain(error));
        if let Some(hint) = error.hint() {
            report(Some(("hint", HINT)), &hint);
        }
    }

    fn report(self, level: &str, style: Option<Style>, text: impl Display) {
        match self.messages {
            MessageFormat::Human => report(style.map(|style| (level, style)), &text.to_string()),
            MessageFormat::Json => log_line(level, json!({ "message": text.to_string() })),
        }
    }

    /// A bar on a terminal, lines where the log is JSON, else one that nobody sees.
    fn bar(self, message: &'static str, total: Option<u64>) -> ProgressBar {
        if self.messages == MessageFormat::Json && !self.quiet {
            return progress_lines(message, total);
        }
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{msg} {wide_bar} {human_pos}/{human_len} {eta}",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {msg} {human_pos} {elapsed}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

impl Progress for Printer {
    fn begin(&self, step: &'static str, total: Option<u64>) -> Box<dyn Counter> {
        let tells = self.verbose && self.messages == MessageFormat::Human;
        Box::new(Bar {
            bar: self.bar(step, total),
            told: tells.then_some((*self, step)),
        })
    }
}

/// A step under way, whose bar is no longer shown once it has ended.
struct Bar {
    bar: ProgressBar,
    /// To whom it says at its end how long it took.
    told: Option<(Printer, &'static str)>,
}

impl Counter for Bar {
    fn advance(&self, amount: u64) {
        self.bar.inc(amount);
    }

    fn reach(&self, amount: u64) {
        self.bar.set_position(amount);
    }

    fn expect(&self, total: u64) {
        self.bar.set_position(0);
        self.bar.set_length(total);
    }

    fn say(&self, message: String) {
        self.bar.set_message(message);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let (done, elapsed) = (self.bar.position(), self.bar.elapsed());
        self.bar.finish_and_clear();
        if let Some((printer, step)) = self.told {
            let seconds = elapsed.as_secs_f64();
            match done {
                0 => printer.note(format_args!("{step}: {seconds:.1} s")),
                _ => printer.note(format_args!("{step}: {done} in {seconds:.1} s")),
            }
        }
    }
}

/// A bar that nobody sees, and lines that say how far it has come: one at the start, then some while
/// it goes on, and one at the end.
fn progress_lines(step: &'static str, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::hidden();
    if let Some(total) = total {
        bar.set_length(total);
    }
    let started = Instant::now();
    let tell = move |done: u64, total: Option<u64>, finished: bool| {
        let seconds = started.elapsed().as_secs_f64();
        let rate = done as f64 / seconds.max(1e-3);
        let left = total.filter(|_| rate > 0.0 && !finished);
        let left = left.map(|total| total.saturating_sub(done) as f64 / rate);
        log_line(
            "progress",
            json!({
                "step": step,
                "done": done,
                "total": total,
                "seconds": rounded(seconds),
                "per_second": rounded(rate),
                "seconds_left": left.map(rounded),
                "finished": finished,
            }),
        );
    };
    tell(0, total, false);
    let watched = bar.downgrade();
    std::thread::spawn(move || {
        let mut told = Instant::now();
        let mut last = 0;
        while let Some(bar) = watched.upgrade() {
            last = bar.position();
            if bar.is_finished() {
                break;
            }
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                tell(last, bar.length(), false);
            }
            drop(bar);
            std::thread::sleep(PROGRESS_CHECK);
        }
        tell(last, Some(last), true);
    });
    bar
}

/// To one digit after the point.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Writes a JSON object to standard error, with its time and level.
fn log_line(level: &str, fields: serde_json::Value) {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut line = json!({ "time": time, "level": level });
    if let (Some(line), serde_json::Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    let _ = writeln!(io::stderr().lock(), "{}", escape_json(&line.to_string()));
}

/// JSON without what a terminal would obey: JSON itself asks only for the first 32 characters.
fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Writes a line to standard error, with what kind of message it is. There is nowhere to report a failure
/// of that.
fn report(kind: Option<(&str, Style)>, text: &str) {
    let text = escape_lines(text);
    let mut output = anstream::stderr().lock();
    let _ = match kind {
        Some((kind, style)) => writeln!(output, "{style}{kind}:{style:#} {text}"),
        None => writeln!(output, "{text}"),
    };
}

/// Formats rows as a table; NULL is written out, to differ from empty text.
///
/// # Errors
/// When a value cannot be formatted.
pub fn format_table(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let texts: Vec<RecordBatch> = batches.iter().map(text_batch).collect::<Result<_, _>>()?;
    Ok(pretty_format_batches(&texts)?.to_string())
}

/// The same rows as text without control characters.
fn text_batch(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let options = FormatOptions::new()
        .with_null("NULL")
        .with_display_error(true);
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let formatter = ArrayFormatter::try_new(column, &options)?;
        let texts = (0..batch.num_rows())
            .map(|row| {
                Ok(Some(escape_controls(
                    &formatter.value(row).try_to_string()?,
                )))
            })
            .collect::<Result<StringArray, ArrowError>>()?;
        fields.push(Field::new(
            escape_controls(field.name()),
            DataType::Utf8,
            false,
        ));
        columns.push(Arc::new(texts));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Escapes what a terminal would obey, except line ends.
fn escape_lines(text: &str) -> String {
    text.split('\n')
        .map(escape_controls)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_no_control_characters() {
        let paths = StringArray::from(vec![Some("/\u{1b}[2Jx\r\n\u{202e}"), None, Some("")]);
        let batch =
            RecordBatch::try_from_iter([("pa\u{7}th", Arc::new(paths) as ArrayRef)]).unwrap();
        insta::assert_snapshot!(format_table(&[batch]).unwrap(), @r#"
    +-------------------------------+
    | pa\u{7}th                     |
    +-------------------------------+
    | /\u{1b}[2Jx\u{d}\u{a}\u{202e} |
    | NULL                          |
    |                               |
    +-------------------------------+
    "#);
    }

    #[test]
    fn json_stays_json_and_obeys_no_terminal() {
        let value = json!({ "path": "/\u{1b}[2J\u{9b}\u{202e}\u{e0001}é" });
        let text = escape_json(&value.to_string());
        assert!(
            text.chars().all(|c| !c.is_control() && !is_invisible(c)),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn messages_keep_their_lines() {
        assert_eq!(
            escape_lines("one\ntwo\t\u{1b}[31m"),
            "one\ntwo\\u{9}\\u{1b}[31m"
        );
    }
}
