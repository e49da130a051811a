//! The shell: `anomalog sql` without a query, on a terminal.
//!
//! Statements end with `;` and may take several lines. A line that begins with a backslash is a command of
//! the shell.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datafusion::execution::context::SessionContext;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use super::error::{CommandError, Fault, Result};
use super::settings::Settings;
use super::statements::{plan, print_table};
use super::threads::runtime;
use crate::explain::cannot;
use crate::session::TABLES;

const PROMPT: &str = "anomalog> ";
/// Statements that are remembered.
const REMEMBERED: usize = 1_000;

const HELP: &str = "\
\\d         list the tables
\\d TABLE   list the columns of a table, or of the files of a path such as 'windows/*.parquet'
\\timing    say how long statements take, or no longer
\\?         this
\\q         leave
Statements end with `;`, Ctrl-C stops one. Tab completes names; functions: SHOW FUNCTIONS;";

const KEYWORDS: [&str; 40] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "ORDER",
    "LIMIT",
    "HAVING",
    "JOIN",
    "LEFT",
    "INNER",
    "ON",
    "USING",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "BETWEEN",
    "LIKE",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "WITH",
    "OVER",
    "PARTITION",
    "DISTINCT",
    "UNION",
    "DESC",
    "INTERVAL",
    "CAST",
    "FILTER",
    "EXPLAIN",
    "SHOW",
    "DESCRIBE",
    "ARRAY",
];

/// What is typed.
#[derive(Debug, PartialEq, Eq)]
enum Input<'a> {
    Nothing,
    Tables,
    Columns(&'a str),
    Timing,
    Help,
    Leave,
    Unknown(&'a str),
    Statements(&'a str),
}

impl<'a> Input<'a> {
    fn of(line: &'a str) -> Self {
        let line = line.trim();
        let Some(command) = line.strip_prefix('\\') else {
            return match line.trim_end_matches(';').trim_end() {
                "" => Self::Nothing,
                "quit" | "exit" => Self::Leave,
                _ => Self::Statements(line),
            };
        };
        let command = command.trim_end_matches(';').trim_end();
        let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
        match (name, argument.trim()) {
            ("d", "") => Self::Tables,
            ("d", table) => Self::Columns(table.trim_matches('\'')),
            ("timing", _) => Self::Timing,
            ("?" | "h" | "help", _) => Self::Help,
            ("q" | "quit", _) => Self::Leave,
            _ => Self::Unknown(line),
        }
    }
}

/// Reads statements and shows their results until the user leaves.
///
/// # Errors
/// When the terminal cannot be read or written; a statement that fails is told of and ends nothing.
pub(super) async fn run(settings: &Settings, context: &SessionContext) -> Result<()> {
    let printer = settings.printer;
    let mut editor = editor(context).await?;
    let history = history_file();
    if let Some(history) = &history {
        // The first time there is none.
        let _ = editor.load_history(history);
    }
    printer.note(format_args!(
        "anomalog {} on `{}`; \\? shows help",
        env!("CARGO_PKG_VERSION"),
        settings.warehouse.root().display()
    ));
    // Before the first line is read: after each, the editor puts back who listened before it.
    let interrupt = Interrupt::listen()?;
    let mut has_timing = false;
    loop {
        let line = tokio::task::block_in_place(|| editor.readline(PROMPT));
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error).into()),
        };
        let started = Instant::now();
        let done = match Input::of(&line) {
            Input::Nothing => continue,
            Input::Leave => break,
            Input::Tables => printer.text(&TABLES.join("\n")).map_err(Into::into),
            Input::Columns(table) => {
                let table = table.replace('\'', "''");
                let text = format!("DESCRIBE '{table}'");
                answer(settings, context, &interrupt, &text).await
            }
            Input::Timing => {
                has_timing = !has_timing;
                let state = if has_timing { "on" } else { "off" };
                printer.note(format_args!("timing is {state}"));
                continue;
            }
            Input::Help => printer.text(HELP).map_err(Into::into),
            Input::Unknown(command) => {
                printer.note(format_args!(
                    "there is no command `{command}`; \\? lists them"
                ));
                continue;
            }
            Input::Statements(text) => answer(settings, context, &interrupt, text).await,
        };
        if let Err(error) = done {
            if error.is_broken_pipe() {
                return Err(error);
            }
            printer.error(error.explain());
        } else if has_timing {
            printer.note(format_args!("{:.3} s", started.elapsed().as_secs_f64()));
        }
    }
    if let Some(history) = &history {
        save_history(&mut editor, history).unwrap_or_else(|why| printer.warning(why));
    }
    Ok(())
}

/// How soon Ctrl-C is noticed.
const CHECK: Duration = Duration::from_millis(50);

/// Whether Ctrl-C was pressed. A flag, and no event of the runtime: statements may keep its threads busy.
#[derive(Debug)]
struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    fn listen() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&flag))
            .map_err(Fault::Terminal)?;
        Ok(Self(flag))
    }

    /// Forgets what was pressed before.
    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    async fn pressed(&self) {
        while !self.0.swap(false, Ordering::Relaxed) {
            tokio::time::sleep(CHECK).await;
        }
    }
}

/// Runs statements until they end or the user stops them.
async fn answer(
    settings: &Settings,
    context: &SessionContext,
    interrupt: &Interrupt,
    text: &str,
) -> Result<()> {
    interrupt.clear();
    let (printer, context, text) = (settings.printer, context.clone(), text.to_owned());
    // Threads of its own: those that compute without a pause are left to notice that nobody waits for them.
    let workers = runtime(settings.session.threads)?;
    let mut shown = workers.spawn(async move {
        for result in plan(&context, &text).await? {
            print_table(printer, result).await?;
        }
        Ok(())
    });
    let ended: Result<Result<()>, CommandError> = tokio::select! {
        shown = &mut shown => shown.map_err(|error| Fault::Runtime(error.into()).into()),
        () = interrupt.pressed() => {
            shown.abort();
            printer.note("stopped");
            Ok(Ok(()))
        }
    };
    workers.shutdown_background();
    ended?
}

