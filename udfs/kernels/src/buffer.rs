//! Memory that vectors are loaded from.

#![expect(
    unsafe_code,
    reason = "a slice of cache lines is viewed as a slice of numbers"
)]

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

const LINE: usize = 16;

/// Buffers of past training steps, for the next one: fresh memory of this size comes from the
/// system page by page, which takes as long as a tenth of the step.
static SPARE: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

/// Most numbers kept in [`SPARE`]: 128 MiB.
const SPARE_NUMBERS: usize = 1 << 25;

/// One cache line, so that no vector load crosses into a second one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers that start at a cache line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    pub(crate) fn zeros(len: usize) -> Self {
        Self {
            lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)],
            len,
        }
    }
}

impl Buffer {
    /// A buffer whose numbers are to be overwritten before they are read: a spare one of this
    /// length as it is, or a new one.
    pub(crate) fn spare(len: usize) -> Self {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = spare.iter().position(|buffer| buffer.len == len) {
            return spare.swap_remove(index);
        }
        drop(spare);
        Self::zeros(len)
    }

    /// Keeps a buffer for [`Self::spare`]; the ones kept longest make room.
    pub(crate) fn recycle(self) {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(self);
        let mut kept = spare.iter().map(|buffer| buffer.len).sum::<usize>();
        while kept > SPARE_NUMBERS {
            kept -= spare.remove(0).len;
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines are `len` or more initialised numbers without padding between them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
