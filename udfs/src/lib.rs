//! Anomaly scores as SQL functions for DataFusion.
