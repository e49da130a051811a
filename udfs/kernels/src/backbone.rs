//! The backbone of a network, packed for scoring: convolutions, if any, and a recurrent cell.

use std::borrow::Cow;

use super::cell::{Cell, Layout, PackedCell, Parameters};
use super::cells::{GruCell, LstmCell, RnnCell};
use super::convolution::{self, Convolution};
use super::product::Matrix;
use super::simd::Isa;

/// A recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Elman's: one tanh.
    Rnn,
    /// Long short-term memory: four gates.
    Lstm,
    /// Gated recurrent unit: three gates.
    Gru,
}

/// The parameters as numbers, each row-major as in `PyTorch`.
#[derive(Clone, Debug)]
pub struct BackboneValues {
    /// The recurrent cell.
    pub cell: CellKind,
    /// Inputs per step.
    pub features: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Weight and bias of each pooled convolution in front, all `hidden` wide.
    pub convolutions: Vec<[Vec<f32>; 2]>,
    /// Steps that a convolution sees at once.
    pub taps: usize,
    /// Weights of the inputs, `[gates · hidden, features]`.
    pub weight_ih: Vec<f32>,
    /// Weights of the state, `[gates · hidden, hidden]`.
    pub weight_hh: Vec<f32>,
    /// Bias of the inputs, `[gates · hidden]`.
    pub bias_ih: Vec<f32>,
    /// Bias of the state, `[gates · hidden]`.
    pub bias_hh: Vec<f32>,
}

/// Which steps of a pooled convolution go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// All of them, those before the first being zero.
    EveryStep,
    /// Every second of those that see no step before the first.
    Halving,
}

/// Steps that a halving pooling leaves of `seq_len` after a convolution of so many taps.
#[must_use]
pub const fn halved(seq_len: usize, taps: usize) -> usize {
    (seq_len + 1).saturating_sub(taps) / 2
}

/// A backbone whose weights are packed for an instruction set.
#[derive(Clone, Debug)]
pub(crate) struct PackedBackbone {
    pub isa: Isa,
    /// Inputs per step.
    pub features: usize,
    convolutions: Vec<(Convolution, Matrix)>,
    pub kind: CellKind,
    pub cell: PackedCell,
}

impl PackedBackbone {
    pub(crate) fn pack(values: &BackboneValues, isa: Isa) -> Self {
        let &BackboneValues {
            cell: kind,
            features,
            hidden,
            taps,
            ref convolutions,
            ref weight_ih,
            ref weight_hh,
            ref bias_ih,
            ref bias_hh,
        } = values;
        let parameters = Parameters {
            weight_ih,
            weight_hh,
            bias_ih,
            bias_hh,
        };
        let lanes = isa.lanes();
        let width = if convolutions.is_empty() {
            features
        } else {
            hidden
        };
        let cell = match kind {
            CellKind::Rnn => pack_cell::<RnnCell>(lanes, width, hidden, parameters),
            CellKind::Lstm => pack_cell::<LstmCell>(lanes, width, hidden, parameters),
            CellKind::Gru => pack_cell::<GruCell>(lanes, width, hidden, parameters),
        };
        let convolutions = convolutions
            .iter()
            .enumerate()
            .map(|(layer, [weight, bias])| {
                let convolution = Convolution {
                    taps,
                    features: if layer == 0 { features } else { hidden },
                    outputs: hidden,
                    lanes,
                    pooled: true,
                };
                (convolution, convolution.pack(weight, bias))
            });
        Self {
            isa,
            features,
            convolutions: convolutions.collect(),
            kind,
            cell,
        }
    }

    /// The inputs of the cell for rows of `seq_len` steps, and the steps that a row then has.
    pub(crate) fn convolve<'a>(
        &self,
        inputs: &'a [f32],
        seq_len: usize,
        pooling: Pooling,
    ) -> (Cow<'a, [f32]>, usize) {
        let mut inputs = Cow::Borrowed(inputs);
        let mut seq_len = seq_len;
        for (convolution, weight) in &self.convolutions {
            let steps = inputs.len() / convolution.features;
            let mut output = vec![0.0; steps * convolution.outputs];
            self.isa.run(convolution::Forward {
                convolution: *convolution,
                weight,
                inputs: &inputs,
                output: &mut output,
                seq_len,
                save: false,
            });
            if pooling == Pooling::Halving {
                let kept = halved(seq_len, convolution.taps);
                output = halve(&output, seq_len, kept, *convolution);
                seq_len = kept;
            }
            inputs = Cow::Owned(output);
        }
        (inputs, seq_len)
    }
}

/// Keeps the steps at which two outputs that see whole inputs have been pooled.
fn halve(pooled: &[f32], seq_len: usize, kept: usize, convolution: Convolution) -> Vec<f32> {
    let Convolution { taps, outputs, .. } = convolution;
    let rows = pooled.chunks_exact(seq_len * outputs);
    let mut halved = Vec::with_capacity(rows.len() * kept * outputs);
    for row in rows {
        let steps = row.chunks_exact(outputs).skip(taps).step_by(2);
        steps
            .take(kept)
            .for_each(|step| halved.extend_from_slice(step));
    }
    halved
}

fn pack_cell<C: Cell>(
    lanes: usize,
    features: usize,
    hidden: usize,
    parameters: Parameters<'_>,
) -> PackedCell {
    PackedCell::pack::<C>(Layout::new::<C>(lanes, features, hidden), parameters)
}
