//! Versions of the code that makes tables.
//!
//! Each is part of every key (`key`) of what the code makes, so that tables which an earlier
//! program built are built again, wholly. A test beside each compares what the code makes of fixed
//! inputs with a recorded digest: whoever changes rows raises the version and records the new digest.

/// To be raised whenever the same windows and detectors give other scores.
pub use anomalog_engine::version::SCORES;

/// To be raised whenever the same logs and settings give other windows.
pub const WINDOWS: u32 = 3;
/// To be raised whenever the same windows, requests and rules give other incidents or causes.
pub const INCIDENTS: u32 = 3;
/// To be raised whenever the same tables give other exported files.
pub const EXPORT: u32 = 3;
/// To be raised whenever a run must look at everything again.
pub const RUN: u32 = 1;
