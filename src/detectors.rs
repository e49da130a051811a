//! Which detectors can score a table, and which of them decides.

use std::collections::BTreeSet;

use anomalog_udfs::detector::{DetectorError, DetectorStore, Manifest};
use anomalog_udfs::models::Architecture;

/// The detectors that score a table.
#[derive(Debug, Clone)]
pub struct Selection {
    /// One per architecture that has a fitting detector, in the order of [`Architecture::ALL`].
    pub by_architecture: Vec<(Architecture, Manifest)>,
    /// The one that decides what is an anomaly.
    pub chosen: Manifest,
}

/// Picks detectors for a table with these columns; `None` if there are none.
///
/// Per architecture it is the current version that reads the most columns of the table, the one
/// named like its architecture where several do. Of those, the one with the smallest forecast
/// error relative to the trailing median decides, unless `chosen` names another.
///
/// # Errors
/// When detectors cannot be read, or `chosen` does not exist.
pub fn select(
    store: &DetectorStore,
    columns: &BTreeSet<String>,
    chosen: Option<&str>,
) -> Result<Option<Selection>, DetectorError> {
    let mut current = Vec::new();
    for entry in store.list()?.into_iter().filter(|entry| entry.is_current) {
        let manifest = entry.manifest?;
        if manifest
            .metrics
            .iter()
            .all(|metric| columns.contains(metric))
        {
            current.push(manifest);
        }
    }
    let by_architecture: Vec<_> = Architecture::ALL
        .into_iter()
        .filter_map(|architecture| Some((architecture, best_of(&current, architecture)?.clone())))
        .collect();
    let chosen = match chosen {
        Some(reference) => Some(store.get(&reference.parse()?)?.manifest().clone()),
        None => widest(by_architecture.iter().map(|(_, manifest)| manifest)).cloned(),
    };
    Ok(chosen.map(|chosen| Selection {
        by_architecture,
        chosen,
    }))
}

fn best_of(current: &[Manifest], architecture: Architecture) -> Option<&Manifest> {
    current
        .iter()
        .filter(|manifest| manifest.architecture == architecture)
        .max_by_key(|manifest| (manifest.metrics.len(), manifest.name == architecture.name()))
}

/// Most metrics first, then the best forecast; the first of equals.
fn widest<'a>(manifests: impl Iterator<Item = &'a Manifest>) -> Option<&'a Manifest> {
    manifests.reduce(|best, next| {
        let by_metrics = next.metrics.len().cmp(&best.metrics.len());
        let by_error = relative_error(best).total_cmp(&relative_error(next));
        if by_metrics.then(by_error).is_gt() {
            next
        } else {
            best
        }
    })
}

fn relative_error(manifest: &Manifest) -> f64 {
    manifest.validation.detector / manifest.validation.trailing_median
}
