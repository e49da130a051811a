//! Which detector a query means that names none.

use super::{DetectorError, Manifest};
use crate::network::Architecture;

/// The architectures that a function admits, whether or not its call names a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchitectureFilter {
    /// `lstm_score` and the like.
    Only(Architecture),
    /// `anomaly_score`.
    Any,
}

impl ArchitectureFilter {
    /// Whether detectors of an architecture are asked for.
    pub(super) fn admits(self, architecture: Architecture) -> bool {
        match self {
            Self::Only(only) => only == architecture,
            Self::Any => true,
        }
    }

    /// The filter in a message.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Only(architecture) => format!("{architecture} detector"),
            Self::Any => "detector".to_owned(),
        }
    }
}

/// A metric argument, as far as the query tells what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetricArgument {
    /// The name of a column, or the expression as displayed.
    pub name: String,
    /// Whether it is a plain column; anything else is matched by position only.
    pub is_column: bool,
    /// Whether its values are whole numbers by type: counts, that change by 1 at least.
    pub is_whole: bool,
}

impl MetricArgument {
    fn fits(&self, metric: &str) -> bool {
        !self.is_column || self.name == metric
    }
}

/// The names of arguments, in order.
pub(super) fn names_of(metrics: &[MetricArgument]) -> Vec<String> {
    metrics.iter().map(|metric| metric.name.clone()).collect()
}

/// One version of a detector, or why it cannot be read.
#[derive(Debug)]
pub struct StoredDetector {
    /// Name of the detector.
    pub name: String,
    /// Version.
    pub version: u32,
    /// Whether `name` alone means this version.
    pub is_current: bool,
    /// Whether it came with the program: its metric and its step stand for any.
    pub is_shipped: bool,
    /// The manifest.
    pub manifest: Result<Manifest, DetectorError>,
}

/// Where a detector is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Stored(String, u32),
    Shipped(Architecture),
}

/// The current detector whose architecture and metrics fit. Where several fit, it is the one named
/// like its architecture; where none does, the shipped one whose forecasts improve most on the
/// trailing median.
///
/// # Errors
/// When there is none, several, or none fits and one cannot be read.
pub(super) fn fitting(
    listed: Vec<StoredDetector>,
    filter: ArchitectureFilter,
    metrics: &[MetricArgument],
) -> Result<Place, DetectorError> {
    let mut fitting = Vec::new();
    let mut shipped = Vec::new();
    for entry in listed.iter().filter(|entry| entry.is_current) {
        match &entry.manifest {
            Ok(manifest) if !filter.admits(manifest.architecture) => {}
            Ok(manifest) if entry.is_shipped => shipped.push(manifest),
            Ok(manifest) if takes(manifest, metrics) => fitting.push(manifest),
            Ok(_) | Err(_) => {}
        }
    }
    let preferred = fitting.iter().find(|manifest| match filter {
        ArchitectureFilter::Only(architecture) => manifest.name == architecture.name(),
        ArchitectureFilter::Any => false,
    });
    match (preferred, fitting.as_slice()) {
        (Some(manifest), _) | (None, [manifest]) => {
            return Ok(Place::Stored(manifest.name.clone(), manifest.version));
        }
        (None, []) => {}
        (None, several) => {
            return Err(DetectorError::Ambiguous {
                names: several.iter().map(|manifest| manifest.id()).collect(),
            });
        }
    }
    let best = best_forecast(&shipped).map(|manifest| Place::Shipped(manifest.architecture));
    let none = DetectorError::NoMatch {
        wanted: filter.describe(),
        metrics: names_of(metrics),
        available: available(&listed),
    };
    let current = listed.into_iter().filter(|entry| entry.is_current);
    match current.filter_map(|entry| entry.manifest.err()).last() {
        // A detector that cannot be read may be the one that was meant.
        Some(damaged) => Err(damaged),
        None => best.ok_or(none),
    }
}

/// `name(metrics)` of every current detector that can be read, then the shipped ones.
pub(super) fn available(listed: &[StoredDetector]) -> Vec<String> {
    let mut available = Vec::new();
    let mut shipped = Vec::new();
    for entry in listed.iter().filter(|entry| entry.is_current) {
        let Ok(manifest) = &entry.manifest else {
            continue;
        };
        if entry.is_shipped {
            shipped.push(manifest.name.as_str());
        } else {
            available.push(format!(
                "{}({})",
                manifest.name,
                manifest.metrics.join(", ")
            ));
        }
    }
    if !shipped.is_empty() {
        available.push(format!("shipped for any metrics: {}", shipped.join(", ")));
    }
    available
}

/// The one whose forecasts improve most on the trailing median.
fn best_forecast<'a>(manifests: &[&'a Manifest]) -> Option<&'a Manifest> {
    let error = |manifest: &Manifest| manifest.relative_error().unwrap_or(f64::INFINITY);
    manifests
        .iter()
        .copied()
        .min_by(|one, other| error(one).total_cmp(&error(other)))
}

/// Whether a detector takes these arguments in this order.
pub(super) fn takes(manifest: &Manifest, metrics: &[MetricArgument]) -> bool {
    manifest.metrics.len() == metrics.len()
        && manifest
            .metrics
            .iter()
            .zip(metrics)
            .all(|(metric, given)| given.fits(metric))
}
