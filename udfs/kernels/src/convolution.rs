//! Causal convolutions over time, and the linear map, which is a convolution of one tap.
//!
//! A row's steps lie one after another, so the last `taps` steps before a step are contiguous: the
//! convolution is a matrix product whose rows overlap, and nothing is copied side by side.

#![expect(
    unsafe_code,
    reason = "products take pointers into buffers whose sizes are fixed here"
)]

use super::activation::tanh;
use super::buffer::Buffer;
use super::product::{Matrix, OuterProduct, Start};
use super::simd::{Simd, Task};

/// `y_t = b + Σ_k W_k x_{t−taps+1+k}`, steps before the first being zero; if `pooled`,
/// `max(tanh y_{t−1}, tanh y_t)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub taps: usize,
    pub features: usize,
    pub outputs: usize,
    pub lanes: usize,
    pub pooled: bool,
}

impl Convolution {
    /// Packs `weight`, `[outputs, features, taps]`, and `bias`, `[outputs]`.
    pub(crate) fn pack(self, weight: &[f32], bias: &[f32]) -> Matrix {
        let Self { taps, features, .. } = self;
        Matrix::pack(
            self.lanes,
            self.outputs,
            1,
            taps * features,
            |output, _, k| weight[(output * features + k % features) * taps + k / features],
            |output| bias[output],
        )
    }

    /// Packs the weight for the gradient of the inputs: a convolution over the steps to come.
    pub(crate) fn pack_transposed(self, weight: &[f32]) -> Matrix {
        let Self {
            taps,
            features,
            outputs,
            ..
        } = self;
        let width = self.width();
        let weight = |feature: usize, _: usize, k: usize| {
            let (later, output) = (k / width, k % width);
            if output < outputs {
                weight[(output * features + feature) * taps + taps - 1 - later]
            } else {
                0.0
            }
        };
        Matrix::pack(self.lanes, features, 1, taps * width, weight, |_| 0.0)
    }

    /// Outputs, padded to whole vectors.
    pub(crate) fn width(self) -> usize {
        self.outputs.next_multiple_of(self.lanes)
    }

    /// Inputs of one output, padded to whole vectors.
    fn depth(self) -> usize {
        (self.taps * self.features).next_multiple_of(self.lanes)
    }

    /// Steps of one row after `taps − 1` zero ones, and room to read whole tiles and vectors.
    fn padded_inputs(self, steps: usize) -> Buffer {
        Buffer::zeros((self.taps - 1 + steps) * self.features + self.lanes)
    }

    #[inline(always)]
    fn pad(self, inputs: &[f32], padded: &mut Buffer) {
        padded[(self.taps - 1) * self.features..][..inputs.len()].copy_from_slice(inputs);
    }
}

/// The forward pass of some rows; returns `tanh y`, `[rows, seq_len, width]`, if `save`.
#[derive(Debug)]
pub(crate) struct Forward<'a> {
    pub convolution: Convolution,
    pub weight: &'a Matrix,
    /// `[rows, seq_len, features]`
    pub inputs: &'a [f32],
    /// `[rows, seq_len, outputs]`
    pub output: &'a mut [f32],
    pub seq_len: usize,
    pub save: bool,
}

