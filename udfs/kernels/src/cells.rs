//! The cells: LSTM, GRU and Elman RNN. The formulas stand at `models::{Lstm, Gru, Rnn}`.

#![expect(
    unsafe_code,
    reason = "tiles read and write rows without bounds checks"
)]

use super::activation::{sigmoid, tanh};
use super::cell::{BackwardUnit, Cell, ForwardTile};
use super::product::{accumulate, load};
use super::simd::Simd;

/// `1 − x²`, the derivative of tanh by its value.
#[inline(always)]
fn d_tanh<S: Simd>(simd: S, x: S::V) -> S::V {
    simd.sub(simd.splat(1.0), simd.mul(x, x))
}

/// `x (1 − x)`, the derivative of the sigmoid by its value.
#[inline(always)]
fn d_sigmoid<S: Simd>(simd: S, x: S::V) -> S::V {
    simd.mul(x, simd.sub(simd.splat(1.0), x))
}

/// Gates i, f, g, o; saved: i, f, g, o, c.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LstmCell;

impl Cell for LstmCell {
    const NAME: &'static str = "lstm-sequence";
    const GATES: usize = 4;
    const UNIT_VECTORS: usize = 1;
    const SAVED: usize = 5;
    const DELTAS: usize = 4;
    const HH: &'static [usize] = &[0, 1, 2, 3];
    const IH: &'static [usize] = &[0, 1, 2, 3];
    const IH_START: usize = 0;
    const BIASES: usize = 4;

    fn bias(index: usize, bias_ih: impl Fn(usize) -> f32, bias_hh: impl Fn(usize) -> f32) -> f32 {
        bias_ih(index) + bias_hh(index)
    }

