//! Anomaly scores as SQL functions for DataFusion.

pub mod models;
