//! Anomaly scores as SQL functions for [DataFusion](datafusion).
//!
//! ```sql
//! SELECT site, window_start, requests,
//!        lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)
//! FROM   traffic_windows
//! ```
//!
//! [`register_all`] adds the functions to a session; a [`DetectorStore`] says which detectors they
//! find. All that knows `DataFusion` is here: [`exec`] (the operator that streams) → [`functions`]
//! (what a call means), [`sketches`] (mergeable counts and quantiles). What a score is, the crate
//! `anomalog-engine` says.

#![forbid(unsafe_code)]

pub mod enrich;
pub mod exec;
#[cfg(test)]
mod fixture;
pub mod functions;
pub mod sketches;

pub use anomalog_engine::detector::DetectorStore;
pub use exec::register_all;