    #[inline(always)]
    unsafe fn forward<S: Simd, const ROWS: usize, const SAVE: bool>(simd: S, tile: &ForwardTile) {
        let (l, t) = (S::LANES, tile);
        // SAFETY: the caller's promise; a panel holds 4 vectors of bias and of each weight.
        unsafe {
            let mut sums = [load::<S, 4>(simd, t.panel); ROWS];
            let panel = t.panel.add(4 * l);
            sums = accumulate(simd, sums, t.state, t.stride, panel, t.hidden);
            let panel = panel.add(4 * l * t.hidden);
            let x = t.state.add(t.padded);
            sums = accumulate(simd, sums, x, t.stride, panel, t.features);
            for (row, sums) in sums.iter().enumerate() {
                let i = sigmoid(simd, sums[0]);
                let f = sigmoid(simd, sums[1]);
                let g = tanh(simd, sums[2]);
                let o = sigmoid(simd, sums[3]);
                let carry = t.carry.add(row * t.padded);
                let c = simd.mul_add(f, simd.load(carry), simd.mul(i, g));
                let h = simd.mul(o, tanh(simd, c));
                simd.store(carry, c);
                simd.store(t.next.add(row * t.stride), h);
                if SAVE {
                    let saved = t.saved.add(row * t.saved_stride);
                    simd.store(saved, i);
                    simd.store(saved.add(l), f);
                    simd.store(saved.add(2 * l), g);
                    simd.store(saved.add(3 * l), o);
                    simd.store(saved.add(4 * l), c);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(simd: S, unit: &BackwardUnit) {
        let (l, u) = (S::LANES, unit);
        // SAFETY: the caller's promise.
        unsafe {
            let [i, f, g, o, c] = load::<S, 5>(simd, u.saved);
            let before = if u.saved_before.is_null() {
                simd.zero()
            } else {
                simd.load(u.saved_before.add(4 * l))
            };
            let d_h = simd.load(u.d_hidden);
            let tanh_c = tanh(simd, c);
            let d_o = simd.mul(simd.mul(d_h, tanh_c), d_sigmoid(simd, o));
            let d_c = simd.mul_add(simd.mul(d_h, o), d_tanh(simd, tanh_c), simd.load(u.d_carry));
            let d_i = simd.mul(simd.mul(d_c, g), d_sigmoid(simd, i));
            let d_f = simd.mul(simd.mul(d_c, before), d_sigmoid(simd, f));
            let d_g = simd.mul(simd.mul(d_c, i), d_tanh(simd, g));
            simd.store(u.d_carry, simd.mul(d_c, f));
            simd.store(u.d_hidden, simd.zero());
            simd.store(u.deltas, d_i);
            simd.store(u.deltas.add(u.padded), d_f);
            simd.store(u.deltas.add(2 * u.padded), d_g);
            simd.store(u.deltas.add(3 * u.padded), d_o);
        }
    }
}

/// Gates r, z, n; saved: r, z, n and `W_hn h + b_hn`; deltas: n by the state, r, z, n by the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GruCell;

impl Cell for GruCell {
    const NAME: &'static str = "gru-sequence";
    const GATES: usize = 3;
    const UNIT_VECTORS: usize = 1;
    const SAVED: usize = 4;
    const DELTAS: usize = 4;
    const HH: &'static [usize] = &[2, 0, 1];
    const IH: &'static [usize] = &[0, 1, 2];
    const IH_START: usize = 1;
    const BIASES: usize = 4;

    fn bias(index: usize, bias_ih: impl Fn(usize) -> f32, bias_hh: impl Fn(usize) -> f32) -> f32 {
        match index {
            2 => bias_hh(2),
            3 => bias_ih(2),
            gate => bias_ih(gate) + bias_hh(gate),
        }
    }

    #[inline(always)]
    unsafe fn forward<S: Simd, const ROWS: usize, const SAVE: bool>(simd: S, tile: &ForwardTile) {
        let (l, t) = (S::LANES, tile);
        // SAFETY: the caller's promise; a panel holds 4 vectors of bias and 3 of each weight.
        unsafe {
            let mut by_state = [load::<S, 3>(simd, t.panel); ROWS];
            let bias_in = simd.load(t.panel.add(3 * l));
            let panel = t.panel.add(4 * l);
            by_state = accumulate(simd, by_state, t.state, t.stride, panel, t.hidden);
            let mut sums = [[bias_in; 3]; ROWS];
            for row in 0..ROWS {
                sums[row][0] = by_state[row][0];
                sums[row][1] = by_state[row][1];
            }
            let panel = panel.add(3 * l * t.hidden);
            let x = t.state.add(t.padded);
            sums = accumulate(simd, sums, x, t.stride, panel, t.features);
            for row in 0..ROWS {
                let n_by_state = by_state[row][2];
                let r = sigmoid(simd, sums[row][0]);
                let z = sigmoid(simd, sums[row][1]);
                let n = tanh(simd, simd.mul_add(r, n_by_state, sums[row][2]));
                let before = simd.load(t.previous.add(row * t.stride));
                let h = simd.mul_add(z, simd.sub(before, n), n);
                simd.store(t.next.add(row * t.stride), h);
                if SAVE {
                    let saved = t.saved.add(row * t.saved_stride);
                    simd.store(saved, r);
                    simd.store(saved.add(l), z);
                    simd.store(saved.add(2 * l), n);
                    simd.store(saved.add(3 * l), n_by_state);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(simd: S, unit: &BackwardUnit) {
        let u = unit;
        // SAFETY: the caller's promise.
        unsafe {
            let [r, z, n, n_by_state] = load::<S, 4>(simd, u.saved);
            let d_h = simd.load(u.d_hidden);
            let before = simd.load(u.previous);
            let d_z = simd.mul(simd.mul(d_h, simd.sub(before, n)), d_sigmoid(simd, z));
            let kept = simd.mul(d_h, z);
            let d_n = simd.mul(simd.sub(d_h, kept), d_tanh(simd, n));
            let d_r = simd.mul(simd.mul(d_n, n_by_state), d_sigmoid(simd, r));
            simd.store(u.d_hidden, kept);
            simd.store(u.deltas, simd.mul(d_n, r));
            simd.store(u.deltas.add(u.padded), d_r);
            simd.store(u.deltas.add(2 * u.padded), d_z);
            simd.store(u.deltas.add(3 * u.padded), d_n);
        }
    }
}

/// One gate; saved: h. A tile has four vectors of units, to be as wide as the other cells'.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RnnCell;

impl Cell for RnnCell {
    const NAME: &'static str = "rnn-sequence";
    const GATES: usize = 1;
    const UNIT_VECTORS: usize = 4;
    const SAVED: usize = 1;
    const DELTAS: usize = 1;
    const HH: &'static [usize] = &[0];
    const IH: &'static [usize] = &[0];
    const IH_START: usize = 0;
    const BIASES: usize = 1;

    fn bias(index: usize, bias_ih: impl Fn(usize) -> f32, bias_hh: impl Fn(usize) -> f32) -> f32 {
        bias_ih(index) + bias_hh(index)
    }

    #[inline(always)]
    unsafe fn forward<S: Simd, const ROWS: usize, const SAVE: bool>(simd: S, tile: &ForwardTile) {
        let (l, t) = (S::LANES, tile);
        // SAFETY: the caller's promise; a panel holds 4 vectors of bias and of each weight.
        unsafe {
            let mut sums = [load::<S, 4>(simd, t.panel); ROWS];
            let panel = t.panel.add(4 * l);
            sums = accumulate(simd, sums, t.state, t.stride, panel, t.hidden);
            let panel = panel.add(4 * l * t.hidden);
            let x = t.state.add(t.padded);
            sums = accumulate(simd, sums, x, t.stride, panel, t.features);
            for (row, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let h = tanh(simd, *sum);
                    simd.store(t.next.add(row * t.stride + v * l), h);
                    if SAVE {
                        simd.store(t.saved.add(row * t.saved_stride + v * l), h);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(simd: S, unit: &BackwardUnit) {
        let u = unit;
        // SAFETY: the caller's promise.
        unsafe {
            let h = simd.load(u.saved);
            let d_h = simd.load(u.d_hidden);
            simd.store(u.d_hidden, simd.zero());
            simd.store(u.deltas, simd.mul(d_h, d_tanh(simd, h)));
        }
    }
}
