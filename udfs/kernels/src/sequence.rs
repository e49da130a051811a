//! Whole sequences: forward and backward passes of a recurrent layer over a chunk of rows.
//!
//! Rows never mix except in the gradient of the weights, which is summed row by row, step by
//! step and then chunk by chunk, in that order whatever the number of threads.

#![expect(
    unsafe_code,
    reason = "tiles take pointers into buffers whose sizes are fixed here"
)]

use std::marker::PhantomData;

use super::buffer::Buffer;
use super::cell::{BackwardUnit, Cell, ForwardTile, Layout, PackedCell};
use super::product::{Matrix, OuterProduct, Start};
use super::simd::{Simd, Task};

/// The state of a chunk of rows between two steps.
#[derive(Debug)]
pub(crate) struct State {
    layout: Layout,
    /// Rows, rounded up to whole tiles.
    pub rows: usize,
    current: Buffer,
    next: Buffer,
    carry: Buffer,
}

impl State {
    pub(crate) fn new(layout: Layout, rows: usize) -> Self {
        Self {
            layout,
            rows,
            current: Buffer::zeros(rows * layout.stride),
            next: Buffer::zeros(rows * layout.stride),
            carry: Buffer::zeros(rows * layout.padded),
        }
    }

    /// The place of the input of the coming step.
    #[inline(always)]
    pub(crate) fn input_mut(&mut self, row: usize) -> &mut [f32] {
        let Layout {
            stride,
            padded,
            features,
            ..
        } = self.layout;
        &mut self.current[row * stride + padded..][..features]
    }

    /// `h` after the last step.
    #[inline(always)]
    pub(crate) fn hidden(&self, row: usize) -> &[f32] {
        &self.current[row * self.layout.stride..][..self.layout.hidden]
    }

    /// All rows of state, [`Layout::stride`] apart.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.current.as_ptr()
    }

    /// One step of all rows. What it saves goes to `saved`, which otherwise may be empty.
    #[inline(always)]
    pub(crate) fn advance<C: Cell, S: Simd, const ROWS: usize, const SAVE: bool>(
        &mut self,
        simd: S,
        weights: &PackedCell,
        saved: &mut [f32],
    ) {
        let Layout {
            features,
            hidden,
            padded,
            stride,
            lanes,
        } = self.layout;
        assert!(lanes == S::LANES && self.rows.is_multiple_of(ROWS));
        let saved_stride = padded * C::SAVED;
        assert!(!SAVE || saved.len() >= self.rows * saved_stride);
        let units = C::UNIT_VECTORS * lanes;
        // Tiles of one block of units after another: their weights stay in the first-level cache.
        for tile in 0..padded / units {
            let panel = weights.panel::<C>(tile).as_ptr();
            let unit = tile * units;
            for row in (0..self.rows).step_by(ROWS) {
                // SAFETY: `row + ROWS ≤ rows`, and the buffers have `rows` rows of `stride`,
                // `padded` and, asserted above if used, `saved_stride` values.
                unsafe {
                    let state = self.current.as_ptr().add(row * stride);
                    let saved = if SAVE {
                        let offset = row * saved_stride + unit * C::SAVED;
                        saved.as_mut_ptr().add(offset)
                    } else {
                        saved.as_mut_ptr()
                    };
                    C::forward::<S, ROWS, SAVE>(
                        simd,
                        &ForwardTile {
                            state,
                            next: self.next.as_mut_ptr().add(row * stride + unit),
                            stride,
                            previous: state.add(unit),
                            carry: self.carry.as_mut_ptr().add(row * padded + unit),
                            padded,
                            saved,
                            saved_stride,
                            panel,
                            hidden,
                            features,
                        },
                    );
                }
            }
        }
        std::mem::swap(&mut self.current, &mut self.next);
    }
}

/// The forward pass of some rows; returns what the backward pass needs, if `save`.
#[derive(Debug)]
pub(crate) struct Forward<'a, C> {
    pub weights: &'a PackedCell,
    /// `[rows, seq_len, features]`
    pub inputs: &'a [f32],
    /// `[rows, seq_len, hidden]`
    pub output: &'a mut [f32],
    pub rows: usize,
    pub seq_len: usize,
    pub save: bool,
    pub cell: PhantomData<C>,
}

impl<C: Cell> Task for Forward<'_, C> {
    type Output = Buffer;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Buffer {
        let Layout {
            features,
            hidden,
            padded,
            ..
        } = self.weights.layout;
        let mut state = State::new(self.weights.layout, self.rows.next_multiple_of(ROWS));
        let step_len = state.rows * padded * C::SAVED;
        // Every step saves all rows, the padded ones too.
        let mut saved = if self.save {
            Buffer::spare(self.seq_len * step_len)
        } else {
            Buffer::default()
        };
        for t in 0..self.seq_len {
            for row in 0..self.rows {
                let at = (row * self.seq_len + t) * features;
                simd.copy(&self.inputs[at..at + features], state.input_mut(row));
            }
            if self.save {
                let saved = &mut saved[t * step_len..][..step_len];
                state.advance::<C, S, ROWS, true>(simd, self.weights, saved);
            } else {
                state.advance::<C, S, ROWS, false>(simd, self.weights, &mut []);
            }
            for row in 0..self.rows {
                let at = (row * self.seq_len + t) * hidden;
                simd.copy(state.hidden(row), &mut self.output[at..at + hidden]);
            }
        }
        saved
    }
}

