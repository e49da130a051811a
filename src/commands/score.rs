//! `anomalog score`: writes `scored_windows`.
//!
//! In the warehouse whole UTC dates are replaced, so scoring a range again leaves no row twice.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anomalog_engine::detector::{hex_sha256, shipped};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use serde::Serialize;

use super::error::{Fault, Result};
use super::settings::Settings;
use super::windows_input::{self, WindowsInput, check_metrics};
use crate::cli::ScoreArgs;
use crate::detectors;
use crate::detectors::select::{Selection, Wanted, select};
use crate::explain::cannot;
use crate::incremental::Staged;
use crate::progress::Progress;
use crate::schema::Table;
use crate::scores::{self, WINDOW_START, exported};
use crate::units::zones::SeriesTimeZones;
use crate::units::{rfc_3339, time_range, whole_dates};
use crate::warehouse::commit::Partition;
use crate::warehouse::listing::parquet_files;
use crate::warehouse::tables::{DatedTableWriter, TableFileWriter, partition_file};

/// What `anomalog score` scored and wrote.
#[derive(Debug, Default, Serialize)]
pub struct WindowsScored {
    /// The file or table written.
    pub out: PathBuf,
    /// Rows written.
    pub windows: usize,
    /// Rows that are anomalies.
    pub anomalies: usize,
    /// Rows per status.
    pub statuses: BTreeMap<String, usize>,
    /// The detectors behind each score column, and the one that decides.
    pub detectors: BTreeMap<String, String>,
    /// The detector that decides.
    pub detector: String,
    /// Rows that the deciding detector has seen in training.
    pub in_sample: usize,
    /// End of what it has seen, RFC 3339; `None` for a shipped one, which saw nothing of this
    /// warehouse.
    pub trained_until: Option<String>,
    /// Digest of detectors and windows.
    pub run_id: String,
}

impl fmt::Display for WindowsScored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scored {} windows with {}, {} of them anomalous by {}, to `{}`",
            self.windows,
            self.detectors
                .values()
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
            self.anomalies,
            self.detector,
            self.out.display()
        )?;
        for (status, windows) in &self.statuses {
            write!(f, "\n  {status}: {windows}")?;
        }
        if let Some(trained_until) = self.trained_until.as_ref().filter(|_| self.in_sample > 0) {
            write!(
                f,
                "\nwarning: {} windows lie before {trained_until}, where {} was trained: their \
                 scores say nothing about how well it detects",
                self.in_sample, self.detector
            )?;
        }
        Ok(())
    }
}

/// Runs `anomalog score`.
///
/// # Errors
/// When there are no windows or no detectors, or the output cannot be written.
pub async fn run(settings: &Settings, args: ScoreArgs) -> Result<()> {
    let scored = score(settings, args).await?;
    Ok(settings.printer.summary(&scored)?)
}

/// Scores windows with one detector per architecture.
///
/// # Errors
/// As [`run`].
pub async fn score(settings: &Settings, args: ScoreArgs) -> Result<WindowsScored> {
    if args.input.windows.is_some() && args.output.is_none() {
        return Err(Fault::NoScoreOutput.into());
    }
    let session = settings.open().await?;
    let input = windows_input::open(&session, &args.input).await?;
    check_metrics(&input, &args.metrics)?;
    let wanted = Wanted {
        columns: &input.numbers,
        metrics: &args.metrics,
        chosen: args.detector.as_deref(),
        step_micros: match &args.input.windows {
            Some(_) => windows_input::step(&input).await?,
            None => None,
        },
        without: None,
    };
    let selection =
        select(session.detectors(), wanted)?.ok_or_else(|| detectors::Error::NoDetectors {
            columns: input.numbers.iter().cloned().collect(),
        })?;
    let time_zones = SeriesTimeZones::all_in(args.time_zone);
    let run_id = run_id(&input, &selection, &time_zones)?;
    let mut range = time_range(args.time.since, args.time.until);
    if args.output.is_none() {
        // The warehouse's files are dates.
        range = whole_dates(&range);
    }
    let frame = scores::scored(
        &session,
        &input.frame,
        &selection,
        &time_zones,
        range,
        &run_id,
    )
    .await?;
    let is_shipped = shipped::is_shipped(&selection.chosen.name);
    let trained_until = (!is_shipped).then_some(selection.chosen.training.until_micros);
    let mut scored = WindowsScored {
        detectors: selection
            .by_architecture
            .iter()
            .map(|(architecture, manifest)| (format!("{architecture}_score"), manifest.id()))
            .collect(),
        detector: selection.chosen.id(),
        trained_until: trained_until.map(rfc_3339),
        run_id,
        ..WindowsScored::default()
    };
    let until = trained_until.unwrap_or(i64::MIN);
    let progress = settings.printer.begin("scoring windows", None);
    let mut count = |batch: &RecordBatch| {
        progress.advance(batch.num_rows() as u64);
        scored.count(batch, until);
    };
    scored.out = match &args.output {
        Some(path) => write_file(frame, path, &mut count).await?,
        None => write_table(settings, frame, &mut count).await?,
    };
    Ok(scored)
}

