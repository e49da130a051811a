//! What scores windows: from series to verdicts, without a query engine.
//!
//! Each room uses only those after it: [`score`] (forecasts and odds to verdicts) → [`detector`]
//! (artefacts: weights, what they are compared with, where they are stored) → [`forecast`] (what
//! networks say of windows) → [`baseline`] (what is usual for a series) → [`features`] (inputs and
//! scales), [`network`] (candle modules) → [`series`] (the time grid, blocks, time zones).

#![forbid(unsafe_code)]

pub mod baseline;
pub mod detector;
pub mod features;
pub mod fixture;
pub mod forecast;
pub mod network;
pub mod score;
pub mod series;
pub mod version;
