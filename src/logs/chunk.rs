//! Gathers the rows of a log into chunks, and puts the rows of a chunk in order.
//!
//! A chunk ends after a fixed number of rows, or earlier after the row that fills its bytes. Where
//! it ends depends on the rows before alone, not on how the log was cut into blocks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, RecordBatch, StringArray, UInt32Array, make_array,
};
use datafusion::arrow::compute::{concat, interleave, take};
use datafusion::arrow::error::ArrowError;

use super::rows::{RequestRows, SITE};
use super::timestamp::{DAY, Date};
use crate::schema::ACCESS_LOGS;

/// The limits at which a chunk is full.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkLimits {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Default for ChunkLimits {
    /// Two row groups of an ordinary log; long lines fill the bytes first.
    fn default() -> Self {
        Self {
            rows: 256 << 10,
            bytes: 64 << 20,
        }
    }
}

/// Rows that become files together.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Position among the chunks of its log.
    pub(super) number: usize,
    blocks: Vec<(Arc<RequestRows>, Range<usize>)>,
}

/// Collects rows until a chunk is full.
#[derive(Debug)]
pub(super) struct Gathering {
    limits: ChunkLimits,
    chunk: Chunk,
    rows: usize,
    bytes: usize,
}

impl Gathering {
    pub(super) const fn new(limits: ChunkLimits) -> Self {
        Self {
            limits,
            chunk: Chunk {
                number: 0,
                blocks: Vec::new(),
            },
            rows: 0,
            bytes: 0,
        }
    }

    /// The number of the chunk that gathers.
    pub(super) const fn number(&self) -> usize {
        self.chunk.number
    }

    /// Appends rows, which follow in the log those appended before; returns what became full.
    pub(super) fn push(&mut self, rows: RequestRows) -> Vec<Chunk> {
        let rows = Arc::new(rows);
        let mut full = Vec::new();
        let mut from = 0;
        while from < rows.len() {
            let room = self.limits.bytes.saturating_sub(self.bytes);
            let room = from + rows.count_within(from, room);
            let until = room.min(from + self.limits.rows - self.rows);
            self.rows += until - from;
            self.bytes += rows.size(from..until);
            self.chunk.blocks.push((rows.clone(), from..until));
            if self.rows >= self.limits.rows || self.bytes >= self.limits.bytes {
                full.extend(self.take());
            }
            from = until;
        }
        full
    }

    /// Takes the rows that have gathered, if there are any.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        if self.rows == 0 {
            return None;
        }
        (self.rows, self.bytes) = (0, 0);
        let number = self.chunk.number + 1;
        let next = Chunk {
            number,
            blocks: Vec::new(),
        };
        Some(std::mem::replace(&mut self.chunk, next))
    }
}

/// Where a row belongs, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowKey {
    /// Days since 1970, then the rank among the names of the chunk's sites. No row is older than
    /// 1970.
    date_and_site: u64,
    timestamp: i64,
    block: u32,
    row: u32,
}

impl RowKey {
    fn new(timestamp: i64, site: u32, block: usize, row: usize) -> Self {
        Self {
            date_and_site: (timestamp.div_euclid(DAY) as u64) << 32 | u64::from(site),
            timestamp,
            block: block as u32,
            row: row as u32,
        }
    }

    const fn day(&self) -> u64 {
        self.date_and_site >> 32
    }

    const fn site(&self) -> u32 {
        self.date_and_site as u32
    }
}

/// The rows of a chunk by date, site and time, and by line where all are equal.
pub(super) struct SortedChunk {
    blocks: Vec<Arc<RequestRows>>,
    keys: Vec<RowKey>,
    /// Names by rank.
    sites: ArrayRef,
}

