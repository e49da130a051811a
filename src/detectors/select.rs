//! Which detectors can score a table, and which of them decides.

use std::collections::BTreeSet;

use anomalog_engine::detector::{
    DetectorError, DetectorRef, DetectorStore, Manifest, StoredDetector, shipped,
};
use anomalog_engine::network::Architecture;

/// The detectors that score a table.
#[derive(Debug, Clone)]
pub struct Selection {
    /// One per architecture that has a fitting detector, in the order of [`Architecture::ALL`].
    pub by_architecture: Vec<(Architecture, Manifest)>,
    /// The one that decides what is an anomaly.
    pub chosen: Manifest,
}

/// The columns that shipped detectors score unless they are told, as far as a table has them: how much
/// is asked for, what fails and what is late.
const DEFAULT_METRICS: [&str; 4] = ["requests", "client_errors", "server_errors", "latency_p95"];

/// What to pick detectors by.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Numeric columns of the table.
    pub columns: &'a BTreeSet<String>,
    /// Columns that shipped detectors score; the default ones, or the only one, if there are none.
    pub metrics: &'a [String],
    /// The detector that decides, as `name`, `name@version`, or shipped with a step.
    pub chosen: Option<&'a str>,
    /// Length of the windows that shipped detectors score, in microseconds, where the one that decides
    /// does not say it; else that of the store.
    pub step_micros: Option<i64>,
    /// A detector that takes no part unless it is named.
    pub without: Option<&'a str>,
}

/// Picks detectors for a table; `None` if there are none.
///
/// Per architecture it is the current version that reads the most columns of the table, the one
/// named like its architecture where several do. Of those, the one with the smallest relative
/// error decides, a classifier only where there is nothing else,
/// unless another is named. Where no detector was
/// trained for such columns, the shipped ones score.
///
/// # Errors
/// When detectors cannot be read, or the one named does not exist.
pub fn select(
    store: &DetectorStore,
    wanted: Wanted<'_>,
) -> Result<Option<Selection>, DetectorError> {
    let reference: Option<DetectorRef> = wanted.chosen.map(str::parse).transpose()?;
    let step = reference.as_ref().and_then(|chosen| chosen.step_micros);
    let step = step.or(wanted.step_micros);
    let mut current = Vec::new();
    let mut shipped = Vec::new();
    let entries = store.list()?.into_iter();
    let takes_part =
        |entry: &StoredDetector| entry.is_current && Some(entry.name.as_str()) != wanted.without;
    for entry in entries.filter(takes_part) {
        if entry.is_shipped {
            shipped.extend(bound(store, entry.manifest?, wanted, step));
            continue;
        }
        let manifest = entry.manifest?;
        if manifest
            .metrics
            .iter()
            .all(|metric| wanted.columns.contains(metric))
        {
            current.push(manifest);
        }
    }
    if current.is_empty() {
        current = shipped;
    }
    let by_architecture: Vec<_> = Architecture::ALL
        .into_iter()
        .filter_map(|architecture| Some((architecture, best_of(&current, architecture)?.clone())))
        .collect();
    let chosen = match reference {
        Some(reference) => {
            let manifest = store.get(&reference)?.manifest().clone();
            if shipped::is_shipped(&manifest.name) {
                bound(store, manifest, wanted, step)
            } else {
                Some(manifest)
            }
        }
        None => widest(by_architecture.iter().map(|(_, manifest)| manifest)).cloned(),
    };
    Ok(chosen.map(|chosen| Selection {
        by_architecture,
        chosen,
    }))
}

/// The manifest of a shipped detector with the metrics and the step that it is to score.
fn bound(
    store: &DetectorStore,
    mut manifest: Manifest,
    wanted: Wanted<'_>,
    step_micros: Option<i64>,
) -> Option<Manifest> {
    let only = || {
        wanted
            .columns
            .iter()
            .next()
            .filter(|_| wanted.columns.len() == 1)
    };
    let there = DEFAULT_METRICS
        .iter()
        .filter(|metric| wanted.columns.contains(**metric));
    let defaults: Vec<String> = there.map(|metric| (*metric).to_owned()).collect();
    manifest.metrics = match (wanted.metrics, defaults.as_slice()) {
        ([], []) => vec![only()?.clone()],
        ([], _) => defaults,
        (metrics, _) => metrics.to_vec(),
    };
    let step_micros = step_micros.or(store.shipped_step_micros())?;
    manifest.layout = manifest.layout.with_step(step_micros);
    Some(manifest)
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
        let error = |manifest: &Manifest| manifest.relative_error().unwrap_or(f64::INFINITY);
        let by_error = error(best).total_cmp(&error(next));
        if by_metrics.then(by_error).is_gt() {
            next
        } else {
            best
        }
    })
}
