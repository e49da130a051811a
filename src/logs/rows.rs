//! Requests of one block in Arrow arrays.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Builder, Int32Array, Int64Builder, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::request::Request;

/// Bytes of text per row that the builders reserve; lines of real logs are longer.
const SHORT_LINE: usize = 200;

/// What a row takes besides its text: numbers, text lengths, its site and its place in the order.
const FIXED_SIZE: usize = 112;

/// Requests in the order of their lines.
#[derive(Debug, Default)]
pub(super) struct RequestRows {
    /// The columns of [`crate::schema::ACCESS_LOGS`] in its order, without `site`; none without
    /// rows.
    pub(super) columns: Vec<ArrayRef>,
    timestamps: ScalarBuffer<i64>,
    /// For each row an index into `sites`.
    pub(super) site_of_row: Vec<u32>,
    sites: Vec<SiteRows>,
}

/// A site, and how many rows name it.
#[derive(Debug)]
pub(super) struct SiteRows {
    pub(super) name: String,
    pub(super) rows: u64,
}

impl RequestRows {
    pub(super) fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// In microseconds since the Unix epoch, not in order.
    pub(super) fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    /// The distinct sites.
    pub(super) fn sites(&self) -> &[SiteRows] {
        &self.sites
    }

    /// Bytes of memory that some rows take, however the block around them was cut.
    pub(super) fn size(&self, rows: Range<usize>) -> usize {
        let texts = self.columns.iter().filter_map(|column| {
            let offsets = column.as_string_opt::<i32>()?.value_offsets();
            Some((offsets[rows.end] - offsets[rows.start]) as usize)
        });
        texts.sum::<usize>() + rows.len() * FIXED_SIZE
    }

    /// How many rows from row `from` on it takes to fill so many bytes; all if they do not.
    pub(super) fn count_within(&self, from: usize, bytes: usize) -> usize {
        let (mut low, mut high) = (1, self.len() - from);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.size(from..from + middle) >= bytes {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// The site of a row.
    pub(super) fn site(&self, row: usize) -> &str {
        &self.sites[self.site_of_row[row] as usize].name
    }

    /// A column by its name; `site` is none, as it is kept apart.
    pub(super) fn column(&self, name: &str) -> Option<&ArrayRef> {
        let index = crate::schema::ACCESS_LOGS.index_of(name).ok()?;
        if index == SITE {
            return None;
        }
        self.columns.get(index - usize::from(index > SITE))
    }

    /// Value of a text column, if there is one.
    pub(super) fn text(&self, column: &str, row: usize) -> Option<&str> {
        let text = self.column(column)?.as_string_opt::<i32>()?;
        text.is_valid(row).then(|| text.value(row))
    }
}

/// Position of `site` in [`crate::schema::ACCESS_LOGS`].
pub(super) const SITE: usize = 1;

/// Collects requests into [`RequestRows`].
#[derive(Debug)]
pub(super) struct RowsBuilder {
    timestamps: Vec<i64>,
    sites: Sites,
    client_ip: TextColumn,
    method: TextColumn,
    path: TextColumn,
    query: TextColumn,
    protocol: TextColumn,
    status: Vec<i32>,
    bytes: Int64Builder,
    latency_ms: Float64Builder,
    referer: TextColumn,
    user_agent: TextColumn,
}

impl RowsBuilder {
    /// Reserves room for the requests of a block of so many bytes.
    pub(super) fn for_block(bytes: usize) -> Self {
        let rows = bytes / SHORT_LINE;
        let text = |per_row: usize| TextColumn::new(rows, rows * per_row);
        Self {
            timestamps: Vec::with_capacity(rows),
            sites: Sites::default(),
            client_ip: text(16),
            method: text(4),
            path: text(40),
            query: text(16),
            protocol: text(8),
            status: Vec::with_capacity(rows),
            bytes: Int64Builder::with_capacity(rows),
            latency_ms: Float64Builder::with_capacity(rows),
            referer: text(32),
            user_agent: text(100),
        }
    }

    pub(super) fn push(&mut self, request: &Request<'_>, client: &str, site: &str) {
        self.timestamps.push(request.timestamp);
        self.sites.push(site);
        self.client_ip.push(client);
        self.method.push(&request.method);
        self.path.push(&request.path);
        self.query.push(&request.query);
        self.protocol.push(&request.protocol);
        self.status.push(request.status);
        self.bytes.append_option(request.bytes);
        self.latency_ms.append_option(request.latency_ms);
        self.referer.push_option(request.referer.as_deref());
        self.user_agent.push_option(request.user_agent.as_deref());
    }

    pub(super) fn finish(mut self) -> RequestRows {
        let timestamps = ScalarBuffer::from(self.timestamps);
        let times = TimestampMicrosecondArray::new(timestamps.clone(), None);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(times.with_timezone("UTC")),
            Arc::new(self.client_ip.finish()),
            Arc::new(self.method.finish()),
            Arc::new(self.path.finish()),
            Arc::new(self.query.finish()),
            Arc::new(self.protocol.finish()),
            Arc::new(Int32Array::from(self.status)),
            Arc::new(self.bytes.finish()),
            Arc::new(self.latency_ms.finish()),
            Arc::new(self.referer.finish()),
            Arc::new(self.user_agent.finish()),
        ];
        RequestRows {
            columns,
            timestamps,
            site_of_row: self.sites.of_row,
            sites: self.sites.distinct,
        }
    }
}

/// Text of one column. It does less per value than arrow's builder, which parsing would spend a
/// tenth of its time in.
#[derive(Debug)]
struct TextColumn {
    offsets: Vec<i32>,
    text: Vec<u8>,
    is_valid: Vec<bool>,
    has_nulls: bool,
}

impl TextColumn {
    fn new(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self {
            offsets,
            text: Vec::with_capacity(bytes),
            is_valid: Vec::new(),
            has_nulls: false,
        }
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
        // The text of a block is far shorter than 2 GiB.
        self.offsets.push(self.text.len() as i32);
    }

    fn push_option(&mut self, text: Option<&str>) {
        self.is_valid.push(text.is_some());
        self.has_nulls |= text.is_none();
        self.push(text.unwrap_or_default());
    }

    fn finish(self) -> StringArray {
        let nulls = self.has_nulls.then(|| NullBuffer::from(self.is_valid));
        let offsets = OffsetBuffer::new(self.offsets.into());
        StringArray::new(offsets, Buffer::from_vec(self.text), nulls)
    }
}

/// Distinct sites in order of appearance, and the site of each row.
#[derive(Debug, Default)]
struct Sites {
    distinct: Vec<SiteRows>,
    index: HashMap<String, u32>,
    of_row: Vec<u32>,
    last: u32,
}

impl Sites {
    fn push(&mut self, name: &str) {
        let is_last = |last: &SiteRows| last.name == name;
        if !self.distinct.get(self.last as usize).is_some_and(is_last) {
            self.last = match self.index.get(name) {
                Some(index) => *index,
                None => self.add(name),
            };
        }
        self.distinct[self.last as usize].rows += 1;
        self.of_row.push(self.last);
    }

    fn add(&mut self, name: &str) -> u32 {
        let index = self.distinct.len() as u32;
        self.distinct.push(SiteRows {
            name: name.to_owned(),
            rows: 0,
        });
        self.index.insert(name.to_owned(), index);
        index
    }
}
