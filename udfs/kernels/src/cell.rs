//! The parts that recurrent cells share: packed weights, and the tiles of a step.
//!
//! A tile is a few rows by the gates of a few units. Its sums never leave the registers between
//! the matrix product and the gates.

#![expect(
    unsafe_code,
    reason = "tiles read and write rows without bounds checks"
)]

use super::buffer::Buffer;
use super::product::Matrix;
use super::simd::Simd;

/// Parameters of one recurrent layer, row-major as in `PyTorch`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters<'a> {
    /// `[gates · hidden_size, features]`
    pub weight_ih: &'a [f32],
    /// `[gates · hidden_size, hidden_size]`
    pub weight_hh: &'a [f32],
    /// `[gates · hidden_size]`
    pub bias_ih: &'a [f32],
    /// `[gates · hidden_size]`
    pub bias_hh: &'a [f32],
}

/// Sizes of a layer, and how its rows lie in memory.
///
/// A row of state is `[h, padded | x | padding]`: what a step multiplies with its weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub features: usize,
    pub hidden: usize,
    pub lanes: usize,
    /// `hidden` rounded up to whole tiles; padded units have zero weights and stay zero.
    pub padded: usize,
    /// Length of a row of state.
    pub stride: usize,
}

impl Layout {
    pub(crate) fn new<C: Cell>(lanes: usize, features: usize, hidden: usize) -> Self {
        let padded = hidden.next_multiple_of(lanes * C::UNIT_VECTORS);
        Self {
            features,
            hidden,
            lanes,
            padded,
            stride: (padded + features).next_multiple_of(lanes),
        }
    }
}

/// A recurrent cell.
///
/// The gradients with respect to gates before their activation are called deltas. They come in
/// blocks of `padded` values, those of the recurrent product first: `HH` and `IH` say which gate
/// of the weights each block of deltas belongs to.
pub(crate) trait Cell: Copy + Send + Sync + 'static {
    const NAME: &'static str;
    /// Gates in the weights.
    const GATES: usize;
    /// Vectors of units in a tile; a tile has `GATES · UNIT_VECTORS` vectors of weights per
    /// summed value.
    const UNIT_VECTORS: usize;
    /// Numbers kept per unit and step for the backward pass.
    const SAVED: usize;
    /// Blocks of deltas.
    const DELTAS: usize;
    /// Gates of the blocks of deltas that go through the recurrent weights, from the first.
    const HH: &'static [usize];
    /// Gates of the blocks of deltas that go through the input weights, from `IH_START`.
    const IH: &'static [usize];
    const IH_START: usize;

    /// Vectors of bias of a tile, given the biases of the gates of one unit.
    const BIASES: usize;
    fn bias(index: usize, bias_ih: impl Fn(usize) -> f32, bias_hh: impl Fn(usize) -> f32) -> f32;

    /// One step of `ROWS` rows by the units of a tile.
    ///
    /// # Safety
    /// The pointers of `tile` are valid for `ROWS` rows, and `tile.saved` if `SAVE`.
    unsafe fn forward<S: Simd, const ROWS: usize, const SAVE: bool>(simd: S, tile: &ForwardTile);

    /// The deltas of one row and one vector of units.
    ///
    /// # Safety
    /// The pointers of `unit` are valid for one vector.
    unsafe fn backward<S: Simd>(simd: S, unit: &BackwardUnit);
}

/// Where a tile reads and writes; each pointer is at its first row and unit.
#[derive(Clone, Copy)]
pub(crate) struct ForwardTile {
    /// `[h | x]` before the step.
    pub state: *const f32,
    /// `h` after the step.
    pub next: *mut f32,
    pub stride: usize,
    /// `h` before the step, at the tile's units.
    pub previous: *const f32,
    /// The cell state, replaced.
    pub carry: *mut f32,
    pub padded: usize,
    pub saved: *mut f32,
    pub saved_stride: usize,
    /// Bias vectors, then recurrent weights, then input weights.
    pub panel: *const f32,
    pub hidden: usize,
    pub features: usize,
}