fn terminal(error: ReadlineError) -> Fault {
    Fault::Terminal(match error {
        ReadlineError::Io(error) => error,
        other => std::io::Error::other(other),
    })
}

async fn editor(context: &SessionContext) -> Result<Editor<Words, DefaultHistory>> {
    let config = Config::builder()
        .max_history_size(REMEMBERED)
        .map_err(terminal)?
        .auto_add_history(true);
    let mut editor = Editor::with_config(config.build()).map_err(terminal)?;
    editor.set_completion_type(rustyline::CompletionType::List);
    editor.set_helper(Some(Words::of(context).await));
    Ok(editor)
}

/// `$XDG_STATE_HOME/anomalog/history`; nothing where there is no home.
fn history_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state")))?;
    Some(state.join("anomalog/history"))
}

/// The file is its owner's alone: queries may name clients.
fn save_history(
    editor: &mut Editor<Words, DefaultHistory>,
    file: &std::path::Path,
) -> std::result::Result<(), String> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder)
        .map_err(rustyline::error::ReadlineError::from)
        .and_then(|()| editor.save_history(file))
        .map_err(|error| {
            let io = std::io::Error::other(error.to_string());
            crate::explain::chain(&cannot("write", file)(io))
        })
}

/// What Tab completes, and when a statement is complete.
struct Words {
    /// In order.
    words: Vec<String>,
    files: FilenameCompleter,
}

impl Words {
    /// Keywords, and the names of tables, columns and functions.
    async fn of(context: &SessionContext) -> Self {
        let mut words: Vec<String> = KEYWORDS.map(str::to_owned).into();
        for name in TABLES {
            words.push(name.to_owned());
            // A table that cannot be opened has no columns to complete.
            if let Ok(table) = context.table(name).await {
                let columns = table.schema().fields().iter();
                words.extend(columns.map(|column| column.name().clone()));
            }
        }
        let state = context.state();
        words.extend(state.scalar_functions().keys().cloned());
        words.extend(state.aggregate_functions().keys().cloned());
        words.extend(state.window_functions().keys().cloned());
        words.sort_unstable();
        words.dedup();
        let files = FilenameCompleter::new();
        Self { words, files }
    }

    /// The words that begin with what is typed, written in capitals or not.
    fn beginning_with(&self, start: &str) -> Vec<Pair> {
        let begins = |word: &&String| {
            let head = word.get(..start.len());
            !start.is_empty() && head.is_some_and(|head| head.eq_ignore_ascii_case(start))
        };
        let words = self.words.iter().filter(begins).map(|word| Pair {
            display: word.clone(),
            replacement: word.clone(),
        });
        words.collect()
    }
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..position];
        if typed.matches('\'').count() % 2 == 1 {
            return self.files.complete(line, position, context);
        }
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let start = typed.trim_end_matches(is_part).len();
        Ok((start, self.beginning_with(&typed[start..])))
    }
}

impl Validator for Words {
    fn validate(&self, input: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(input.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Helper for Words {}

/// Whether a text can be run: it is a command of the shell, or its last statement has ended.
fn is_complete(text: &str) -> bool {
    if !matches!(Input::of(text), Input::Statements(_)) {
        return true;
    }
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize() else {
        // A text or a comment goes on.
        return false;
    };
    let is_written = |token: &&Token| !matches!(token, Token::Whitespace(_));
    let last = tokens.iter().rev().find(is_written);
    matches!(last, None | Some(Token::SemiColon))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn statements_end_with_a_semicolon_outside_of_texts_and_comments() {
        for text in [
            "SELECT 1;",
            "SELECT 1;  -- done",
            "SELECT ';';\n",
            "\\d",
            "\\timing",
            "",
            "exit",
            "SELECT 1; SELECT 2;",
        ] {
            assert!(is_complete(text), "{text}");
        }
        for text in [
            "SELECT 1",
            "SELECT 1 -- ;",
            "SELECT ';",
            "SELECT 1; SELECT",
            "SELECT 1 /* ;",
            "SELECT \"a;",
        ] {
            assert!(!is_complete(text), "{text}");
        }
    }

    #[test]
    fn commands_begin_with_a_backslash() {
        assert_eq!(Input::of(" \\d "), Input::Tables);
        assert_eq!(Input::of("\\d incidents;"), Input::Columns("incidents"));
        assert_eq!(Input::of("\\d 'a b.csv'"), Input::Columns("a b.csv"));
        assert_eq!(Input::of("\\x"), Input::Unknown("\\x"));
        assert_eq!(Input::of(" ; "), Input::Nothing);
        assert_eq!(Input::of("quit;"), Input::Leave);
        assert_eq!(Input::of("\\q"), Input::Leave);
    }

    #[tokio::test]
    async fn names_are_completed_whatever_their_case() {
        let words = Words::of(&SessionContext::new()).await;
        let found = |start: &str| {
            let words = words.beginning_with(start).into_iter();
            words.fold(String::new(), |mut all, word| {
                let _ = write!(all, "{} ", word.replacement);
                all
            })
        };
        assert_eq!(found("traf"), "traffic_windows ");
        assert_eq!(found("TRAFF"), "traffic_windows ");
        assert_eq!(found("distin"), "DISTINCT ");
        assert_eq!(found(""), "");
        assert_eq!(found("ééé"), "");
    }
}