impl SortedChunk {
    pub(super) fn new(chunk: Chunk) -> Self {
        let mut ranks: BTreeMap<&str, u32> = chunk
            .blocks
            .iter()
            .flat_map(|(rows, _)| rows.sites())
            .map(|site| (site.name.as_str(), 0))
            .collect();
        for (rank, of_site) in ranks.values_mut().enumerate() {
            *of_site = rank as u32;
        }
        let sites: ArrayRef = Arc::new(StringArray::from_iter_values(ranks.keys()));
        let count = chunk.blocks.iter().map(|(_, range)| range.len()).sum();
        let mut keys = Vec::with_capacity(count);
        for (block, (rows, range)) in chunk.blocks.iter().enumerate() {
            let ranks: Vec<u32> = rows
                .sites()
                .iter()
                .map(|site| ranks[site.name.as_str()])
                .collect();
            keys.extend(range.clone().map(|row| {
                let site = ranks[rows.site_of_row[row] as usize];
                RowKey::new(rows.timestamps()[row], site, block, row)
            }));
        }
        // Stable, and fast on logs, which are almost in order.
        keys.sort_by_key(|key| (key.date_and_site, key.timestamp));
        drop(ranks);
        Self {
            blocks: chunk.blocks.into_iter().map(|(rows, _)| rows).collect(),
            keys,
            sites,
        }
    }

    /// The rows of each date.
    pub(super) fn dates(&self) -> impl Iterator<Item = (Date, &[RowKey])> {
        self.keys
            .chunk_by(|a, b| a.day() == b.day())
            .map(|keys| (Date::from_days(keys[0].day() as i64), keys))
    }

