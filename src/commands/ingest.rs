//! `anomalog ingest`: raw logs into the warehouse, Parquet logs linked in place.

use std::fmt::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::error::{Fault, Result};
use super::links::{LinkedLog, Links};
use super::settings::Settings;
use super::windows;
use crate::cli::IngestArgs;
use crate::explain::{ExitStatus, chain};
use crate::intake::{self, SourceFault};
use crate::logs::linked::{LinkedSource, has_parquet};
use crate::logs::{
    self, FileStatus, FileSummary, IngestError, IngestOptions, IngestSummary, LogFormat,
    PseudonymError,
};
use crate::progress::Progress;
use crate::windows::WindowsSummary;
use crate::windows::step::refuse_if_retired;

/// What `anomalog ingest` read, linked and built.
#[derive(Debug, Serialize)]
pub struct Ingested {
    /// The raw logs.
    #[serde(flatten)]
    pub logs: IngestSummary,
    /// Logs whose place others took, and why.
    pub replaced: Vec<SourceFault>,
    /// The Parquet logs that were linked.
    pub linked: Vec<LinkedLog>,
    /// The Parquet files that are not read, and why.
    pub left_out: Vec<SourceFault>,
    /// The traffic windows, if they were rebuilt.
    pub windows: Option<WindowsSummary>,
}

impl fmt::Display for Ingested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.logs.files {
            match file.status {
                FileStatus::AlreadyIngested => {
                    writeln!(f, "{}: already ingested, nothing changed", file.file)?;
                }
                FileStatus::Ingested => {
                    let reading = file
                        .reading
                        .as_ref()
                        .map_or(String::new(), ToString::to_string);
                    let reasons = file.reasons.iter().fold(String::new(), |mut text, reason| {
                        let _ = write!(text, "; {} × {}", reason.1, reason.0);
                        text
                    });
                    writeln!(
                        f,
                        "{}: {} of {} lines are requests ({}), {} rejected{reasons}",
                        file.file, file.rows, file.lines, reading, file.rejected
                    )?;
                }
            }
            for warning in &file.warnings {
                writeln!(f, "{}: {warning}", file.file)?;
            }
        }
        self.write_unread(f)?;
        for replaced in &self.replaced {
            writeln!(f, "{}: {}", replaced.path, replaced.message)?;
        }
        for log in &self.linked {
            write!(f, "{}: linked in place", log.path.display())?;
            if log.files > 1 {
                write!(f, ", {} files", log.files)?;
            }
            match log.reasons() {
                Some(said) => writeln!(f, "; {said} (see the table `quarantine`)")?,
                None => writeln!(f)?,
            }
        }
        for file in &self.left_out {
            writeln!(f, "{}: {}", file.path, file.message)?;
        }
        let totals = &self.logs.totals;
        write!(
            f,
            "{} requests ingested, {} lines rejected",
            totals.rows, totals.rejected
        )?;
        if totals.rejected > 0 {
            f.write_str(" (see the table `quarantine`)")?;
        }
        if let Some(windows) = &self.windows {
            write!(f, "\n{windows}")?;
        }
        Ok(())
    }
}

/// Runs `anomalog ingest`.
///
/// # Errors
/// When an input cannot be read or linked, or the warehouse cannot be written.
pub async fn run(settings: &Settings, args: IngestArgs) -> Result<ExitStatus> {
    if args.explain {
        return explain(settings, &args);
    }
    let ingested = ingest(settings, args).await?;
    settings.printer.summary(&ingested)?;
    Ok(ingested.exit_status())
}

/// Says how logs would be read, and writes nothing.
fn explain(settings: &Settings, args: &IngestArgs) -> Result<ExitStatus> {
    let (parquet, raw) = sort_inputs(settings, args);
    for path in parquet.iter().filter(|path| !raw.contains(path)) {
        let path = path.display();
        settings.printer.warning(format_args!(
            "`{path}` is Parquet, which is linked in place: its columns are read by their names"
        ));
    }
    if raw.is_empty() {
        return Ok(ExitStatus::Success);
    }
    let options = IngestOptions {
        pseudonyms: pseudonyms(args)?,
        ..options(settings, args)?
    };
    let mut explained = logs::explain(&raw, &options, &settings.warehouse)?;
    if let [Err(_)] = explained[..]
        && let Some(Err(error)) = explained.pop()
    {
        return Err(error.into());
    }
    let mut status = ExitStatus::Success;
    for log in explained {
        match log {
            Ok(explanation) => settings.printer.answer(&explanation)?,
            Err(error) => {
                settings.printer.warning(chain(&error));
                status = ExitStatus::Partial;
            }
        }
    }
    Ok(status)
}

/// The pseudonyms that clients are to have.
fn pseudonyms(args: &IngestArgs) -> Result<Option<Arc<logs::Pseudonyms>>> {
    let key = args.pseudonymise.as_deref();
    Ok(key.map(logs::read_key).transpose()?)
}

impl Ingested {
    /// Writes which logs were not read, and why.
    pub(super) fn write_unread(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for skipped in &self.logs.skipped {
            writeln!(f, "{}: passed over: {}", skipped.file, skipped.reason)?;
        }
        for failed in &self.logs.failed {
            writeln!(f, "{}: not read: {}", failed.file, chain(&failed.error))?;
        }
        Ok(())
    }

    /// Failure where no request was read of logs that have lines, partial success where that holds
    /// of some.
    pub(super) fn exit_status(&self) -> ExitStatus {
        let is_unread = |file: &&FileSummary| file.lines > 0 && file.rows == 0;
        let unread = self.logs.files.iter().filter(is_unread).count() + self.logs.failed.len();
        let logs = self.logs.files.len() + self.logs.failed.len();
        match unread {
            0 if self.left_out.is_empty() => ExitStatus::Success,
            _ if unread > 0 && unread == logs && self.linked.is_empty() => ExitStatus::Failure,
            _ => ExitStatus::Partial,
        }
    }
}

