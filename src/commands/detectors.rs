//! `anomalog detectors`: what has been trained, and which of it scores.

use std::fmt;
use std::sync::Arc;

use anomalog_engine::detector::DetectorStore;
use anomalog_engine::detector::{
    ClassifierValidation, DetectorRef, GateValidation, Gating, Manifest, Objective, StoredDetector,
    Training, Validation, shipped,
};
use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use serde::Serialize;

use super::error::{Fault, Result};
use super::settings::Settings;
use crate::cli::{DetectorsArgs, DetectorsCommand};
use crate::detectors::champions::{Champions, Decision};
use crate::explain::chain;

/// Runs `anomalog detectors`.
///
/// # Errors
/// When detectors cannot be read, the one named does not exist, or one that is verified is not whole.
pub async fn run(settings: &Settings, args: DetectorsArgs) -> Result<()> {
    let store = DetectorStore::open(settings.warehouse.detectors());
    match args.command {
        DetectorsCommand::List => list(settings, &store),
        DetectorsCommand::History => history(settings),
        DetectorsCommand::Verify { detectors } => verify(settings, &store, &detectors),
        DetectorsCommand::Promote { detector } => {
            let reference: DetectorRef = detector.parse()?;
            let _writer = settings.writer("anomalog detectors promote").await?;
            let chosen = DetectorStore::promote(&settings.warehouse.detectors(), &reference)?;
            tell_choice(settings, chosen)
        }
        DetectorsCommand::Rollback { name } => {
            let _writer = settings.writer("anomalog detectors rollback").await?;
            let chosen = DetectorStore::roll_back(&settings.warehouse.detectors(), &name)?;
            tell_choice(settings, chosen)
        }
        DetectorsCommand::Show { detector } => {
            // Loading verifies digest and shapes.
            let detector = store.get(&detector.parse()?)?;
            Ok(settings.printer.answer(&Shown(detector.manifest()))?)
        }
    }
}

/// A version that is current now.
#[derive(Serialize)]
struct Chosen {
    name: String,
    version: u32,
    before: Option<u32>,
    /// The first date that `anomalog run` will score with it, where that trains challengers.
    scores_from: Option<String>,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, .. } = self;
        match self.before {
            Some(before) if before == *version => {
                write!(f, "{name}@{version} was current already")?;
            }
            Some(before) => {
                write!(
                    f,
                    "{name}@{version} is current, before it was {name}@{before}"
                )?;
            }
            None => write!(f, "{name}@{version} is current")?,
        }
        match &self.scores_from {
            Some(date) => write!(
                f,
                "; the next `anomalog run` scores the dates from {date} on with it"
            ),
            None => Ok(()),
        }
    }
}

fn tell_choice(settings: &Settings, (manifest, before): (Manifest, Option<u32>)) -> Result<()> {
    let mut champions = Champions::load(&settings.warehouse)?;
    let from = champions.choose(&manifest.name, manifest.version);
    if from.is_some() {
        champions.save(&settings.warehouse)?;
    }
    Ok(settings.printer.answer(&Chosen {
        before,
        version: manifest.version,
        scores_from: from.map(|date| date.to_string()),
        name: manifest.name,
    })?)
}

/// What became of each version that was looked at.
#[derive(Serialize)]
struct Verified {
    detectors: Vec<VerifiedVersion>,
}

#[derive(Serialize)]
struct VerifiedVersion {
    detector: String,
    fault: Option<String>,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, version) in self.detectors.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            match &version.fault {
                None => write!(f, "{}: whole", version.detector)?,
                Some(fault) => write!(f, "{}: {fault}", version.detector)?,
            }
        }
        Ok(())
    }
}