    /// The rows of these keys. Equal rows make equal arrays, wherever they come from: no array has
    /// a null buffer without nulls.
    pub(super) fn batch(&self, keys: &[RowKey]) -> Result<RecordBatch, ArrowError> {
        let runs = runs(keys);
        // Whole stretches are copied faster than row after row.
        let has_long_runs = runs.len() * LONG_RUN <= keys.len();
        let positions: Vec<_> = if has_long_runs {
            Vec::new()
        } else {
            let position = |key: &RowKey| (key.block as usize, key.row as usize);
            keys.iter().map(position).collect()
        };
        let gather = |column: usize| {
            if has_long_runs {
                let slices: Vec<_> = runs
                    .iter()
                    .map(|run| {
                        let array = &self.blocks[run[0].block as usize].columns[column];
                        array.slice(run[0].row as usize, run.len())
                    })
                    .collect();
                if let [slice] = &slices[..] {
                    return Ok(slice.clone());
                }
                concat(&slices.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            } else {
                let arrays: Vec<&dyn Array> = self
                    .blocks
                    .iter()
                    .map(|rows| rows.columns[column].as_ref())
                    .collect();
                interleave(&arrays, &positions)
            }
        };
        let mut columns = (0..ACCESS_LOGS.fields().len() - 1)
            .map(|column| without_idle_nulls(gather(column)?))
            .collect::<Result<Vec<_>, _>>()?;
        let ranks = UInt32Array::from_iter_values(keys.iter().map(RowKey::site));
        columns.insert(SITE, take(&self.sites, &ranks, None)?);
        RecordBatch::try_new(ACCESS_LOGS.clone(), columns)
    }
}

/// Rows from which on copying stretches beats copying rows.
const LONG_RUN: usize = 16;

/// Stretches of rows that follow each other in a block.
fn runs(keys: &[RowKey]) -> Vec<&[RowKey]> {
    keys.chunk_by(|a, b| a.block == b.block && a.row + 1 == b.row)
        .collect()
}

fn without_idle_nulls(array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    if array.null_count() > 0 || array.nulls().is_none() {
        return Ok(array);
    }
    let data = array.to_data().into_builder().nulls(None).build()?;
    Ok(make_array(data))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::block::BlockParser;

    fn parse(lines: &[String]) -> RequestRows {
        let parser = BlockParser::of_access_lines();
        parser.parse(lines.concat().as_bytes(), true).rows
    }

    fn gather(blocks: &[&[String]], limits: ChunkLimits) -> Vec<Chunk> {
        let mut gathering = Gathering::new(limits);
        let mut chunks: Vec<_> = blocks
            .iter()
            .flat_map(|block| gathering.push(parse(block)))
            .collect();
        chunks.extend(gathering.take());
        chunks
    }

    /// The batches of each date of each chunk.
    fn batches(chunks: Vec<Chunk>) -> Vec<(usize, Date, RecordBatch)> {
        let mut batches = Vec::new();
        for chunk in chunks {
            let number = chunk.number;
            let chunk = SortedChunk::new(chunk);
            for (date, keys) in chunk.dates() {
                batches.push((number, date, chunk.batch(keys).unwrap()));
            }
        }
        batches
    }

    fn paths(batch: &RecordBatch) -> Vec<&str> {
        let paths = batch.column(4).as_any().downcast_ref::<StringArray>();
        paths.unwrap().iter().flatten().collect()
    }

    #[test]
    fn rows_are_sorted_by_date_site_time_and_line() {
        let line = |site: &str, time: &str, path: usize| {
            format!("{site} 1.2.3.4 - - [{time} +0000] \"GET {path} HTTP/1.1\" 200 1\n")
        };
        let lines = [
            line("b.example", "22/Jan/2021:00:00:01", 6),
            line("b.example", "22/Jan/2021:00:00:00", 4),
            line("a.example", "22/Jan/2021:00:00:09", 3),
            line("b.example", "22/Jan/2021:00:00:00", 5),
            line("b.example", "21/Jan/2021:00:00:00", 1),
            line("a.example", "22/Jan/2021:00:00:08", 2),
        ];
        let (first, second) = lines.split_at(3);
        let found = batches(gather(&[first, second], ChunkLimits::default()));
        let found: Vec<_> = found
            .iter()
            .flat_map(|(_, _, batch)| paths(batch))
            .collect();
        assert_eq!(found, ["1", "2", "3", "4", "5", "6"]);
    }

    proptest! {
        #[test]
        fn chunks_do_not_depend_on_blocks(
            sizes in proptest::collection::vec((0_usize..300, 0..90_000_u32, any::<bool>()), 1..80),
            is_in_order: bool,
            cuts in proptest::collection::vec(0_usize..80, 0..6),
            rows in 1_usize..40,
            bytes in 1_usize..9000,
        ) {
            let mut lines: Vec<_> = sizes.iter().enumerate().map(|(number, (size, second, is_set))| {
                let second = if is_in_order { number as u32 } else { *second };
                let (day, hour, minute) = (second / 86_400 + 1, second / 3600 % 24, second / 60 % 60);
                let agent = if *is_set { "ua" } else { "-" };
                format!(
                    "1.2.3.4 - - [{day:02}/Jan/2021:{hour:02}:{minute:02}:00 +0000] \
                     \"GET /{} HTTP/1.1\" 200 1 \"-\" \"{agent}\"\n",
                    "x".repeat(*size),
                )
            }).collect();
            lines[0] = lines[0].replace("\"-\"", "\"http://referer\"");
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(lines.len())).collect();
            cuts.extend([0, lines.len()]);
            cuts.sort_unstable();
            let blocks: Vec<_> = cuts.windows(2).map(|cut| &lines[cut[0]..cut[1]]).collect();
            let limits = ChunkLimits { rows, bytes };
            let whole = gather(&[&lines], limits);
            for chunk in &whole {
                let count = chunk.blocks.iter().map(|(_, range)| range.len()).sum::<usize>();
                prop_assert!((1..=rows).contains(&count));
            }
            let (whole, cut) = (batches(whole), batches(gather(&blocks, limits)));
            prop_assert_eq!(&whole, &cut);
            let count: usize = whole.iter().map(|(_, _, batch)| batch.num_rows()).sum();
            prop_assert_eq!(count, lines.len());
            for ((_, _, a), (_, _, b)) in whole.iter().zip(&cut) {
                for (a, b) in a.columns().iter().zip(b.columns()) {
                    prop_assert_eq!(a.nulls().is_some(), b.nulls().is_some());
                    prop_assert!(a.null_count() > 0 || a.nulls().is_none());
                }
            }
        }
    }
}
