//! Whether the pages of linked files can be read: a footer says nothing of the pages before it.
//!
//! One damaged page would end every query that reads it, without a word of the file. So the columns that
//! are read are decoded once when a file is new or has changed.

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::PageIndexPolicy;

use super::file::{LinkedFile, columns_read, metadata};
use super::guard::guarded;

/// Rows that are decoded at once.
const ROWS: usize = 1024;
/// Files of more bytes are decoded by several threads, a part of their row groups each.
const LARGE: u64 = 64 << 20;

/// What is wrong with each of some files, in their order; nothing of those that can be read.
pub(super) fn faults(files: &[&LinkedFile], threads: Option<u32>) -> Vec<Option<String>> {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = threads
        .map_or_else(cores, |threads| threads as usize)
        .max(1);
    let parts: Vec<(usize, Part)> = files
        .iter()
        .enumerate()
        .flat_map(|(file, found)| {
            let of = if found.bytes > LARGE { threads } else { 1 };
            (0..of).map(move |part| (file, Part { part, of }))
        })
        .collect();
    let faults = Mutex::new(vec![None; files.len()]);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((file, part)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(fault) = fault(files[*file], *part) {
                let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
                faults[*file].get_or_insert(fault);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(parts.len()) {
            scope.spawn(work);
        }
        work();
    });
    faults.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A part of the row groups of a file.
#[derive(Debug, Clone, Copy)]
struct Part {
    part: usize,
    of: usize,
}

fn fault(file: &LinkedFile, part: Part) -> Option<String> {
    let decoded = guarded(|| decode(file, part));
    decoded.err().map(|error| error.to_string())
}

fn decode(file: &LinkedFile, Part { part, of }: Part) -> Result<(), ParquetError> {
    let opened = File::open(&file.path)?;
    let metadata = metadata(&opened, PageIndexPolicy::Optional)?;
    let groups = (0..metadata.metadata().num_row_groups()).filter(|group| group % of == part);
    let mask = columns_read(&metadata, &file.columns);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata)
        .with_row_groups(groups.collect())
        .with_projection(mask)
        .with_batch_size(ROWS)
        .build()?;
    for batch in reader {
        batch?;
    }
    Ok(())
}
