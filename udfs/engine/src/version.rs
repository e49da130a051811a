//! The version of the code that scores.

/// To be raised whenever the same windows and detectors give other scores.
///
/// It is part of the key of every date of scores, and of what is kept of what is usual for a series:
/// whatever an earlier program scored is scored again.
pub const SCORES: u32 = 1;
