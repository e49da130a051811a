//! Tables as an incremental build: each partition has a key, the digest of all that its rows are a
//! function of, and is built again when its key is another.

pub(crate) mod key;
pub(crate) mod partitions;
pub(crate) mod pieces;
pub(crate) mod retention;
mod staged;
mod step;
pub mod version;

pub use staged::Staged;
pub use step::{Plan, Step, carry_out, files_removed, plan};
