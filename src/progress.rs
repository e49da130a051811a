//! How work says how far it has come, whoever watches.

use std::fmt::Debug;

/// Somebody who watches work.
pub trait Progress: Debug + Send + Sync {
    /// A step begins; `total` is the amount of work, if known. The step ends when its counter is
    /// dropped.
    fn begin(&self, step: &'static str, total: Option<u64>) -> Box<dyn Counter>;
}

/// Counts what is done of one step.
pub trait Counter: Send + Sync {
    /// So much more is done.
    fn advance(&self, amount: u64);

    /// So much is done in all.
    fn reach(&self, amount: u64);

    /// There is so much to be done, and nothing of it is done yet.
    fn expect(&self, total: u64);

    /// Says what the step is about now.
    fn say(&self, message: String);
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

    fn expect(&self, _total: u64) {}

    fn say(&self, _message: String) {}
}