/// Reads all inputs, then rebuilds the traffic windows unless told not to.
///
/// # Errors
/// As [`run`].
pub async fn ingest(settings: &Settings, args: IngestArgs) -> Result<Ingested> {
    let (parquet, raw) = sort_inputs(settings, &args);
    // All are checked before anything is written.
    if !args.no_windows {
        refuse_if_retired(&settings.warehouse)?;
    }
    let pseudonyms = pseudonyms(&args)?;
    if let (Some(_), Some(path)) = (&pseudonyms, parquet.first()) {
        let path = path.clone();
        return Err(PseudonymError::Parquet { path }.into());
    }
    let links = Links::look(settings, &args, &parquet);
    let Links {
        linked,
        mut left_out,
        first_fault,
        mut known,
    } = links.count(settings).await?;
    if linked.is_empty()
        && raw.is_empty()
        && let Some(fault) = first_fault
    {
        return Err(fault.into());
    }
    let mut writer = settings.writer("anomalog ingest").await?;
    logs::agree_on_pseudonyms(&settings.warehouse, pseudonyms.as_deref())?;
    logs::remove_unpublished(writer.warehouse()).map_err(|source| intake::Error::Unpublished {
        warehouse: settings.warehouse.root().to_owned(),
        source: Box::new(source),
    })?;
    for (source, _) in &linked {
        let gone = source.gone_since(&settings.warehouse)?;
        left_out.extend(gone.into_iter().map(SourceFault::from));
        source.save(&settings.warehouse)?;
    }
    if !linked.is_empty() {
        // What is known of files of other links stays known.
        LinkedSource::look_at_all(&settings.warehouse, &mut known)?;
        known.save(&settings.warehouse)?;
    }
    let mut replaced = Vec::new();
    let mut logs = if raw.is_empty() {
        IngestSummary::default()
    } else {
        let options = IngestOptions {
            pseudonyms,
            ..options(settings, &args)?
        };
        let warehouse = settings.warehouse.clone();
        let progress = settings.printer;
        // Parsing is plain blocking work.
        let read = tokio::task::spawn_blocking(move || {
            logs::ingest(&raw, &options, &warehouse, &progress)
        });
        let read = read.await.map_err(|error| Fault::Runtime(error.into()))?;
        let read = match read {
            // All logs of the folders are Parquet.
            Err(IngestError::NoLogs { .. }) if !linked.is_empty() => IngestSummary::default(),
            Err(none @ IngestError::NoLogs { .. }) => {
                return Err(first_fault.map_or_else(|| none.into(), Into::into));
            }
            // Of logs that all fail, the first says why.
            Ok(mut read)
                if read.files.is_empty() && !read.failed.is_empty() && linked.is_empty() =>
            {
                return Err(read.failed.swap_remove(0).error.into());
            }
            read => read?,
        };
        if !read.files.is_empty() {
            replaced = intake::replace_by_hand(&read, &settings.warehouse, &mut writer).await?;
        }
        read
    };
    logs.skipped.retain(|skipped| {
        !linked
            .iter()
            .any(|(source, _)| source.has(Path::new(&skipped.file)))
    });
    let windows = if args.no_windows {
        None
    } else {
        let session = settings.open_quietly().await?;
        let progress = settings.printer.begin("building traffic_windows", None);
        Some(windows::build(&session, &mut writer, args.windows, &*progress).await?)
    };
    Ok(Ingested {
        logs,
        replaced,
        linked: linked.into_iter().map(|(_, log)| log).collect(),
        left_out,
        windows,
    })
}

/// The inputs that are Parquet or may hold some, and those that are text or may hold some.
fn sort_inputs(settings: &Settings, args: &IngestArgs) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let warehouse = settings.warehouse.root().canonicalize().ok();
    let is_guessed = args.logs.format == LogFormat::Auto && args.logs.delimiter.is_none();
    let (mut parquet, mut raw) = (Vec::new(), Vec::new());
    for input in &args.logs.inputs {
        let is_linked = match args.logs.format {
            LogFormat::Parquet => true,
            _ => is_guessed && has_parquet(input, warehouse.as_deref()),
        };
        if is_linked {
            parquet.push(input.clone());
        }
        if !is_linked || is_guessed && input.is_dir() {
            raw.push(input.clone());
        }
    }
    (parquet, raw)
}

fn options(settings: &Settings, args: &IngestArgs) -> Result<IngestOptions> {
    // A format without columns has no delimiter: whatever was given says nothing of it.
    let delimiter = args
        .logs
        .delimiter
        .filter(|_| args.logs.format.takes_delimiter());
    let delimiter = delimiter
        .map(|given| {
            u8::try_from(given)
                .ok()
                .filter(u8::is_ascii)
                .ok_or(Fault::Delimiter { found: given })
        })
        .transpose()?;
    Ok(IngestOptions {
        format: args.logs.format.of_lines(delimiter),
        site: args.logs.site.clone(),
        columns: args.logs.columns.clone().unwrap_or_default(),
        trusted_proxies: logs::TrustedProxies::of(args.logs.trusted_proxies.iter().copied()),
        threads: settings
            .session
            .threads
            .and_then(|threads| NonZeroUsize::new(threads as usize)),
        keep_going: args.logs.inputs.len() > 1,
        again: args.again,
        limits: args.limits.into(),
        ..IngestOptions::default()
    })
}
