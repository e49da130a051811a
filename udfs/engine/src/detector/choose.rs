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
/// When several fit, or none does and one cannot be read or none is shipped.
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
            Ok(manifest) if takes(&manifest.metrics, metrics) => fitting.push(manifest),
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

/// Whether a judge of some metrics takes these arguments in this order.
pub(super) fn takes(names: &[String], metrics: &[MetricArgument]) -> bool {
    names.len() == metrics.len()
        && names
            .iter()
            .zip(metrics)
            .all(|(name, given)| given.fits(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Objective;
    use crate::fixture;

    const LSTM: ArchitectureFilter = ArchitectureFilter::Only(Architecture::Lstm);

    /// The current version of an LSTM on `requests`.
    fn stored(name: &str) -> StoredDetector {
        entry(name, Ok(manifest(name, Architecture::Lstm)))
    }

    /// A current version whose file cannot be read.
    fn damaged(name: &str) -> StoredDetector {
        entry(name, Err(DetectorError::Reference(name.to_owned())))
    }

    fn old(entry: StoredDetector) -> StoredDetector {
        StoredDetector {
            is_current: false,
            ..entry
        }
    }

    /// A detector that came with the program, by its error as a share of the trailing median's.
    fn shipped(architecture: Architecture, relative_error: f64) -> StoredDetector {
        let mut manifest = manifest("shipped", architecture);
        if let Objective::Forecast(forecasting) = &mut manifest.objective {
            forecasting.validation.detector = relative_error;
            forecasting.validation.trailing_median = 1.0;
        }
        StoredDetector {
            is_shipped: true,
            ..entry("shipped", Ok(manifest))
        }
    }

    fn manifest(name: &str, architecture: Architecture) -> Manifest {
        fixture::manifest(name, architecture, &["requests"])
    }

    fn entry(name: &str, manifest: Result<Manifest, DetectorError>) -> StoredDetector {
        StoredDetector {
            name: name.to_owned(),
            version: 1,
            is_current: true,
            is_shipped: false,
            manifest,
        }
    }

    /// What a call for a column means, errors as their messages.
    fn chosen_for(
        column: &str,
        listed: impl IntoIterator<Item = StoredDetector>,
        filter: ArchitectureFilter,
    ) -> Result<Place, String> {
        let metric = MetricArgument {
            name: column.to_owned(),
            is_column: true,
            is_whole: true,
        };
        fitting(listed.into_iter().collect(), filter, &[metric]).map_err(|error| error.to_string())
    }

    fn chosen(
        listed: impl IntoIterator<Item = StoredDetector>,
        filter: ArchitectureFilter,
    ) -> Result<Place, String> {
        chosen_for("requests", listed, filter)
    }

    fn first(name: &str) -> Place {
        Place::Stored(name.to_owned(), 1)
    }

    fn unreadable(name: &str) -> String {
        DetectorError::Reference(name.to_owned()).to_string()
    }

    #[test]
    fn several_that_fit_are_told_in_the_order_of_the_list() {
        assert_eq!(
            chosen([stored("night"), stored("day")], LSTM),
            Err("several detectors take these metrics: night@1, day@1".to_owned())
        );
    }

    #[test]
    fn of_several_the_one_named_like_the_architecture_is_meant() {
        assert_eq!(
            chosen([stored("day"), stored("lstm")], LSTM),
            Ok(first("lstm"))
        );
    }

    #[test]
    fn no_name_is_preferred_where_any_architecture_will_do() {
        assert_eq!(
            chosen([stored("day"), stored("lstm")], ArchitectureFilter::Any),
            Err("several detectors take these metrics: day@1, lstm@1".to_owned())
        );
    }

    #[test]
    fn one_that_fits_is_meant_whatever_cannot_be_read() {
        assert_eq!(
            chosen([stored("day"), damaged("night")], LSTM),
            Ok(first("day"))
        );
    }

    #[test]
    fn what_cannot_be_read_may_be_meant_rather_than_a_shipped_one() {
        let shipped = shipped(Architecture::Lstm, 0.5);
        assert_eq!(
            chosen([damaged("day"), shipped], LSTM),
            Err(unreadable("day"))
        );
    }

    #[test]
    fn of_several_that_cannot_be_read_the_last_is_told() {
        assert_eq!(
            chosen([damaged("day"), damaged("night")], LSTM),
            Err(unreadable("night"))
        );
    }

    #[test]
    fn where_none_fits_the_best_shipped_one_is_meant() {
        let listed = [
            stored("day"),
            shipped(Architecture::Lstm, 0.9),
            shipped(Architecture::Gru, 0.7),
            shipped(Architecture::Rnn, 0.8),
        ];
        assert_eq!(
            chosen_for("bytes", listed, ArchitectureFilter::Any),
            Ok(Place::Shipped(Architecture::Gru))
        );
    }

    #[test]
    fn versions_that_are_not_current_are_not_meant() {
        assert_eq!(
            chosen([old(stored("lstm")), stored("day")], LSTM),
            Ok(first("day"))
        );
    }

    #[test]
    fn versions_that_are_not_current_need_not_be_readable() {
        let listed = [old(damaged("day")), shipped(Architecture::Lstm, 0.5)];
        assert_eq!(chosen(listed, LSTM), Ok(Place::Shipped(Architecture::Lstm)));
    }

    #[test]
    fn where_there_is_nothing_nothing_matches() {
        assert_eq!(
            chosen([], LSTM),
            Err("there is no lstm detector for (requests); no detectors exist yet".to_owned())
        );
    }
}