fn verify(settings: &Settings, store: &DetectorStore, asked: &[String]) -> Result<()> {
    let asked: Vec<DetectorRef> = asked
        .iter()
        .map(|text| text.parse())
        .collect::<std::result::Result<_, _>>()?;
    let entries = store.list()?;
    let means = |reference: &DetectorRef, entry: &StoredDetector| {
        entry.name == reference.name
            && reference
                .version
                .is_none_or(|version| version == entry.version)
    };
    for reference in &asked {
        if !entries.iter().any(|entry| means(reference, entry)) {
            // Says which there are.
            store.get(reference)?;
        }
    }
    let is_asked = |entry: &&StoredDetector| {
        asked.is_empty() || asked.iter().any(|reference| means(reference, entry))
    };
    let detectors = entries.iter().filter(is_asked).map(|entry| {
        let reference = DetectorRef {
            name: entry.name.clone(),
            version: Some(entry.version),
            step_micros: None,
            metrics: None,
        };
        let fault = match &entry.manifest {
            Err(error) => Some(chain(error)),
            // Loading verifies digest and shapes.
            Ok(_) => store
                .get(&reference)
                .err()
                .as_ref()
                .map(|error| chain(error)),
        };
        VerifiedVersion {
            detector: reference.to_string(),
            fault,
        }
    });
    let verified = Verified {
        detectors: detectors.collect(),
    };
    settings.printer.answer(&verified)?;
    let damaged = verified.detectors.iter().filter(|one| one.fault.is_some());
    match damaged.count() {
        0 => Ok(()),
        damaged => Err(Fault::DamagedDetectors {
            damaged,
            of: verified.detectors.len(),
        }
        .into()),
    }
}

/// The decisions of `anomalog run`.
#[derive(Serialize)]
struct History {
    decisions: Vec<Decided>,
}

#[derive(Serialize)]
struct Decided {
    from: String,
    #[serde(flatten)]
    decision: Decision,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.decisions.is_empty() {
            return f.write_str(
                "no challenger was due yet: `[retrain] every = \"7d\"` in the job file has them trained",
            );
        }
        for (number, decided) in self.decisions.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "from {} on: {}", decided.from, decided.decision)?;
        }
        Ok(())
    }
}

fn history(settings: &Settings) -> Result<()> {
    let champions = Champions::load(&settings.warehouse)?;
    let decisions = champions.decisions().map(|(from, decision)| Decided {
        from: from.to_string(),
        decision: decision.clone(),
    });
    Ok(settings.printer.answer(&History {
        decisions: decisions.collect(),
    })?)
}

fn list(settings: &Settings, store: &DetectorStore) -> Result<()> {
    let entries = store.list()?;
    if settings.printer.is_json() {
        let listed = entries.iter().map(Listed::of).collect();
        return Ok(settings.printer.answer(&Listing { detectors: listed })?);
    }
    Ok(settings.printer.table(&[table(&entries)?])?)
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
        let manifest = entry.manifest.as_ref().ok()?;
        let error = manifest.forecasting().and(manifest.relative_error())?;
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
        let training = &manifest.training;
        let calibrated = match &manifest.objective {
            Objective::Forecast(forecasting) => Some(forecasting.validation.windows),
            Objective::Classify(classifying) => Some(classifying.validation.windows),
            Objective::Gate(_) => None,
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
        match calibrated {
            Some(windows) => write_ranges(f, training, windows)?,
            // What it learned from is made up, and in no time.
            None => writeln!(
                f,
                "trained on      {} windows of {} made-up sites, {} steps, seed {}",
                training.rows, training.series, training.steps, training.seed
            )?,
        }
        match &manifest.objective {
            Objective::Forecast(forecasting) => write_forecasts(f, &forecasting.validation)?,
            Objective::Classify(classifying) => write_classes(f, &classifying.validation)?,
            Objective::Gate(gating) => write_gate(f, gating)?,
        }
        writeln!(
            f,
            "threshold       {} false alarms per series and week",
            manifest.threshold.false_alarms_per_week
        )?;
        write!(f, "weights         sha256 {}", manifest.weights_sha256)
    }
}

fn write_ranges(f: &mut fmt::Formatter<'_>, training: &Training, calibrated: usize) -> fmt::Result {
    let time = |micros| crate::units::rfc_3339(micros);
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
        "  calibration   until {}, {calibrated} windows",
        time(training.until_micros),
    )
}

fn write_gate(f: &mut fmt::Formatter<'_>, gating: &Gating) -> fmt::Result {
    let GateValidation {
        windows,
        loss,
        constant_loss,
    } = gating.validation;
    writeln!(
        f,
        "loss            {loss:.4} on {windows} windows held back (a constant {constant_loss:.4})"
    )?;
    writeln!(
        f,
        "gate            rates to the power of {} to {}, halfway at log-odds of {}",
        gating.floor, gating.ceiling, gating.center
    )
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
