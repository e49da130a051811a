//! Classification without autograd: windows in, one number each out.

#![expect(
    unsafe_code,
    reason = "products take pointers into buffers whose sizes are fixed here"
)]

use std::marker::PhantomData;

use super::backbone::{BackboneValues, CellKind, PackedBackbone, Pooling};
use super::buffer::Buffer;
use super::cell::Cell;
use super::cells::{GruCell, LstmCell, RnnCell};
use super::convolution::tanh_all;
use super::product::{Matrix, Start};
use super::sequence::State;
use super::simd::{Isa, Simd, Task};
use super::threads;

/// Rows that go through a step together: as in [`super::predictor`].
const CHUNK: usize = 48;
/// Normal and anomalous.
const CLASSES: usize = 2;

/// The parameters of a classifier as numbers, each row-major as in `PyTorch`.
#[derive(Clone, Debug)]
pub struct ClassifierValues {
    /// The backbone before the dense layer.
    pub backbone: BackboneValues,
    /// Width of the dense layer.
    pub dense_size: usize,
    /// Weight and bias.
    pub dense: [Vec<f32>; 2],
    /// Weight and bias of the two classes.
    pub output: [Vec<f32>; 2],
}

/// A classifier whose weights are packed for an instruction set.
#[derive(Clone, Debug)]
pub struct PackedClassifier {
    backbone: PackedBackbone,
    dense: Matrix,
    output: Matrix,
}

impl PackedClassifier {
    /// Packs weights for an instruction set.
    #[must_use]
    pub fn pack(values: &ClassifierValues, isa: Isa) -> Self {
        let pack = |[weight, bias]: &[Vec<f32>; 2], outputs, depth| {
            Matrix::pack(
                isa.lanes(),
                outputs,
                1,
                depth,
                |output, _, k| weight[output * depth + k],
                |output| bias[output],
            )
        };
        Self {
            backbone: PackedBackbone::pack(&values.backbone, isa),
            dense: pack(&values.dense, values.dense_size, values.backbone.hidden),
            output: pack(&values.output, CLASSES, values.dense_size),
        }
    }

    /// The log-odds of each row of `inputs`, `[batch_size, seq_len, features]`, on up to `threads`
    /// threads.
    #[must_use]
    pub fn log_odds(&self, inputs: &[f32], seq_len: usize, threads: usize) -> Vec<f32> {
        let row_len = seq_len * self.backbone.features;
        let batch_size = inputs.len() / row_len;
        let mut log_odds = vec![0.0; batch_size];
        // How rows are cut does not change any of them.
        let rows = batch_size.div_ceil(threads.max(1)).clamp(1, CHUNK);
        let chunks = inputs
            .chunks(rows * row_len)
            .zip(log_odds.chunks_mut(rows))
            .collect();
        threads::map(chunks, threads, |(inputs, log_odds)| {
            match self.backbone.kind {
                CellKind::Rnn => self.chunk::<RnnCell>(inputs, seq_len, log_odds),
                CellKind::Lstm => self.chunk::<LstmCell>(inputs, seq_len, log_odds),
                CellKind::Gru => self.chunk::<GruCell>(inputs, seq_len, log_odds),
            }
        });
        log_odds
    }

    fn chunk<C: Cell>(&self, inputs: &[f32], seq_len: usize, log_odds: &mut [f32]) {
        let (inputs, seq_len) = self.backbone.convolve(inputs, seq_len, Pooling::Halving);
        self.backbone.isa.run(Chunk::<C> {
            classifier: self,
            inputs: &inputs,
            seq_len,
            log_odds,
            cell: PhantomData,
        });
    }
}

struct Chunk<'a, C> {
    classifier: &'a PackedClassifier,
    inputs: &'a [f32],
    seq_len: usize,
    log_odds: &'a mut [f32],
    cell: PhantomData<C>,
}

impl<C: Cell> Task for Chunk<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let PackedClassifier {
            backbone,
            dense,
            output,
        } = self.classifier;
        let layout = backbone.cell.layout;
        let features = layout.features;
        let rows = self.log_odds.len();
        let mut state = State::new(layout, rows.next_multiple_of(ROWS));
        for t in 0..self.seq_len {
            for row in 0..rows {
                let at = (row * self.seq_len + t) * features;
                simd.copy(&self.inputs[at..at + features], state.input_mut(row));
            }
            state.advance::<C, S, ROWS, false>(simd, &backbone.cell, &mut []);
        }
        let mut units = Buffer::zeros(state.rows * dense.width());
        let mut logits = Buffer::zeros(state.rows * output.width());
        // SAFETY: `state` has `state.rows` rows of `hidden` values and more, `units` and `logits`
        // as many of the widths of the products, and `output` reads of a row of `units` what
        // `dense` wrote there.
        unsafe {
            dense.multiply::<S, ROWS>(
                simd,
                state.rows,
                &[state.as_ptr()],
                layout.stride,
                units.as_mut_ptr(),
                dense.width(),
                Start::Bias,
            );
            tanh_all(simd, &mut units);
            output.multiply::<S, ROWS>(
                simd,
                state.rows,
                &[units.as_ptr()],
                dense.width(),
                logits.as_mut_ptr(),
                output.width(),
                Start::Bias,
            );
        }
        let logits = logits.chunks_exact(output.width());
        for (log_odds, logits) in self.log_odds.iter_mut().zip(logits) {
            *log_odds = logits[1] - logits[0];
        }
    }
}
