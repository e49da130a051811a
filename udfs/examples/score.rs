//! Scores windows in a plain DataFusion program, with detectors that `anomalog train` wrote.
//!
//! ```sh
//! cargo run --release -p anomalog-udfs --example score -- \
//!     warehouse/detectors warehouse/traffic_windows
//! ```
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::Arc;

use anomalog_engine::detector::DetectorStore;
use anomalog_udfs::register_all;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{ParquetReadOptions, SessionContext};

const QUERY: &str = "
    SELECT site, window_start, requests,
           lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start) AS score
    FROM   traffic_windows
    ORDER  BY score DESC NULLS LAST, site, window_start
    LIMIT  5";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(detectors), Some(windows)) = (arguments.next(), arguments.next()) else {
        return Err(DataFusionError::Configuration(
            "usage: score DETECTORS_FOLDER WINDOWS_PARQUET".to_owned(),
        ));
    };
    let mut context = SessionContext::new();
    context
        .register_parquet("traffic_windows", windows, ParquetReadOptions::default())
        .await?;
    register_all(&mut context, &Arc::new(DetectorStore::open(detectors)))?;
    let batches = context.sql(QUERY).await?.collect().await?;
    println!("{}", pretty_format_batches(&batches)?);
    Ok(())
}
