//! Metrics that windows have only where they are asked for: they cost a look at every path, client and
//! user agent.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::schema::TRAFFIC_WINDOWS;

/// A metric that windows have only where it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraMetric {
    /// Different paths.
    UniquePaths,
    /// The share of the requests that the most frequent client has.
    TopClientShare,
    /// Requests of programs that say so.
    BotRequests,
}

impl ExtraMetric {
    /// Every one, in the order of their columns.
    pub const ALL: [Self; 3] = [Self::UniquePaths, Self::TopClientShare, Self::BotRequests];

    /// The column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UniquePaths => "unique_paths",
            Self::TopClientShare => "top_client_share",
            Self::BotRequests => "bot_requests",
        }
    }

    const fn data_type(self) -> DataType {
        match self {
            Self::UniquePaths | Self::BotRequests => DataType::Int64,
            Self::TopClientShare => DataType::Float64,
        }
    }
}

impl FromStr for ExtraMetric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|metric| metric.name() == text);
        known.ok_or_else(|| {
            let names = Self::ALL.map(|metric| format!("`{}`", metric.name()));
            format!("no such metric: expected {}", names.join(", "))
        })
    }
}

/// Metrics as they are written on a command line: names with commas between, or `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraMetrics(pub BTreeSet<ExtraMetric>);

impl FromStr for ExtraMetrics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        let metrics = text.split(',').map(|name| name.trim().parse());
        Ok(Self(metrics.collect::<Result<_, _>>()?))
    }
}

/// [`TRAFFIC_WINDOWS`] with further metrics, which stand before `is_observed`.
#[must_use]
pub fn traffic_windows(extra: &BTreeSet<ExtraMetric>) -> SchemaRef {
    let mut fields: Vec<_> = TRAFFIC_WINDOWS.fields().iter().cloned().collect();
    let last = fields.len() - 1;
    let extra = extra
        .iter()
        .map(|metric| Arc::new(Field::new(metric.name(), metric.data_type(), true)));
    fields.splice(last..last, extra);
    Arc::new(Schema::new(fields))
}
