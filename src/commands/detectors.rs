//! `anomalog detectors`: what has been trained.

use std::fmt;
use std::sync::Arc;

use anomalog_udfs::DetectorStore;
use anomalog_udfs::detector::{
    ClassifierValidation, Manifest, Objective, StoredDetector, Validation, shipped,
};
use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use serde::Serialize;

use super::Settings;
use crate::cli::{DetectorsArgs, DetectorsCommand};
use crate::error::Result;

/// Runs `anomalog detectors`.
///
/// # Errors
/// When detectors cannot be read, or the one named does not exist.
pub fn run(settings: &Settings, args: DetectorsArgs) -> Result<()> {
    let store = DetectorStore::open(settings.warehouse.detectors());
    match args.command {
        DetectorsCommand::List => list(settings, &store),
        DetectorsCommand::Show { detector } => {
            // Loading verifies digest and shapes.
            let detector = store.get(&detector.parse()?)?;
            settings.printer.answer(&Shown(detector.manifest()))
        }
    }
}

fn list(settings: &Settings, store: &DetectorStore) -> Result<()> {
    let entries = store.list()?;
    if settings.printer.is_json() {
        let listed = entries.iter().map(Listed::of).collect();
        return settings.printer.answer(&Listing { detectors: listed });
    }
    settings.printer.table(&[table(&entries)?])
}

#[derive(Serialize)]
struct Listing<'a> {
    detectors: Vec<Listed<'a>>,
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} detectors", self.detectors.len())
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    version: u32,
    is_current: bool,
    is_shipped: bool,
    architecture: Option<String>,
    objective: Option<&'static str>,
    metrics: &'a [String],
    fault: Option<String>,
}

impl<'a> Listed<'a> {
    fn of(entry: &'a StoredDetector) -> Self {
        let manifest = entry.manifest.as_ref();
        Self {
            name: &entry.name,
            version: entry.version,
            is_current: entry.is_current,
            is_shipped: entry.is_shipped,
            architecture: manifest
                .ok()
                .map(|manifest| manifest.architecture.to_string()),
            objective: manifest.ok().map(|manifest| manifest.objective.name()),
            metrics: match manifest {
                // Theirs stands for any.
                Ok(manifest) if !entry.is_shipped => &manifest.metrics,
                _ => &[],
            },
            fault: manifest.err().map(ToString::to_string),
        }
    }
}

fn table(entries: &[StoredDetector]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&Manifest) -> String| -> ArrayRef {
        let values = entries
            .iter()
            .map(|entry| Some(value(entry.manifest.as_ref().ok()?)));
        Arc::new(values.collect::<StringArray>())
    };
    let errors = entries.iter().map(|entry| {
        let error = entry.manifest.as_ref().ok()?.relative_error()?;
        Some(format!("{error:.3}"))
    });
    // Shipped detectors serve all metrics and steps.
    let unless_shipped = |value: &dyn Fn(&Manifest) -> String| -> ArrayRef {
        let values = entries.iter().map(|entry| match &entry.manifest {
            Ok(_) if entry.is_shipped => Some("any".to_owned()),
            Ok(manifest) => Some(value(manifest)),
            Err(_) => None,
        });
        Arc::new(values.collect::<StringArray>())
    };
    let names = entries.iter().map(|entry| Some(&entry.name));
    let versions = entries.iter().map(|entry| i64::from(entry.version));
    let current = entries.iter().map(|entry| Some(entry.is_current));
    let status = entries.iter().map(|entry| match &entry.manifest {
        Ok(_) if entry.is_shipped => Some("shipped".to_owned()),
        Ok(_) => Some("readable".to_owned()),
        Err(error) => Some(error.to_string()),
    });
    let columns: [(&str, ArrayRef); 9] = [
        ("name", Arc::new(names.collect::<StringArray>())),
        ("version", Arc::new(versions.collect::<Int64Array>())),
        ("current", Arc::new(current.collect::<BooleanArray>())),
        (
            "architecture",
            text(&|manifest| manifest.architecture.to_string()),
        ),
        (
            "objective",
            text(&|manifest| manifest.objective.name().to_owned()),
        ),
        (
            "metrics",
            unless_shipped(&|manifest| manifest.metrics.join(", ")),
        ),
        (
            "step",
            unless_shipped(&|manifest| format!("{} s", manifest.layout.step_micros / 1_000_000)),
        ),
        ("error_vs_median", Arc::new(errors.collect::<StringArray>())),
        ("status", Arc::new(status.collect::<StringArray>())),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// A manifest: JSON as stored, or the main facts for people.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown<'a>(&'a Manifest);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = self.0;
        let time = |micros| crate::units::rfc_3339(micros);
        let training = &manifest.training;
        let calibrated = match &manifest.objective {
            Objective::Forecast(forecasting) => forecasting.validation.windows,
            Objective::Classify(classifying) => classifying.validation.windows,
        };
        writeln!(f, "detector        {}", manifest.id())?;
        writeln!(
            f,
            "architecture    {}, hidden {}",
            manifest.architecture, manifest.hidden_size
        )?;
        writeln!(f, "objective       {}", manifest.objective.name())?;
        if shipped::is_shipped(&manifest.name) {
            writeln!(f, "metrics         any, each by itself")?;
            writeln!(f, "window step     any")?;
        } else {
            writeln!(f, "metrics         {}", manifest.metrics.join(", "))?;
            writeln!(
                f,
                "window step     {} s",
                manifest.layout.step_micros / 1_000_000
            )?;
        }
        writeln!(
            f,
            "trained on      {} rows of {} series, {} to {}",
            training.rows,
            training.series,
            time(training.from_micros),
            time(training.until_micros)
        )?;
        writeln!(
            f,
            "  weights       until {}, {} steps, seed {}",
            time(training.fit_until_micros),
            training.steps,
            training.seed
        )?;
        if let Some(source) = &training.began_with {
            writeln!(f, "  began with    {source}")?;
        }
        writeln!(
            f,
            "  stopping      until {}",
            time(training.stop_until_micros)
        )?;
        writeln!(
            f,
            "  calibration   until {}, {} windows",
            time(training.until_micros),
            calibrated
        )?;
        match &manifest.objective {
            Objective::Forecast(forecasting) => write_forecasts(f, &forecasting.validation)?,
            Objective::Classify(classifying) => write_classes(f, &classifying.validation)?,
        }
        writeln!(
            f,
            "threshold       {} false alarms per series and week",
            manifest.threshold.false_alarms_per_week
        )?;
        write!(f, "weights         sha256 {}", manifest.weights_sha256)
    }
}

fn write_forecasts(f: &mut fmt::Formatter<'_>, validation: &Validation) -> fmt::Result {
    writeln!(
        f,
        "stopping loss   {:.4} (untrained {:.4})",
        validation.stop_loss, validation.untrained_stop_loss
    )?;
    writeln!(
        f,
        "mean error      {:.4} scales (trailing median {:.4}, previous value {:.4})",
        validation.detector, validation.trailing_median, validation.previous_value
    )
}

fn write_classes(f: &mut fmt::Formatter<'_>, validation: &ClassifierValidation) -> fmt::Result {
    if let Some((loss, untrained)) = validation.stop_loss.zip(validation.untrained_stop_loss) {
        writeln!(f, "stopping loss   {loss:.4} (untrained {untrained:.4})")?;
    }
    writeln!(
        f,
        "held back       {} of {} labelled windows found, {} false alarms",
        validation.found, validation.anomalous, validation.false_alarms
    )
}
