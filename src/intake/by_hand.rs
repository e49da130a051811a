//! Logs that are ingested by hand, one command at a time: a log that has grown, or was rewritten,
//! takes the place of what was read of it before, as it does in a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::Result;
use super::index::Index;
use super::scan::{Scan, scan};
use super::source::{LogSource, ParquetLogs, SourceFault};
use super::{drop_replaced, ingested};
use crate::logs::IngestOptions;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::Writer;

/// The logs of one command, as they were before it.
#[derive(Debug)]
pub struct ByHand<'a> {
    warehouse: &'a Warehouse,
    index: Index,
    /// What is remembered of those that lie where these do.
    before: Index,
    scan: Scan,
}

impl<'a> ByHand<'a> {
    /// Looks at logs before they are read.
    ///
    /// # Errors
    /// When the warehouse cannot be read.
    pub fn look(paths: &[PathBuf], warehouse: &'a Warehouse) -> Result<Self> {
        let paths = paths.iter().filter(|path| path.as_os_str() != "-");
        let source = LogSource {
            paths: paths.cloned().collect(),
            options: IngestOptions::default(),
            parquet: ParquetLogs::None,
        };
        let mut index = Index::load(warehouse);
        index.coverage(warehouse, &ingested(warehouse)?)?;
        let mut before = index.clone();
        before.files.extend(index.by_hand.clone());
        let scan = scan(&[source], warehouse, &before);
        // A log that is still there, and not among these, was not renamed to one of them.
        before
            .files
            .retain(|path, _| scan.has(path) || !Path::new(path).exists());
        Ok(Self {
            warehouse,
            index,
            before,
            scan,
        })
    }

    /// Drops what was read before of the logs that are there otherwise now, once they were read.
    /// Says which.
    ///
    /// # Errors
    /// When the warehouse cannot be read or written.
    pub async fn replace(mut self, writer: &mut Writer) -> Result<Vec<SourceFault>> {
        let now = ingested(self.warehouse)?;
        let coverage = self.index.coverage(self.warehouse, &now)?;
        self.before.coverage.clone_from(coverage);
        let replaced = self.scan.replaced(&self.before, &now);
        drop_replaced(&replaced, self.warehouse, writer).await?;
        let seen: BTreeMap<_, _> = self.scan.seen().collect();
        self.index.by_hand.extend(seen);
        self.index.save(self.warehouse)?;
        Ok(replaced.into_values().collect())
    }
}