/// Where the backward pass of one row and one vector of units reads and writes.
#[derive(Clone, Copy)]
pub(crate) struct BackwardUnit {
    /// Values that `forward` saved at this step: `SAVED` vectors.
    pub saved: *const f32,
    /// The same of the step before, or null at the first.
    pub saved_before: *const f32,
    /// `h` before the step.
    pub previous: *const f32,
    /// Gradient of `h` after the step; replaced by that part of the gradient of `h` before it
    /// that does not go through the weights.
    pub d_hidden: *mut f32,
    /// Gradient of the cell state after the step; replaced by that before it.
    pub d_carry: *mut f32,
    /// First block of deltas; the next ones are `padded` further.
    pub deltas: *mut f32,
    pub padded: usize,
}

/// A layer's weights, packed for the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct PackedCell {
    pub layout: Layout,
    panels: Buffer,
}

impl PackedCell {
    pub(crate) fn pack<C: Cell>(layout: Layout, parameters: Parameters<'_>) -> Self {
        let Layout {
            features,
            hidden,
            lanes,
            padded,
            ..
        } = layout;
        let Parameters {
            weight_ih,
            weight_hh,
            bias_ih,
            bias_hh,
        } = parameters;
        let units = lanes * C::UNIT_VECTORS;
        let panel_len = Self::panel_len::<C>(layout);
        let mut panels = Buffer::zeros(padded / units * panel_len);
        for (tile, panel) in panels.chunks_exact_mut(panel_len).enumerate() {
            let (biases, weights) = panel.split_at_mut(C::BIASES * units);
            for (index, target) in biases.iter_mut().enumerate() {
                let unit = tile * units + index % units;
                if unit < hidden {
                    *target = C::bias(
                        index / units,
                        |gate| bias_ih[gate * hidden + unit],
                        |gate| bias_hh[gate * hidden + unit],
                    );
                }
            }
            for (k, row) in weights.chunks_exact_mut(C::GATES * units).enumerate() {
                for (index, target) in row.iter_mut().enumerate() {
                    let unit = tile * units + index % units;
                    if unit < hidden {
                        let gate_row = index / units * hidden + unit;
                        *target = if k < hidden {
                            weight_hh[gate_row * hidden + k]
                        } else {
                            weight_ih[gate_row * features + k - hidden]
                        };
                    }
                }
            }
        }
        Self { layout, panels }
    }

    fn panel_len<C: Cell>(layout: Layout) -> usize {
        let units = layout.lanes * C::UNIT_VECTORS;
        units * (C::BIASES + C::GATES * (layout.hidden + layout.features))
    }

    /// The panel of one tile of units.
    #[inline(always)]
    pub(crate) fn panel<C: Cell>(&self, tile: usize) -> &[f32] {
        let len = Self::panel_len::<C>(self.layout);
        &self.panels[tile * len..][..len]
    }
}

/// The recurrent weights packed for the gradient of the state, `deltas · W_hh`.
pub(crate) fn pack_recurrent<C: Cell>(layout: Layout, weight_hh: &[f32]) -> Matrix {
    pack_transposed(layout, C::HH, weight_hh, layout.hidden, layout.padded)
}

/// The input weights packed for the gradient of the inputs, `deltas · W_ih`.
pub(crate) fn pack_input<C: Cell>(layout: Layout, weight_ih: &[f32]) -> Matrix {
    pack_transposed(layout, C::IH, weight_ih, layout.features, layout.features)
}

fn pack_transposed(
    layout: Layout,
    gates: &[usize],
    weight: &[f32],
    columns: usize,
    outputs: usize,
) -> Matrix {
    let Layout {
        hidden,
        padded,
        lanes,
        ..
    } = layout;
    let weight = |output: usize, _: usize, delta: usize| {
        let (gate, unit) = (gates[delta / padded], delta % padded);
        if output < columns && unit < hidden {
            weight[(gate * hidden + unit) * columns + output]
        } else {
            0.0
        }
    };
    Matrix::pack(lanes, outputs, 1, gates.len() * padded, weight, |_| 0.0)
}
