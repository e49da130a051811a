//! Threads that share the rows of one long series.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// As many threads as a query may use, started when a series is long enough for more than one.
#[derive(Debug)]
pub struct Workers {
    threads: usize,
    pool: OnceLock<Option<ThreadPool>>,
}

impl Workers {
    /// So many threads, at least one.
    #[must_use]
    pub const fn new(threads: usize) -> Self {
        Self {
            threads,
            pool: OnceLock::new(),
        }
    }

    /// The pool; `None` where one thread is enough, or there can be no more.
    pub(super) fn pool(&self) -> Option<&ThreadPool> {
        if self.threads < 2 {
            return None;
        }
        let start = || ThreadPoolBuilder::new().num_threads(self.threads).build();
        self.pool.get_or_init(|| start().ok()).as_ref()
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self::new(1)
    }
}
