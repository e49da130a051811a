//! What a manifest says of the rows that a detector was trained on.

use anomalog_engine::detector::{Training, hex_sha256};

use super::dataset::Dataset;
use super::settings::TrainingSettings;

/// What a manifest says of the rows of several datasets: the ranges of the first, but the end of
/// everything that was seen. Steps and digest are to be filled in.
pub(super) fn manifest_training<'a>(
    settings: &TrainingSettings,
    datasets: impl Iterator<Item = &'a Dataset> + Clone,
    first: &Dataset,
) -> Training {
    let splits = || datasets.clone().map(Dataset::split);
    let split = first.split();
    Training {
        from_micros: splits().map(|split| split.from).min().unwrap_or(split.from),
        fit_until_micros: split.fit_until,
        stop_until_micros: split.stop_until,
        until_micros: splits()
            .map(|split| split.until)
            .max()
            .unwrap_or(split.until),
        series: datasets.clone().map(|dataset| dataset.series().len()).sum(),
        rows: datasets.map(Dataset::rows).sum(),
        seed: settings.seed,
        began_with: settings.began_with.clone(),
        steps: 0,
        input_sha256: String::new(),
    }
}

/// The digest of one dataset, or of those of several.
pub(super) fn input_sha256(digests: &[String]) -> String {
    match digests {
        [one] => one.clone(),
        several => hex_sha256(several.concat().as_bytes()),
    }
}
