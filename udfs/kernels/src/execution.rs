//! The instruction set and the threads that operations run with.

use super::simd::Isa;
use super::threads;

/// Rows whose weight gradients are summed before those of other rows are added. Fixed, because
/// it decides the order of summation; small, because it is what threads share.
pub(super) const CHUNK: usize = 32;

/// The resources that an operation runs with. Results do not depend on the number of threads.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// The instruction set.
    pub isa: Isa,
    /// Threads that share the rows.
    pub threads: usize,
}

impl Execution {
    /// As fast as this machine can.
    #[must_use]
    pub fn best() -> Self {
        Self {
            isa: Isa::best(),
            threads: threads::available(),
        }
    }
}
