//! Series that nothing is learned from.

use serde::Serialize;

/// A series that takes no part, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedSeries {
    /// Its key.
    pub series: String,
    /// Why.
    pub reason: String,
}

/// Names the first few series, each with its reason.
pub(super) fn describe(skipped: &[SkippedSeries]) -> String {
    const SHOWN: usize = 5;
    if skipped.is_empty() {
        return "there are no rows".to_owned();
    }
    let mut text: Vec<String> = skipped
        .iter()
        .take(SHOWN)
        .map(|skip| format!("`{}` {}", skip.series, skip.reason))
        .collect();
    if skipped.len() > SHOWN {
        text.push(format!("and {} more", skipped.len() - SHOWN));
    }
    text.join(", ")
}
