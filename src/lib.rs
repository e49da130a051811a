//! anomalog: web-traffic anomaly detection as SQL.

pub mod logs;
pub mod schema;
pub mod warehouse;
