//! The threads that a command works with.

use tokio::runtime::{Builder, Runtime};

use super::error::{Fault, Result};

/// Threads that work at once, one per core unless told otherwise.
pub(super) fn runtime(threads: Option<u32>) -> Result<Runtime> {
    let mut runtime = Builder::new_multi_thread();
    runtime.enable_all();
    if let Some(threads) = threads {
        runtime.worker_threads(threads as usize);
    }
    Ok(runtime.build().map_err(Fault::Runtime)?)
}