impl Task for Forward<'_> {
    type Output = Buffer;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Buffer {
        let Self {
            convolution,
            seq_len,
            ..
        } = self;
        let (width, outputs) = (convolution.width(), convolution.outputs);
        let steps = seq_len.next_multiple_of(ROWS);
        let mut padded = convolution.padded_inputs(steps);
        let mut result = Buffer::zeros(steps * width);
        let rows = self.output.len() / (seq_len * outputs);
        let save = self.save && convolution.pooled;
        let mut saved = Buffer::zeros(if save { rows * seq_len * width } else { 0 });
        let inputs = self.inputs.chunks_exact(seq_len * convolution.features);
        let output = self.output.chunks_exact_mut(seq_len * outputs);
        for (row, (inputs, output)) in inputs.zip(output).enumerate() {
            convolution.pad(inputs, &mut padded);
            // SAFETY: `padded` holds `steps` overlapping rows of `taps · features` values,
            // `features` apart, and `result` as many of `width`.
            unsafe {
                self.weight.multiply::<S, ROWS>(
                    simd,
                    steps,
                    &[padded.as_ptr()],
                    convolution.features,
                    result.as_mut_ptr(),
                    width,
                    Start::Bias,
                );
            }
            if convolution.pooled {
                tanh_all(simd, &mut result);
                pool(&result, width, outputs, output);
                if save {
                    saved[row * seq_len * width..][..seq_len * width]
                        .copy_from_slice(&result[..seq_len * width]);
                }
            } else {
                for (from, to) in result
                    .chunks_exact(width)
                    .zip(output.chunks_exact_mut(outputs))
                {
                    to.copy_from_slice(&from[..outputs]);
                }
            }
        }
        saved
    }
}

#[inline(always)]
pub(crate) fn tanh_all<S: Simd>(simd: S, values: &mut [f32]) {
    for vector in values.chunks_exact_mut(S::LANES) {
        // SAFETY: the chunk is one vector.
        unsafe {
            let value = tanh(simd, simd.load(vector.as_ptr()));
            simd.store(vector.as_mut_ptr(), value);
        }
    }
}

/// Maximum of each step and the step before it.
#[inline(always)]
fn pool(steps: &[f32], width: usize, outputs: usize, pooled: &mut [f32]) {
    for (t, pooled) in pooled.chunks_exact_mut(outputs).enumerate() {
        let now = &steps[t * width..][..outputs];
        let before = &steps[t.saturating_sub(1) * width..][..outputs];
        for ((pooled, &now), &before) in pooled.iter_mut().zip(now).zip(before) {
            *pooled = if before > now { before } else { now };
        }
    }
}

/// Gradients of the weight, `[width, depth]`, and of the bias, `[width]`.
#[derive(Debug)]
pub(crate) struct WeightGradients {
    weight: Buffer,
    bias: Buffer,
}

impl WeightGradients {
    /// Adds them to gradients in the layout of the weight and of the bias.
    pub(crate) fn add_to(
        &self,
        convolution: Convolution,
        d_weight: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let Convolution { taps, features, .. } = convolution;
        let depth = convolution.depth();
        for (output, sum) in d_bias.iter_mut().enumerate() {
            *sum += self.bias[output];
            for feature in 0..features {
                for tap in 0..taps {
                    d_weight[(output * features + feature) * taps + tap] +=
                        self.weight[output * depth + tap * features + feature];
                }
            }
        }
    }
}

/// The backward pass of some rows.
#[derive(Debug)]
pub(crate) struct Backward<'a> {
    pub convolution: Convolution,
    /// [`Convolution::pack_transposed`], where the gradient of the inputs is wanted.
    pub transposed: Option<&'a Matrix>,
    /// `[rows, seq_len, features]`
    pub inputs: &'a [f32],
    /// `[rows, seq_len, outputs]`
    pub d_output: &'a [f32],
    /// Values that the forward pass saved.
    pub saved: &'a [f32],
    /// `[rows, seq_len, features]`, or empty where `transposed` is none.
    pub d_inputs: &'a mut [f32],
    pub seq_len: usize,
}

