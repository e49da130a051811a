//! The functions, by name.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use anomalog_engine::detector::{ArchitectureFilter, DetectorStore};
use anomalog_engine::network::Architecture;

use super::result::Output;

/// One of the ten functions, in either form.
#[derive(Debug, Clone)]
pub(super) struct AnomalyFunction {
    pub(super) name: &'static str,
    pub(super) filter: ArchitectureFilter,
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
        ];
        names
            .into_iter()
            .flat_map(|(score, detect, filter)| {
                [(score, Output::Score), (detect, Output::Detect)].map(|(name, output)| Self {
                    name,
                    filter,
                    output,
                    store: Arc::clone(store),
                })
            })
            .collect()
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
