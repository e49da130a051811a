//! Scores windows of time series, from rows to verdicts, without a query engine.
//!
//! The score of a window is made of evidence. Statistics of the series' own last weeks (its mean at
//! each time of day, a robust level, a linear forecast, and sums over several spans) say how far a
//! metric is from what is usual, and so does the error of a recurrent network's forecast. How rare
//! each of these is, a tail fitted to the series' own past says, and the window is as rare as its
//! rarest evidence, corrected for their number. The score is 1 less the share of windows that are at
//! least as unusual, so that under normal traffic P(score ≥ 1 − α) is about α. A classifier, trained
//! on labels, has one piece of evidence instead: its odds, calibrated on normal windows that training
//! held back.
//!
//! Each room uses only those after it: [`score`] (forecasts and odds to verdicts) → [`detector`]
//! (artefacts: weights, comparison with the baseline, storage) → [`forecast`] (forecasts
//! and odds of networks) → [`baseline`] (statistics of a series) → [`features`] (inputs and
//! scales), [`evidence`] (inputs of a judge), [`network`] (candle modules) → [`series`] (the time grid,
//! blocks, time zones).

#![forbid(unsafe_code)]

pub mod baseline;
pub mod detector;
pub mod evidence;
pub mod features;
pub mod fixture;
pub mod forecast;
pub mod network;
pub mod score;
pub mod series;
pub mod version;
