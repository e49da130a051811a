//! Matrix products of the kernels: small tiles whose sums stay in registers.
//!
//! Every element of a result is one chain of multiply-adds in the order of the summed index,
//! whatever tile it falls in: a row's bits depend on that row alone.

#![expect(
    unsafe_code,
    reason = "tiles read packed weights and rows without bounds checks, which cost as much as the \
              arithmetic"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "sums of a tile are indexed alike, by row and vector"
)]

use super::buffer::Buffer;
use super::simd::Simd;

/// Vectors of the widest tile.
const GROUP: usize = 4;

/// `sums[row][v] += Σ_k rows[row · stride + k] · panel[(k · VECS + v) · LANES ..]`, k in order.
///
/// # Safety
/// `depth` values of each of the `ROWS` rows, and `depth · VECS` vectors of `panel`, can be read.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const ROWS: usize, const VECS: usize>(
    simd: S,
    mut sums: [[S::V; VECS]; ROWS],
    rows: *const f32,
    stride: usize,
    panel: *const f32,
    depth: usize,
) -> [[S::V; VECS]; ROWS] {
    for k in 0..depth {
        // SAFETY: `k < depth`, and the caller's promise.
        unsafe {
            // All rows' values and one vector of weights at a time: with the sums of 3 × 4 vectors
            // that is all of AVX2's 16 registers.
            let mut values = [simd.zero(); ROWS];
            for (row, value) in values.iter_mut().enumerate() {
                *value = simd.splat(*rows.add(row * stride + k));
            }
            for v in 0..VECS {
                let weight = simd.load(panel.add((k * VECS + v) * S::LANES));
                for row in 0..ROWS {
                    sums[row][v] = simd.mul_add(values[row], weight, sums[row][v]);
                }
            }
        }
    }
    sums
}

/// # Safety
/// `VECS` vectors from `source` on can be read.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const VECS: usize>(simd: S, source: *const f32) -> [S::V; VECS] {
    let mut vectors = [simd.zero(); VECS];
    for (v, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *vector = unsafe { simd.load(source.add(v * S::LANES)) };
    }
    vectors
}

/// A matrix packed for [`Matrix::multiply`]: in groups of up to four vectors of outputs.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    /// Summed length of one segment of a row.
    depth: usize,
    segments: usize,
    /// Vectors of outputs.
    vectors: usize,
    lanes: usize,
    weights: Buffer,
    bias: Buffer,
}

/// The values that the sums of a product start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Bias,
    Output,
}

impl Matrix {
    /// `weight(output, segment, k)` and `bias(output)` for `outputs` outputs; the rest of the
    /// last vector is zero.
    pub(crate) fn pack(
        lanes: usize,
        outputs: usize,
        segments: usize,
        depth: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let vectors = outputs.div_ceil(lanes);
        let mut packed = Buffer::zeros(vectors * lanes * segments * depth);
        let mut at = packed.iter_mut();
        for first in (0..vectors).step_by(GROUP) {
            let last = vectors.min(first + GROUP);
            for segment in 0..segments {
                for k in 0..depth {
                    for output in first * lanes..last * lanes {
                        let target = at.next().expect("as many as were allocated");
                        if output < outputs {
                            *target = weight(output, segment, k);
                        }
                    }
                }
            }
        }
        let mut packed_bias = Buffer::zeros(vectors * lanes);
        for (output, target) in packed_bias[..outputs].iter_mut().enumerate() {
            *target = bias(output);
        }
        Self {
            depth,
            segments,
            vectors,
            lanes,
            weights: packed,
            bias: packed_bias,
        }
    }

    /// Outputs, padded to whole vectors.
    pub(crate) fn width(&self) -> usize {
        self.vectors * self.lanes
    }

