//! anomalog: web-traffic anomaly detection as SQL.

pub mod schema;
pub mod simulation;
pub mod training;
pub mod warehouse;
