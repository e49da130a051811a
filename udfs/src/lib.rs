//! Anomaly scores as SQL functions for [DataFusion](datafusion).
//!
//! ```sql
//! SELECT site, window_start, requests,
//!        lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)
//! FROM   traffic_windows
//! ```
//!
//! [`register_all`] adds the functions to a session; a [`detector::DetectorStore`] says which
//! detectors they find. Inside, each layer uses only those after it:
//! [`exec`] (the operator that streams) → [`functions`] (what a call means) → `streaming`,
//! [`scoring`] (forecasts and odds to scores) → [`detector`] (artefacts), [`classifying`] (windows),
//! [`forecasting`] (blocks and the recurrent pass) → [`profile`] (what is normal for a series), [`features`] (inputs and scales),
//! [`series`] (the time grid), [`models`] (candle modules) → [`layout`], [`time_zone`], [`kernels`].

pub mod classifying;
pub mod detector;
pub mod exec;
pub mod features;
#[cfg(test)]
mod fixture;
pub mod forecasting;
pub mod functions;
pub mod kernels;
pub mod layout;
pub mod models;
pub mod profile;
pub mod scoring;
pub mod series;
pub mod sketches;
mod streaming;
pub mod time_zone;

pub use detector::{Detector, DetectorError, DetectorStore};
pub use exec::register_all;
pub use time_zone::TimeZone;
