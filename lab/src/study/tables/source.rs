//! What tables are made from.

use crate::study::lines::StudyLines;
use crate::study::plan::Plan;
use crate::study::views::View;

/// A study that is complete.
pub(super) struct Study<'a> {
    pub(super) lines: &'a StudyLines,
    pub(super) plan: &'a Plan,
    pub(super) views: &'a [View<'a>],
    /// Series that nothing was chosen on.
    pub(super) untouched: Option<View<'a>>,
}
