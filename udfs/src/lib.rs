//! Anomaly scores as SQL functions for DataFusion.

pub mod kernels;
pub mod models;
