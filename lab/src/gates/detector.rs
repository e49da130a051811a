//! Detectors of gating networks.

use std::collections::HashMap;

use anomalog_engine::detector::{
    Detector, DetectorError, FORMAT_VERSION, GateValidation, Gating, Manifest, Objective,
    ThresholdPolicy, Training,
};
use anomalog_engine::network::{Architecture, GateCell};
use anomalog_engine::series::blocks::BlockLayout;
use candle_core::Tensor;

/// Windows of a minute, which any others take the place of.
const MINUTE_MICROS: i64 = 60_000_000;

/// How the word of a network with a cell is taken.
pub(crate) const fn gating(cell: GateCell) -> Gating {
    Gating {
        cell,
        floor: 0.6,
        ceiling: 1.0,
        center: -2.0,
        held: 5,
        allowance: 3.0,
        validation: GateValidation {
            windows: 0,
            loss: f64::NAN,
            constant_loss: f64::NAN,
        },
    }
}

/// A detector of one metric, which stands for any. A control, which remembers nothing, goes as an LSTM.
///
/// # Errors
/// When the weights are not those of the network.
pub(crate) fn detector(
    name: &str,
    gating: Gating,
    hidden_size: usize,
    weights: &HashMap<String, Tensor>,
    training: Training,
) -> Result<Detector, DetectorError> {
    let architecture = match gating.cell {
        GateCell::Recurrent(architecture) => architecture,
        GateCell::Linear | GateCell::Dense => Architecture::Lstm,
    };
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        name: name.to_owned(),
        version: 1,
        architecture,
        objective: Objective::Gate(gating),
        hidden_size,
        metrics: vec!["value".to_owned()],
        for_each_metric: false,
        layout: BlockLayout::for_gate(MINUTE_MICROS, vec![0.0]),
        threshold: ThresholdPolicy::default(),
        training,
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        weights_sha256: String::new(),
    };
    Detector::new(manifest, weights)
}
