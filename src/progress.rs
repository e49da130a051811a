//! How work says how far it has come, whoever watches.

use std::fmt::Debug;

/// Somebody who watches work.
pub trait Progress: Debug + Send + Sync {
    /// A step begins; `total` is the amount of work, if known. It ends when the counter is dropped.
    fn begin(&self, step: &'static str, total: Option<u64>) -> Box<dyn Counter>;
}

/// Counts what is done of one step.
pub trait Counter: Send + Sync {
    /// So much more is done.
    fn advance(&self, amount: u64);

    /// So much is done in all.
    fn reach(&self, amount: u64);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn begin(&self, _step: &'static str, _total: Option<u64>) -> Box<dyn Counter> {
        Box::new(*self)
    }
}

impl Counter for Unwatched {
    fn advance(&self, _amount: u64) {}

    fn reach(&self, _amount: u64) {}
}
