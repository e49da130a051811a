//! Tables as an incremental build: each partition has a key, the digest of all that its rows are a
//! function of, and is built again when its key is another.

pub(crate) mod key;
pub(crate) mod partitions;
pub(crate) mod pieces;
pub(crate) mod remembered;
pub(crate) mod retention;
