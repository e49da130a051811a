//! Writes chunks of `access_logs` into staged Parquet files, one per date.
//!
//! Text and numbers have dictionaries, as the writer makes them unless told otherwise: plain or
//! delta encoding of `bytes` or `latency_ms` makes neither smaller nor sooner finished files, and
//! plain text makes them a tenth to a third larger. Timestamps are in order for the most part, and
//! are stored as differences (`DELTA_BINARY_PACKED`): files of real logs are a tenth smaller.

use std::fs::File;
use std::path::{Path, PathBuf};

use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder,
};

use super::chunk::{Chunk, RowKey, SortedChunk};
use super::error::WriteError;
use super::rows::SITE;
use super::timestamp::Date;
use crate::schema::{ACCESS_LOGS, DATE_PARTITION};

/// Rows of a row group: small enough to be skipped and read in parallel.
const ROW_GROUP_ROWS: usize = 128 << 10;
/// Rows put in order at once.
const BATCH_ROWS: usize = 16 << 10;
/// Text that the rows are not sorted by: its smallest and largest values exclude nothing from a
/// search, and to find them took a third of the whole time of ingesting.
const WITHOUT_STATISTICS: [&str; 7] = [
    "client_ip",
    "method",
    "path",
    "query",
    "protocol",
    "referer",
    "user_agent",
];

/// A finished file that waits for its final name.
#[derive(Debug)]
pub(super) struct StagedPart {
    pub(super) staged: PathBuf,
    /// Folder of its final name.
    pub(super) partition: String,
}

/// Writes a chunk into files in the folder `staging`, one per date.
pub(super) fn write(chunk: Chunk, staging: &Path) -> Result<Vec<StagedPart>, WriteError> {
    let number = chunk.number;
    let chunk = SortedChunk::new(chunk);
    let properties = access_log_properties();
    let mut parts = Vec::new();
    for (date, keys) in chunk.dates() {
        let Date { year, month, day } = date;
        let partition = format!("{DATE_PARTITION}={year:04}-{month:02}-{day:02}");
        let staged = staging.join(format!("{number:05}-{partition}.parquet"));
        write_part(&chunk, keys, &staged, &properties)?;
        parts.push(StagedPart { staged, partition });
    }
    Ok(parts)
}

fn write_part(
    chunk: &SortedChunk,
    keys: &[RowKey],
    path: &Path,
    properties: &WriterProperties,
) -> Result<(), WriteError> {
    let file = File::create(path).map_err(|source| WriteError::file(path, source))?;
    let mut writer = ArrowWriter::try_new(file, ACCESS_LOGS.clone(), Some(properties.clone()))?;
    for keys in keys.chunks(BATCH_ROWS) {
        writer.write(&chunk.batch(keys)?)?;
    }
    writer.close()?;
    Ok(())
}

fn access_log_properties() -> WriterProperties {
    let sorting = [SITE as i32, 0].map(|column_idx| SortingColumn {
        column_idx,
        descending: false,
        nulls_first: false,
    });
    let mut builder = properties()
        .set_column_dictionary_enabled("timestamp".into(), false)
        .set_column_encoding("timestamp".into(), Encoding::DELTA_BINARY_PACKED);
    for column in WITHOUT_STATISTICS {
        builder = builder.set_column_statistics_enabled(column.into(), EnabledStatistics::None);
    }
    builder
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(sorting.to_vec()))
        .build()
}

/// The properties of every file that ingesting writes.
pub(super) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::block::BlockParser;
    use crate::logs::chunk::{ChunkLimits, Gathering};

    /// One chunk with requests of two days.
    fn chunk() -> Chunk {
        let parser = BlockParser::of_access_lines();
        let lines = b"1.2.3.4 - - [22/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1\n\
            1.2.3.4 - - [21/Jan/2021:01:47:05 +0000] \"GET / HTTP/1.1\" 200 1\n";
        let mut gathering = Gathering::new(ChunkLimits::default());
        assert!(gathering.push(parser.parse(lines, true).rows).is_empty());
        gathering.take().unwrap()
    }

    #[test]
    fn a_chunk_makes_a_file_per_date() {
        let staging = tempfile::tempdir().unwrap();
        let parts = write(chunk(), staging.path()).unwrap();
        let partitions: Vec<_> = parts.iter().map(|part| &*part.partition).collect();
        assert_eq!(partitions, ["date=2021-01-21", "date=2021-01-22"]);
        assert!(parts.iter().all(|part| part.staged.exists()));
    }

    #[test]
    fn a_failing_disk_is_reported() {
        let staging = tempfile::tempdir().unwrap();
        let outcome = write(chunk(), &staging.path().join("missing"));
        assert!(matches!(outcome, Err(WriteError::File { .. })));
    }
}
