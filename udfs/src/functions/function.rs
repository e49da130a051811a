//! The functions, by name, and who judges for them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use anomalog_engine::detector::{
    ArchitectureFilter, DetectorError, DetectorRef, DetectorStore, MetricArgument,
};
use anomalog_engine::network::Architecture;
use anomalog_engine::score::Judge;

use super::result::Output;

/// The judge that a function asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// A detector with one of these networks.
    Detector(ArchitectureFilter),
    /// The baseline, with no network.
    Baseline,
}

/// One of the twelve functions, in either form.
#[derive(Debug, Clone)]
pub(super) struct AnomalyFunction {
    pub(super) name: &'static str,
    pub(super) asked: Asked,
    pub(super) output: Output,
    pub(super) store: Arc<DetectorStore>,
}

impl AnomalyFunction {
    /// All of them, over one store.
    pub(super) fn all(store: &Arc<DetectorStore>) -> Vec<Self> {
        use ArchitectureFilter::{Any, Only};
        let names = [
            ("rnn_score", "rnn_detect", Only(Architecture::Rnn)),
            ("lstm_score", "lstm_detect", Only(Architecture::Lstm)),
            ("gru_score", "gru_detect", Only(Architecture::Gru)),
            ("clstm_score", "clstm_detect", Only(Architecture::Clstm)),
            ("anomaly_score", "anomaly_detect", Any),
        ]
        .map(|(score, detect, filter)| (score, detect, Asked::Detector(filter)));
        let baseline = ("baseline_score", "baseline_detect", Asked::Baseline);
        names
            .into_iter()
            .chain([baseline])
            .flat_map(|(score, detect, asked)| {
                [(score, Output::Score), (detect, Output::Detect)].map(|(name, output)| Self {
                    name,
                    asked,
                    output,
                    store: Arc::clone(store),
                })
            })
            .collect()
    }

    /// The judge of a call.
    ///
    /// # Errors
    /// When there is none, or the one named is another than the function asks for.
    pub(super) fn find(
        &self,
        reference: Option<&DetectorRef>,
        metrics: &[MetricArgument],
    ) -> Result<Judge, DetectorError> {
        match self.asked {
            Asked::Detector(filter) => self
                .store
                .resolve(reference, filter, metrics)
                .map(Judge::Detector),
            Asked::Baseline => Judge::baseline(&self.store, reference, metrics),
        }
    }

    /// A reference as a call writes it, for messages.
    pub(super) fn example_reference(&self) -> &'static str {
        match self.asked {
            Asked::Detector(_) => "'lstm' or 'lstm@1'",
            Asked::Baseline => "'baseline:5m'",
        }
    }
}

// Two functions of one name over the same store are the same function: plans compare them.
impl PartialEq for AnomalyFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.store, &other.store)
    }
}

impl Eq for AnomalyFunction {}

impl Hash for AnomalyFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        Arc::as_ptr(&self.store).hash(state);
    }
}
