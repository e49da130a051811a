//! Fused recurrent layers: what makes training and scoring fast.
//!
//! A recurrent step is one small matrix product and a few activations. Done operation by
//! operation, nearly all time goes to memory, allocation and calls. Here a whole sequence is one
//! operation; weights are packed once; a tile of a step — a few rows by all gates of a few units —
//! is summed in registers and goes through its gates before it reaches memory.
//!
//! Invariants:
//! - What a row gives depends on its own inputs and the weights only: not on its place in a
//!   batch, the other rows, the batch's size or the number of threads, to the last bit.
//! - AVX2 and AVX-512 give the same bits; the portable form agrees within rounding.
//! - Gradients of weights are summed in an order that does not depend on the number of threads.
//! - Activations are approximations whose largest error is stated and tested.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a `target_feature` function is compiled without its \
              instructions"
)]

pub mod activation;
mod backbone;
mod buffer;
mod cell;
mod cells;
mod classifier;
mod convolution;
mod convolution_op;
mod execution;
mod predictor;
mod product;
mod sequence;
mod sequence_op;
mod simd;
mod storage;
mod threads;

pub use backbone::{BackboneValues, CellKind, halved};
pub use classifier::{ClassifierValues, PackedClassifier};
pub use convolution_op::{linear, pooled_convolution};
pub use execution::Execution;
pub use predictor::{ForecasterValues, PackedForecaster, Sequences};
pub use sequence_op::{LayerTensors, gru_sequence, lstm_sequence, rnn_sequence};
pub use simd::{Isa, Simd, Task};