impl WindowsScored {
    fn count(&mut self, batch: &RecordBatch, trained_until: i64) {
        self.windows += batch.num_rows();
        if let Some(anomalies) = batch.column_by_name("is_anomaly") {
            self.anomalies += anomalies.as_boolean().true_count();
        }
        if let Some(statuses) = batch.column_by_name("status") {
            for status in statuses.as_string::<i32>().iter().flatten() {
                *self.statuses.entry(status.to_owned()).or_default() += 1;
            }
        }
        if let Some(times) = batch.column_by_name(WINDOW_START) {
            let times = times.as_primitive::<TimestampMicrosecondType>().values();
            self.in_sample += times.iter().filter(|time| **time < trained_until).count();
        }
    }
}

/// First 16 digits of a digest over the detectors, the zones and the windows' files.
fn run_id(
    input: &WindowsInput,
    selection: &Selection,
    time_zones: &SeriesTimeZones,
) -> Result<String> {
    let mut text = String::new();
    let manifests = selection
        .by_architecture
        .iter()
        .map(|(_, manifest)| manifest);
    for manifest in manifests.chain([&selection.chosen]) {
        text.push_str(&manifest.id());
        text.push_str(&manifest.weights_sha256);
    }
    text.extend(time_zones.identity());
    for file in parquet_files(&input.path)? {
        let bytes = std::fs::read(&file).map_err(cannot("read", &file))?;
        text.push_str(&hex_sha256(&bytes));
    }
    Ok(hex_sha256(text.as_bytes())[..16].to_owned())
}

async fn write_file(
    frame: DataFrame,
    path: &Path,
    count: &mut impl FnMut(&RecordBatch),
) -> Result<PathBuf> {
    let mut file = TableFileWriter::create(path, exported(&frame))?;
    let mut rows = frame.execute_stream().await?;
    while let Some(batch) = rows.next().await {
        count(&file.write(&batch?)?);
    }
    file.finish()?;
    Ok(path.to_owned())
}

async fn write_table(
    settings: &Settings,
    frame: DataFrame,
    count: &mut impl FnMut(&RecordBatch),
) -> Result<PathBuf> {
    let mut writer = settings.writer("anomalog score").await?;
    let table = settings.warehouse.table(Table::ScoredWindows);
    let schema = exported(&frame);
    let time_column = schema.index_of(WINDOW_START)?;
    let mut staged = Staged::begin(&writer)?;
    let folder = staged.folder().join("scores");
    let mut files = DatedTableWriter::create(folder.clone(), schema, time_column)?;
    let mut rows = frame.execute_stream().await?;
    while let Some(batch) = rows.next().await {
        count(&files.write(&batch?)?);
    }
    for date in files.finish()? {
        let file = partition_file(&folder, date);
        staged.put(Table::ScoredWindows, date, &file, Partition::empty())?;
    }
    staged.commit(&mut writer).await?;
    Ok(table)
}
