//! `anomalog demo`: the main job in one go, on the sample of simulated logs.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::error::Result;
use super::settings::Settings;
use super::{ingest, score};
use crate::cli::{IngestArgs, LogArgs, ScoreArgs};
use crate::explain::cannot;
use crate::schema::Table;
use crate::session::queries::Query;
use crate::simulation::{self, Simulation, simulate};

/// The sample as it lies in the repository; elsewhere the same logs are simulated.
const SAMPLE: &str = "data/sample";
/// The settings that the sample was made with: see `data/README.md`.
const SAMPLE_START: DateTime<Utc> =
    DateTime::from_timestamp(1_772_409_600, 0).expect("2026-03-02T00:00:00Z is a point in time");
const SAMPLE_SEED: u64 = 7;
const SAMPLE_SCALE: f64 = 0.32;

/// Runs `anomalog demo`.
///
/// # Errors
/// When a step fails.
pub async fn run(settings: &Settings) -> Result<()> {
    let printer = settings.printer;
    let sample = sample(settings)?;
    printer.note(format!("1. reading the logs in `{}`", sample.display()));
    let ingested =
        ingest::ingest(settings, ingest_arguments(sample.join(simulation::LOGS))).await?;
    printer.note(&ingested);
    copy_labels(settings, &sample)?;

    printer.note("\n2. scoring with the detectors that come with the program");
    let scored = score::score(settings, ScoreArgs::default()).await?;
    printer.note(&scored);

    if printer.is_json() {
        return Ok(printer.answer(&Demonstration { ingested, scored })?);
    }
    let session = settings.open().await?;
    for (title, query) in [
        (
            "3. the strongest anomalies beside what was simulated (`nines`: 3 is a score of 0.999)",
            Query::DemoEvents,
        ),
        (
            "4. the simulated anomalies and the best score of each detector in them, in nines",
            Query::DemoLabels,
        ),
    ] {
        printer.note(format!("\n{title}\n{}", query.text().trim_end()));
        let rows = session.context().sql(query.text()).await?.collect().await?;
        printer.table(&rows)?;
    }
    printer.note(format!(
        "\nThe scored windows lie in `{}`. Ask more of them:\n  anomalog --warehouse {} sql \
         'SELECT * FROM scored_windows WHERE is_anomaly'",
        scored.out.display(),
        settings.warehouse.root().display()
    ));
    Ok(())
}

/// What the demo did, for programs.
#[derive(Debug, serde::Serialize)]
struct Demonstration {
    ingested: ingest::Ingested,
    scored: score::WindowsScored,
}

impl std::fmt::Display for Demonstration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.ingested, self.scored)
    }
}

/// The folder of the sample, simulated where it is not at hand.
fn sample(settings: &Settings) -> Result<PathBuf> {
    let folder = PathBuf::from(SAMPLE);
    if folder.join(simulation::LABELS).is_file() {
        return Ok(folder);
    }
    let folder = settings.warehouse.root().join("sample");
    let simulation = Simulation {
        days: 3,
        sites: 3,
        seed: SAMPLE_SEED,
        start: SAMPLE_START.date_naive(),
        scale: SAMPLE_SCALE,
    };
    simulate(&simulation, &folder, &mut |_, _| {})?;
    Ok(folder)
}

fn copy_labels(settings: &Settings, sample: &Path) -> Result<()> {
    let folder = settings.warehouse.table(Table::Labels);
    let destination = folder.join(simulation::LABELS);
    std::fs::create_dir_all(&folder).map_err(cannot("write", &folder))?;
    std::fs::copy(sample.join(simulation::LABELS), &destination)
        .map_err(cannot("write", &destination))?;
    Ok(())
}

fn ingest_arguments(logs: PathBuf) -> IngestArgs {
    IngestArgs::of(LogArgs::of(logs))
}
