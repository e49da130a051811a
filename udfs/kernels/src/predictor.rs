//! Forecasts without autograd: weights packed once, one pass over a chunk of rows from inputs to
//! forecasts, nothing kept between steps but the state.

#![expect(
    unsafe_code,
    reason = "products take pointers into buffers whose sizes are fixed here"
)]

use std::marker::PhantomData;

use super::backbone::{BackboneValues, CellKind, PackedBackbone, Pooling};
use super::buffer::Buffer;
use super::cell::Cell;
use super::cells::{GruCell, LstmCell, RnnCell};
use super::product::{Matrix, Start};
use super::sequence::State;
use super::simd::{Isa, Simd, Task};
use super::threads;

/// Rows that go through a step together: few enough that their state stays in the first-level
/// cache beside one tile's weights, and a multiple of every tile height.
const CHUNK: usize = 48;

/// The parameters of a forecaster as numbers, each row-major as in `PyTorch`.
#[derive(Clone, Debug)]
pub struct ForecasterValues {
    /// The backbone before the head.
    pub backbone: BackboneValues,
    /// Numbers that are forecast for each step.
    pub targets: usize,
    /// Weight and bias of the location, then of the log scale.
    pub head: [[Vec<f32>; 2]; 2],
}

/// A forecaster whose weights are packed for an instruction set.
#[derive(Clone, Debug)]
pub struct PackedForecaster {
    backbone: PackedBackbone,
    targets: usize,
    head: Matrix,
}

/// The inputs of forecasts: `[batch_size, seq_len, features]`.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    /// Row-major.
    pub inputs: &'a [f32],
    /// Steps of each row.
    pub seq_len: usize,
    /// Steps at the start whose forecasts are not wanted.
    pub skip: usize,
}

impl PackedForecaster {
    /// Packs weights for an instruction set.
    #[must_use]
    pub fn pack(values: &ForecasterValues, isa: Isa) -> Self {
        let &ForecasterValues {
            ref backbone,
            targets,
            head: ref heads,
        } = values;
        let hidden = backbone.hidden;
        Self {
            backbone: PackedBackbone::pack(backbone, isa),
            targets,
            head: Matrix::pack(
                isa.lanes(),
                2 * targets,
                1,
                hidden,
                |output, _, k| heads[output / targets][0][output % targets * hidden + k],
                |output| heads[output / targets][1][output % targets],
            ),
        }
    }

    /// Inputs per step.
    #[must_use]
    pub fn features(&self) -> usize {
        self.backbone.features
    }

    /// Location and log scale, each `[batch_size, seq_len − skip, targets]`, on up to `threads`
    /// threads.
    #[must_use]
    pub fn forecast(&self, sequences: Sequences<'_>, threads: usize) -> [Vec<f32>; 2] {
        let Sequences {
            inputs,
            seq_len,
            skip,
        } = sequences;
        let row_len = seq_len * self.backbone.features;
        let batch_size = inputs.len() / row_len;
        let forecast_len = (seq_len - skip) * self.targets;
        let mut location = vec![0.0; batch_size * forecast_len];
        let mut log_scale = location.clone();
        // Small batches are shared evenly; how they are cut does not change any row.
        let rows = batch_size.div_ceil(threads.max(1)).clamp(1, CHUNK);
        let chunks = inputs
            .chunks(rows * row_len)
            .zip(location.chunks_mut(rows * forecast_len))
            .zip(log_scale.chunks_mut(rows * forecast_len))
            .collect();
        threads::map(chunks, threads, |((inputs, location), log_scale)| {
            let sequences = Sequences {
                inputs,
                ..sequences
            };
            match self.backbone.kind {
                CellKind::Rnn => self.chunk::<RnnCell>(sequences, location, log_scale),
                CellKind::Lstm => self.chunk::<LstmCell>(sequences, location, log_scale),
                CellKind::Gru => self.chunk::<GruCell>(sequences, location, log_scale),
            }
        });
        [location, log_scale]
    }

    fn chunk<C: Cell>(
        &self,
        sequences: Sequences<'_>,
        location: &mut [f32],
        log_scale: &mut [f32],
    ) {
        let Sequences {
            inputs, seq_len, ..
        } = sequences;
        let (inputs, _) = self.backbone.convolve(inputs, seq_len, Pooling::EveryStep);
        let sequences = Sequences {
            inputs: &inputs,
            ..sequences
        };
        self.backbone.isa.run(Chunk::<C> {
            forecaster: self,
            sequences,
            location,
            log_scale,
            cell: PhantomData,
        });
    }
}

struct Chunk<'a, C> {
    forecaster: &'a PackedForecaster,
    sequences: Sequences<'a>,
    location: &'a mut [f32],
    log_scale: &'a mut [f32],
    cell: PhantomData<C>,
}

impl<C: Cell> Task for Chunk<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let Sequences {
            inputs,
            seq_len,
            skip,
        } = self.sequences;
        let &PackedForecaster {
            ref backbone,
            targets,
            ref head,
        } = self.forecaster;
        let cell = &backbone.cell;
        let layout = cell.layout;
        let features = layout.features;
        let rows = inputs.len() / (seq_len * features);
        let mut state = State::new(layout, rows.next_multiple_of(ROWS));
        let mut forecasts = Buffer::zeros(state.rows * head.width());
        for t in 0..seq_len {
            for row in 0..rows {
                let at = (row * seq_len + t) * features;
                simd.copy(&inputs[at..at + features], state.input_mut(row));
            }
            state.advance::<C, S, ROWS, false>(simd, cell, &mut []);
            if t < skip {
                continue;
            }
            // SAFETY: `state` has `state.rows` rows of `hidden` values and more, and `forecasts`
            // as many of the width of the product.
            unsafe {
                head.multiply::<S, ROWS>(
                    simd,
                    state.rows,
                    &[state.as_ptr()],
                    layout.stride,
                    forecasts.as_mut_ptr(),
                    head.width(),
                    Start::Bias,
                );
            }
            for (row, forecast) in forecasts.chunks_exact(head.width()).take(rows).enumerate() {
                let at = (row * (seq_len - skip) + t - skip) * targets;
                self.location[at..at + targets].copy_from_slice(&forecast[..targets]);
                self.log_scale[at..at + targets].copy_from_slice(&forecast[targets..2 * targets]);
            }
        }
    }
}
