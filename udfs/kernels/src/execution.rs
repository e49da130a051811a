//! How the operations run.

use super::simd::Isa;
use super::threads;

/// Rows whose weight gradients are summed before those of other rows are added. Fixed, because
/// it decides the order of summation; small, because it is what threads share.
pub(super) const CHUNK: usize = 32;

/// How an operation runs. Results do not depend on the number of threads.
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