/// Gradients of a layer's weights, in blocks of deltas.
#[derive(Debug)]
pub(crate) struct WeightGradients {
    /// `[DELTAS · padded, stride]`: columns of `h`, then of `x`.
    pub weights: Buffer,
    /// `[DELTAS · padded]`
    pub biases: Buffer,
}

/// The backward pass of some rows.
#[derive(Debug)]
pub(crate) struct Backward<'a, C> {
    pub layout: Layout,
    /// [`super::cell::pack_recurrent`]
    pub recurrent: &'a Matrix,
    /// [`super::cell::pack_input`], where the gradient of the inputs is wanted.
    pub input: Option<&'a Matrix>,
    /// `[rows, seq_len, features]`
    pub inputs: &'a [f32],
    /// The output of the forward pass, `[rows, seq_len, hidden]`, and its gradient.
    pub output: &'a [f32],
    pub d_output: &'a [f32],
    pub saved: &'a [f32],
    /// `[rows, seq_len, features]`, or empty where `input` is none.
    pub d_inputs: &'a mut [f32],
    pub rows: usize,
    pub seq_len: usize,
    pub cell: PhantomData<C>,
}

/// Steps whose deltas are gathered before the gradient of the weights takes them: its sums are
/// read and written once per so many steps.
const GATHERED: usize = 2;

/// The buffers of the backward pass.
struct Workspace {
    /// Gradients of `h` and of the cell state, `[rows, padded]`.
    d_hidden: Buffer,
    d_carry: Buffer,
    /// `[GATHERED, rows, DELTAS · padded]`, rows being `delta_stride` apart.
    deltas: Buffer,
    /// `[h | x]` of the same steps, `[GATHERED, rows, stride]`.
    states: Buffer,
    /// Gradient of the inputs of one step, `[rows, width]`.
    d_inputs: Buffer,
}

impl<C: Cell> Task for Backward<'_, C> {
    type Output = WeightGradients;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(mut self, simd: S) -> WeightGradients {
        let Layout {
            padded,
            stride,
            lanes,
            ..
        } = self.layout;
        assert_eq!(lanes, S::LANES, "packed for another instruction set");
        let rows = self.rows.next_multiple_of(ROWS);
        assert!(self.saved.len() >= self.seq_len * rows * padded * C::SAVED);
        let mut gradients = WeightGradients {
            weights: Buffer::zeros(C::DELTAS * padded * stride),
            biases: Buffer::zeros(C::DELTAS * padded),
        };
        let mut work = Workspace {
            d_hidden: Buffer::zeros(rows * padded),
            d_carry: Buffer::zeros(rows * padded),
            deltas: Buffer::zeros(GATHERED * rows * Self::delta_stride(padded)),
            states: Buffer::zeros(GATHERED * rows * stride),
            d_inputs: Buffer::zeros(self.input.map_or(0, |input| rows * input.width())),
        };
        for t in (0..self.seq_len).rev() {
            let slot = t % GATHERED;
            self.gather_state(
                simd,
                t,
                &mut work.states[slot * rows * stride..][..rows * stride],
            );
            self.deltas(simd, t, rows, slot, &mut work);
            self.through_weights::<S, ROWS>(simd, t, rows, slot, &mut work);
            if slot == 0 {
                let gathered = GATHERED.min(self.seq_len - t);
                Self::add_gradients(
                    simd,
                    self.layout,
                    gathered * rows,
                    &work.deltas,
                    &work.states,
                    &mut gradients,
                );
            }
        }
        gradients
    }
}