    /// The product for `rows` rows (a multiple of `ROWS`), row `r` of segment `s` being
    /// `inputs[s][r · stride ..]` and of the result `output[r · output_stride ..]`.
    ///
    /// # Safety
    /// It was packed for `S::LANES`; `inputs` has its number of segments, each with `rows` rows
    /// of `depth` values that can be read; `output` has `rows` rows of [`Self::width`] values that
    /// can be written, and read if `start` says so.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "two strided matrices")]
    pub(crate) unsafe fn multiply<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: usize,
        inputs: &[*const f32],
        stride: usize,
        output: *mut f32,
        output_stride: usize,
        start: Start,
    ) {
        debug_assert!(self.lanes == S::LANES && inputs.len() == self.segments);
        debug_assert!(rows.is_multiple_of(ROWS));
        for first in (0..self.vectors).step_by(GROUP) {
            let vectors = GROUP.min(self.vectors - first);
            for row in (0..rows).step_by(ROWS) {
                // SAFETY: the caller's promise; groups before `first` are all of full width.
                unsafe {
                    let tile = OutputTile {
                        panel: self
                            .weights
                            .as_ptr()
                            .add(first * S::LANES * self.segments * self.depth),
                        bias: self.bias.as_ptr().add(first * S::LANES),
                        row,
                        stride,
                        output: output.add(row * output_stride + first * S::LANES),
                        output_stride,
                        start,
                    };
                    match vectors {
                        4 => self.tile::<S, ROWS, 4>(simd, inputs, tile),
                        3 => self.tile::<S, ROWS, 3>(simd, inputs, tile),
                        2 => self.tile::<S, ROWS, 2>(simd, inputs, tile),
                        _ => self.tile::<S, ROWS, 1>(simd, inputs, tile),
                    }
                }
            }
        }
    }

    /// # Safety
    /// As for [`Self::multiply`], for `ROWS` rows and `VECS` vectors.
    #[inline(always)]
    unsafe fn tile<S: Simd, const ROWS: usize, const VECS: usize>(
        &self,
        simd: S,
        inputs: &[*const f32],
        tile: OutputTile,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums: [[S::V; VECS]; ROWS] = [load(simd, tile.bias); ROWS];
            if tile.start == Start::Output {
                for (row, sums) in sums.iter_mut().enumerate() {
                    *sums = load(simd, tile.output.add(row * tile.output_stride));
                }
            }
            for (segment, input) in inputs.iter().enumerate() {
                sums = accumulate(
                    simd,
                    sums,
                    input.add(tile.row * tile.stride),
                    tile.stride,
                    tile.panel.add(segment * self.depth * VECS * S::LANES),
                    self.depth,
                );
            }
            for (row, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    simd.store(
                        tile.output.add(row * tile.output_stride + v * S::LANES),
                        *sum,
                    );
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct OutputTile {
    panel: *const f32,
    bias: *const f32,
    row: usize,
    stride: usize,
    output: *mut f32,
    output_stride: usize,
    start: Start,
}

/// Adds `Σ_k left[k][i] · right[k][v]` to `sums[i][v]`, `k` running over `depth` rows: the
/// gradient of a weight matrix.
#[derive(Clone, Copy)]
pub(crate) struct OuterProduct {
    pub left: *const f32,
    pub left_stride: usize,
    /// Rows of `sums`: an even number.
    pub height: usize,
    pub right: *const f32,
    pub right_stride: usize,
    /// Vectors of a row of `sums`.
    pub vectors: usize,
    pub depth: usize,
    pub sums: *mut f32,
    pub sums_stride: usize,
}

/// Rows of a tile of an outer product, and most vectors: ten sums hide the latency of two
/// multiply-adds a cycle, and with two values and a vector stay clear of AVX2's 16 registers.
/// Four rows by three vectors, which need all 16, are spilled by the compiler and take twice as
/// long.
const OUTER_ROWS: usize = 2;
const OUTER_VECTORS: usize = 5;

impl OuterProduct {
    /// # Safety
    /// `depth` rows of `height` values of `left` and of `vectors` vectors of `right` can be read,
    /// `height` rows of `vectors` vectors of `sums` read and written.
    #[inline(always)]
    pub(crate) unsafe fn add<S: Simd>(self, simd: S) {
        debug_assert!(self.height.is_multiple_of(OUTER_ROWS));
        for row in (0..self.height).step_by(OUTER_ROWS) {
            let mut first = 0;
            while first < self.vectors {
                // Even shares: a last tile of one vector would wait for its own sums.
                let rest = self.vectors - first;
                let share = rest.div_ceil(rest.div_ceil(OUTER_VECTORS));
                // SAFETY: the caller's promise, narrowed to a part of both matrices.
                unsafe {
                    match share {
                        5 => self.tile::<S, 5>(simd, row, first),
                        4 => self.tile::<S, 4>(simd, row, first),
                        3 => self.tile::<S, 3>(simd, row, first),
                        2 => self.tile::<S, 2>(simd, row, first),
                        _ => self.tile::<S, 1>(simd, row, first),
                    }
                }
                first += share;
            }
        }
    }

    /// # Safety
    /// As for [`Self::add`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const VECS: usize>(self, simd: S, row: usize, first: usize) {
        // SAFETY: the caller's promise; `row + OUTER_ROWS ≤ height`, `first + VECS ≤ vectors`.
        unsafe {
            let target = self.sums.add(row * self.sums_stride + first * S::LANES);
            let left = self.left.add(row);
            let right = self.right.add(first * S::LANES);
            let mut sums = [[simd.zero(); VECS]; OUTER_ROWS];
            for (row, sums) in sums.iter_mut().enumerate() {
                *sums = load(simd, target.add(row * self.sums_stride));
            }
            for k in 0..self.depth {
                let mut values = [simd.zero(); OUTER_ROWS];
                for (row, value) in values.iter_mut().enumerate() {
                    *value = simd.splat(*left.add(k * self.left_stride + row));
                }
                for v in 0..VECS {
                    let vector = simd.load(right.add(k * self.right_stride + v * S::LANES));
                    for row in 0..OUTER_ROWS {
                        sums[row][v] = simd.mul_add(values[row], vector, sums[row][v]);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    simd.store(target.add(row * self.sums_stride + v * S::LANES), *sum);
                }
            }
        }
    }
}