impl Task for Backward<'_> {
    type Output = WeightGradients;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> WeightGradients {
        let Self {
            convolution,
            seq_len,
            ..
        } = self;
        let Convolution {
            taps,
            features,
            outputs,
            ..
        } = convolution;
        let (width, depth) = (convolution.width(), convolution.depth());
        let steps = seq_len.next_multiple_of(ROWS);
        let mut gradients = WeightGradients {
            weight: Buffer::zeros(width * depth),
            bias: Buffer::zeros(width),
        };
        let mut padded = convolution.padded_inputs(steps);
        let mut deltas = Buffer::zeros((steps + taps - 1) * width);
        let d_width = self.transposed.map_or(0, Matrix::width);
        let mut d_steps = Buffer::zeros(steps * d_width);
        for (row, d_output) in self.d_output.chunks_exact(seq_len * outputs).enumerate() {
            convolution.pad(
                &self.inputs[row * seq_len * features..][..seq_len * features],
                &mut padded,
            );
            if convolution.pooled {
                let saved = &self.saved[row * seq_len * width..][..seq_len * width];
                unpool(d_output, saved, width, outputs, &mut deltas);
            } else {
                for (to, from) in deltas
                    .chunks_exact_mut(width)
                    .zip(d_output.chunks_exact(outputs))
                {
                    to[..outputs].copy_from_slice(from);
                }
            }
            // SAFETY: `padded` holds `steps` overlapping rows of `depth` values, `features`
            // apart: `padded_inputs` leaves one vector after the last. `deltas` holds `steps`
            // overlapping rows of `taps · width` values, `width` apart.
            unsafe {
                OuterProduct {
                    left: deltas.as_ptr(),
                    left_stride: width,
                    height: width,
                    right: padded.as_ptr(),
                    right_stride: features,
                    vectors: depth / S::LANES,
                    depth: seq_len,
                    sums: gradients.weight.as_mut_ptr(),
                    sums_stride: depth,
                }
                .add(simd);
                if let Some(transposed) = self.transposed {
                    transposed.multiply::<S, ROWS>(
                        simd,
                        steps,
                        &[deltas.as_ptr()],
                        width,
                        d_steps.as_mut_ptr(),
                        d_width,
                        Start::Bias,
                    );
                    let d_inputs = &mut self.d_inputs[row * seq_len * features..];
                    for (to, from) in d_inputs
                        .chunks_exact_mut(features)
                        .zip(d_steps.chunks_exact(d_width))
                        .take(seq_len)
                    {
                        to.copy_from_slice(&from[..features]);
                    }
                }
            }
            for step in deltas[..seq_len * width].chunks_exact(width) {
                for (sum, delta) in gradients.bias.iter_mut().zip(step) {
                    *sum += delta;
                }
            }
        }
        gradients
    }
}

/// Takes gradients through the maximum, where equal steps share theirs, and through tanh.
#[inline(always)]
fn unpool(d_pooled: &[f32], tanh: &[f32], width: usize, outputs: usize, deltas: &mut [f32]) {
    let seq_len = d_pooled.len() / outputs;
    for t in 0..seq_len {
        let now = &tanh[t * width..][..outputs];
        let before = &tanh[t.saturating_sub(1) * width..][..outputs];
        let after = &tanh[(t + 1).min(seq_len - 1) * width..][..outputs];
        let d_now = &d_pooled[t * outputs..][..outputs];
        let d_after = &d_pooled[(t + 1).min(seq_len - 1) * outputs..][..outputs];
        let deltas = &mut deltas[t * width..][..outputs];
        // At the ends a step is compared with itself: the first keeps all of its own gradient,
        // the last has none to come.
        let (own, later) = (
            if t == 0 { 1.0 } else { 0.5 },
            if t + 1 == seq_len { 0.0 } else { 0.5 },
        );
        for unit in 0..outputs {
            let value = now[unit];
            let from_now = share(value, before[unit], own) * d_now[unit];
            let from_after = share(value, after[unit], later) * d_after[unit];
            deltas[unit] = (from_now + from_after) * (1.0 - value * value);
        }
    }
}

/// The share of the gradient of `max(value, other)` that is `value`'s.
#[inline(always)]
#[expect(
    clippy::float_cmp,
    reason = "the maximum is a tie only if both are the same number"
)]
fn share(value: f32, other: f32, equal: f32) -> f32 {
    if value > other {
        1.0
    } else if value == other {
        equal
    } else {
        0.0
    }
}
