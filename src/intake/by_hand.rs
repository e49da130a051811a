//! Logs that are ingested by hand, one command at a time: a log that has grown, or was rewritten,
//! takes the place of what was read of it before, as it does in a run.

use std::path::{Path, PathBuf};

use super::error::Result;
use super::index::{Index, Seen};
use super::scan::Scan;
use super::source::SourceFault;
use super::{drop_replaced, ingested};
use crate::logs::{IngestSummary, LogFile};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::Writer;

/// Drops what was read before of logs that are there otherwise now, once they were read. Says which.
///
/// # Errors
/// When the warehouse cannot be read or written.
pub async fn replace_by_hand(
    read: &IngestSummary,
    warehouse: &Warehouse,
    writer: &mut Writer,
) -> Result<Vec<SourceFault>> {
    let mut index = Index::load(warehouse);
    let now = ingested(warehouse)?;
    // Those that are replaced are still there, and so is what they cover.
    index.coverage(warehouse, &now)?;
    let files = read.files.iter().filter_map(|file| {
        let path = PathBuf::from(&file.file);
        let seen = Seen::of(&path, file.bytes, file.digest.clone())?;
        Some((LogFile::at(path), seen))
    });
    let scan = Scan::of(files);
    // A log that is still there, and not among these, was not renamed to one of them.
    let mut before = index.clone();
    before.files.extend(index.by_hand.clone());
    before
        .files
        .retain(|path, _| scan.has(path) || !Path::new(path).exists());
    let replaced = scan.replaced(&before, &now);
    drop_replaced(&replaced, warehouse, writer).await?;
    let now = ingested(warehouse)?;
    index.by_hand.extend(scan.seen());
    index.by_hand.retain(|_, seen| seen.is_in(&now));
    index.save(warehouse)?;
    Ok(replaced.into_values().collect())
}
