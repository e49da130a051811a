//! `anomalog ingest`: raw logs into the warehouse, Parquet logs linked in place.

use std::fmt::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Fault, Result};
use super::settings::Settings;
use super::windows;
use crate::cli::IngestArgs;
use crate::intake;
use crate::logs::linked::{ColumnMapping, LinkedSource};
use crate::logs::{self, FileStatus, IngestOptions, IngestSummary, LogFormat};
use crate::progress::Progress;
use crate::session;
use crate::windows::WindowsSummary;
use crate::windows::step::refuse_if_retired;

/// What `anomalog ingest` read, linked and built.
#[derive(Debug, Serialize)]
pub struct Ingested {
    /// The raw logs.
    #[serde(flatten)]
    pub logs: IngestSummary,
    /// The Parquet logs that were linked.
    pub linked: Vec<LinkedSource>,
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
                    let reasons = file.reasons.iter().fold(String::new(), |mut text, reason| {
                        let _ = write!(text, "; {} × {}", reason.1, reason.0);
                        text
                    });
                    writeln!(
                        f,
                        "{}: {} of {} lines are requests ({}), {} rejected{reasons}",
                        file.file, file.rows, file.lines, file.format, file.rejected
                    )?;
                }
            }
            for warning in &file.warnings {
                writeln!(f, "{}: {warning}", file.file)?;
            }
        }
        for skipped in &self.logs.skipped {
            writeln!(f, "{}: passed over: {}", skipped.file, skipped.reason)?;
        }
        for source in &self.linked {
            writeln!(f, "{}: linked in place", source.path.display())?;
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
pub async fn run(settings: &Settings, args: IngestArgs) -> Result<()> {
    let ingested = ingest(settings, args).await?;
    Ok(settings.printer.summary(&ingested)?)
}

/// Reads all inputs, then rebuilds the traffic windows unless told not to.
///
/// # Errors
/// As [`run`].
pub async fn ingest(settings: &Settings, args: IngestArgs) -> Result<Ingested> {
    let (parquet, raw): (Vec<_>, Vec<_>) = args
        .inputs
        .iter()
        .cloned()
        .partition(|input| is_parquet(input, args.format));
    // All are checked before anything is written.
    if !args.no_windows {
        refuse_if_retired(&settings.warehouse)?;
    }
    let linked = link(&args, &parquet)?;
    let mut writer = settings.writer("anomalog ingest").await?;
    logs::remove_unpublished(writer.warehouse()).map_err(|source| intake::Error::Unpublished {
        warehouse: settings.warehouse.root().to_owned(),
        source: Box::new(source),
    })?;
    for source in &linked {
        source.save(&settings.warehouse)?;
    }
    let logs = if raw.is_empty() {
        IngestSummary::default()
    } else {
        let options = options(settings, &args)?;
        let warehouse = settings.warehouse.clone();
        let progress = settings.printer;
        // Parsing is plain blocking work.
        tokio::task::spawn_blocking(move || logs::ingest(&raw, &options, &warehouse, &progress))
            .await
            .map_err(|error| Fault::Runtime(error.into()))??
    };
    let windows = if args.no_windows {
        None
    } else {
        let session = settings.open().await?;
        let progress = settings.printer.begin("building traffic_windows", None);
        let built = windows::build(&session, &mut writer, args.windows, &*progress).await;
        match built {
            // Values of linked logs are first read here: what cannot be read is not linked.
            Err(crate::windows::Error::Session(session::Error::Query(error)))
                if !linked.is_empty() =>
            {
                for source in &linked {
                    source.forget(&settings.warehouse)?;
                }
                return Err(session::Error::LinkedValues {
                    paths: parquet,
                    source: error.into_source(),
                }
                .into());
            }
            built => Some(built?),
        }
    };
    Ok(Ingested {
        logs,
        linked,
        windows,
    })
}

fn is_parquet(input: &Path, format: LogFormat) -> bool {
    match format {
        LogFormat::Parquet => true,
        LogFormat::Auto => input
            .extension()
            .is_some_and(|extension| extension == "parquet"),
        _ => false,
    }
}

fn link(args: &IngestArgs, parquet: &[PathBuf]) -> Result<Vec<LinkedSource>> {
    let mappings = args.columns.iter().flat_map(logs::FieldMap::iter);
    let mappings = if parquet.is_empty() {
        Vec::new()
    } else {
        mappings
            .map(|(ours, theirs)| {
                Ok(ColumnMapping {
                    ours: ours.parse()?,
                    theirs: theirs.to_owned(),
                })
            })
            .collect::<Result<Vec<_>>>()?
    };
    parquet
        .iter()
        .map(|path| Ok(LinkedSource::link(path, &mappings, args.site.as_deref())?))
        .collect()
}

fn options(settings: &Settings, args: &IngestArgs) -> Result<IngestOptions> {
    // A format without columns has no delimiter: whatever was given says nothing of it.
    let delimiter = args.delimiter.filter(|_| args.format.takes_delimiter());
    let delimiter = delimiter
        .map(|given| {
            u8::try_from(given)
                .ok()
                .filter(u8::is_ascii)
                .ok_or(Fault::Delimiter { found: given })
        })
        .transpose()?;
    Ok(IngestOptions {
        format: args.format.of_lines(delimiter),
        site: args.site.clone(),
        columns: args.columns.clone().unwrap_or_default(),
        threads: settings
            .session
            .threads
            .and_then(|threads| NonZeroUsize::new(threads as usize)),
        limits: args.limits.into(),
        ..IngestOptions::default()
    })
}