impl<C: Cell> Backward<'_, C> {
    /// One cache line more than the deltas of a row: rows a power of two apart would share a few
    /// sets of the cache, and the gradient of the weights reads down columns.
    const fn delta_stride(padded: usize) -> usize {
        C::DELTAS * padded + 16
    }

    /// `[h_{t−1} | x_t]` of every row.
    #[inline(always)]
    fn gather_state<S: Simd>(&self, simd: S, t: usize, states: &mut [f32]) {
        let Layout {
            features,
            hidden,
            padded,
            stride,
            ..
        } = self.layout;
        for row in 0..self.rows {
            let state = &mut states[row * stride..][..stride];
            let at = row * self.seq_len + t;
            simd.copy(
                &self.inputs[at * features..][..features],
                &mut state[padded..padded + features],
            );
            if t == 0 {
                state[..hidden].fill(0.0);
            } else {
                simd.copy(
                    &self.output[(at - 1) * hidden..][..hidden],
                    &mut state[..hidden],
                );
            }
        }
    }

    /// Adds the gradient of the output of step `t` and turns gradients of the state into deltas.
    #[inline(always)]
    fn deltas<S: Simd>(&self, simd: S, t: usize, rows: usize, slot: usize, work: &mut Workspace) {
        let Layout {
            hidden,
            padded,
            stride,
            lanes,
            ..
        } = self.layout;
        let saved_len = padded * C::SAVED;
        for row in 0..self.rows {
            let d_output = &self.d_output[(row * self.seq_len + t) * hidden..][..hidden];
            let d_hidden = &mut work.d_hidden[row * padded..][..hidden];
            for (sum, gradient) in d_hidden.iter_mut().zip(d_output) {
                *sum += gradient;
            }
            let saved = &self.saved[(t * rows + row) * saved_len..][..saved_len];
            let before = if t == 0 {
                None
            } else {
                Some(&self.saved[((t - 1) * rows + row) * saved_len..][..saved_len])
            };
            let state = &work.states[(slot * rows + row) * stride..][..stride];
            let deltas = &mut work.deltas[(slot * rows + row) * Self::delta_stride(padded)..];
            let deltas = &mut deltas[..C::DELTAS * padded];
            let d_hidden = &mut work.d_hidden[row * padded..][..padded];
            let d_carry = &mut work.d_carry[row * padded..][..padded];
            for unit in (0..padded).step_by(lanes) {
                // SAFETY: every slice above has `padded` units, whole vectors of them.
                unsafe {
                    C::backward(
                        simd,
                        &BackwardUnit {
                            saved: saved.as_ptr().add(unit * C::SAVED),
                            saved_before: before.map_or(std::ptr::null(), |before| {
                                before.as_ptr().add(unit * C::SAVED)
                            }),
                            previous: state.as_ptr().add(unit),
                            d_hidden: d_hidden.as_mut_ptr().add(unit),
                            d_carry: d_carry.as_mut_ptr().add(unit),
                            deltas: deltas.as_mut_ptr().add(unit),
                            padded,
                        },
                    );
                }
            }
        }
    }

    /// Takes the deltas through the weights, to the state before and to the inputs.
    #[inline(always)]
    fn through_weights<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        t: usize,
        rows: usize,
        slot: usize,
        work: &mut Workspace,
    ) {
        let Layout {
            features, padded, ..
        } = self.layout;
        let delta_stride = Self::delta_stride(padded);
        let deltas = &work.deltas[slot * rows * delta_stride..][..rows * delta_stride];
        // SAFETY: `deltas` has `rows` rows of `delta_stride` values, of which the products take
        // `HH` blocks from the first and `IH` blocks from `IH_START`; the results were allocated
        // for `rows` rows of the width of the product.
        unsafe {
            if t > 0 {
                self.recurrent.multiply::<S, ROWS>(
                    simd,
                    rows,
                    &[deltas.as_ptr()],
                    delta_stride,
                    work.d_hidden.as_mut_ptr(),
                    padded,
                    Start::Output,
                );
            }
            if let Some(input) = self.input {
                input.multiply::<S, ROWS>(
                    simd,
                    rows,
                    &[deltas.as_ptr().add(C::IH_START * padded)],
                    delta_stride,
                    work.d_inputs.as_mut_ptr(),
                    input.width(),
                    Start::Bias,
                );
                for row in 0..self.rows {
                    simd.copy(
                        &work.d_inputs[row * input.width()..][..features],
                        &mut self.d_inputs[(row * self.seq_len + t) * features..][..features],
                    );
                }
            }
        }
    }

    /// Adds what `depth` gathered rows of deltas and states give to the gradient of the weights.
    #[inline(always)]
    fn add_gradients<S: Simd>(
        simd: S,
        layout: Layout,
        depth: usize,
        deltas: &Buffer,
        states: &Buffer,
        gradients: &mut WeightGradients,
    ) {
        let Layout { padded, stride, .. } = layout;
        let delta_stride = Self::delta_stride(padded);
        for block in 0..C::DELTAS {
            let by_state = block < C::HH.len();
            let by_input = (C::IH_START..C::IH_START + C::IH.len()).contains(&block);
            let from = if by_state { 0 } else { padded };
            let to = if by_input { stride } else { padded };
            // SAFETY: `depth` rows were gathered; a block of deltas is `padded` wide, and columns
            // `from..to` lie within the rows of states and of gradients.
            unsafe {
                OuterProduct {
                    left: deltas.as_ptr().add(block * padded),
                    left_stride: delta_stride,
                    height: padded,
                    right: states.as_ptr().add(from),
                    right_stride: stride,
                    vectors: (to - from) / S::LANES,
                    depth,
                    sums: gradients
                        .weights
                        .as_mut_ptr()
                        .add(block * padded * stride + from),
                    sums_stride: stride,
                }
                .add(simd);
            }
        }
        for row in deltas[..depth * delta_stride].chunks_exact(delta_stride) {
            for (sum, delta) in gradients.biases.iter_mut().zip(row) {
                *sum += delta;
            }
        }
    }
}
