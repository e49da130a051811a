//! Which time the ingested logs cover, as the queries read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, TimestampMicrosecondType};

use serde::{Deserialize, Serialize};

use super::error::Result;
use crate::schema::{Table, timestamp_type};
use crate::warehouse::Warehouse;
use crate::warehouse::rows as stored;

/// The time that a log covers, in microseconds since the Unix epoch, and its sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Coverage {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) sites: Vec<String>,
    /// The requests of each.
    #[serde(default)]
    pub(crate) requests: Vec<i64>,
    /// The path of the log when it was read.
    #[serde(default)]
    pub(crate) file: String,
}

impl Coverage {
    /// Whether all of it is known: earlier programs did not remember as much.
    pub(super) fn is_whole(&self) -> bool {
        self.requests.len() == self.sites.len() && !self.file.is_empty()
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.to
            && other.from <= self.to
            && self.sites.iter().any(|site| other.sites.contains(site))
    }
}

/// Reads what `log_files` says of one log, given the name of its file.
pub(crate) fn read(warehouse: &Warehouse, name: &str) -> Result<Coverage> {
    let path = warehouse
        .table(Table::LogFiles)
        .join(format!("{name}.parquet"));
    let mut covered = Coverage {
        from: i64::MAX,
        to: i64::MIN,
        sites: Vec::new(),
        requests: Vec::new(),
        file: String::new(),
    };
    for batch in stored::read(&path)? {
        let times = |name: &str| {
            let column = batch.column_by_name(name);
            column.map(|column| column.as_primitive::<TimestampMicrosecondType>().clone())
        };
        if let Some(from) = times("covered_from") {
            covered.from = from.values().iter().copied().fold(covered.from, i64::min);
        }
        if let Some(to) = times("covered_to") {
            covered.to = to.values().iter().copied().fold(covered.to, i64::max);
        }
        if let Some(sites) = batch.column_by_name("site") {
            let sites = sites.as_string::<i32>().iter().flatten();
            covered.sites.extend(sites.map(str::to_owned));
        }
        if let Some(rows) = batch.column_by_name("rows") {
            let rows = rows.as_primitive::<Int64Type>().values();
            covered.requests.extend(rows.iter().copied());
        }
        if let Some(files) = batch.column_by_name("file") {
            let mut files = files.as_string::<i32>().iter().flatten();
            covered.file = files.next().map_or(covered.file, str::to_owned);
        }
    }
    Ok(covered)
}

/// What queries of a night read of a log and one of its sites.
struct Row {
    digest: String,
    file: String,
    site: String,
    from: i64,
    to: i64,
    requests: i64,
}

/// The rows of `log_files`, in the columns that queries of a night read: the digest is a short one.
pub(crate) fn rows(logs: &BTreeMap<String, Coverage>) -> Result<RecordBatch> {
    let of_log = |(digest, log): (&'_ String, &'_ Coverage)| {
        let (digest, file, from, to) = (digest.clone(), log.file.clone(), log.from, log.to);
        let requests = log.requests.clone().into_iter();
        let sites = log.sites.clone().into_iter().zip(requests);
        sites.map(move |(site, requests)| Row {
            digest: digest.clone(),
            file: file.clone(),
            site,
            from,
            to,
            requests,
        })
    };
    let rows: Vec<Row> = logs.iter().flat_map(of_log).collect();
    let texts =
        |of: fn(&Row) -> &String| Arc::new(StringArray::from_iter_values(rows.iter().map(of)));
    let times =
        |values: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"));
    let schema = Schema::new(vec![
        Field::new("blake3", DataType::Utf8, false),
        Field::new("file", DataType::Utf8, false),
        Field::new("site", DataType::Utf8, false),
        Field::new("covered_from", timestamp_type(), false),
        Field::new("covered_to", timestamp_type(), false),
        Field::new("rows", DataType::Int64, false),
    ]);
    Ok(RecordBatch::try_new(
        Arc::new(schema),
        vec![
            texts(|row| &row.digest),
            texts(|row| &row.file),
            texts(|row| &row.site),
            times(rows.iter().map(|row| row.from).collect()),
            times(rows.iter().map(|row| row.to).collect()),
            Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|row| row.requests),
            )),
        ],
    )?)
}
