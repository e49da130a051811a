//! The step and the metrics of a call, for judges that serve any.

use super::choose::{MetricArgument, takes};

/// What a call binds a judge to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binding {
    pub(crate) step_micros: i64,
    /// Names, and whether their values are whole numbers.
    pub(crate) metrics: Vec<(String, bool)>,
}

impl Binding {
    /// The names of the metrics.
    pub(crate) fn names(&self) -> Vec<String> {
        self.metrics.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Per metric the smallest change that its values can show.
    pub(crate) fn resolutions(&self) -> Vec<f64> {
        let metrics = self.metrics.iter();
        metrics.map(|(_, is_whole)| f64::from(*is_whole)).collect()
    }

    /// Whether these arguments are its metrics, in this order.
    pub(crate) fn takes(&self, metrics: &[MetricArgument]) -> bool {
        takes(&self.names(), metrics)
    }
}
