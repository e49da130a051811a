//! Partitions that appear together: their files, and what the manifest says of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::RecordBatch;

use crate::explain::cannot;
use crate::schema::Table;
use crate::warehouse::commit::{Change, Manifest, Partition, Writer};
use crate::warehouse::tables::{TableFileWriter, date_folder, partition_file};
use crate::warehouse::{Result, Warehouse};

/// A commit in the making. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Staged {
    warehouse: Warehouse,
    change: Change,
    manifest: Manifest,
    /// Whether the manifest says something else than before.
    has_notes: bool,
}

impl Staged {
    /// Begins with what the warehouse has.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn begin(writer: &Writer) -> Result<Self> {
        Ok(Self {
            warehouse: writer.warehouse().clone(),
            change: writer.change()?,
            manifest: writer.manifest().clone(),
            has_notes: false,
        })
    }

    /// The folder to write new files into.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.change.staging()
    }

    /// The warehouse whose tables change.
    #[must_use]
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// What each partition will be made from.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A complete file of [`Self::folder`] is to be a partition, made from what `made` says.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn put(
        &mut self,
        table: Table,
        date: NaiveDate,
        file: &Path,
        made: Partition,
    ) -> Result<()> {
        let bytes = Partition::by_hand(file)?.bytes;
        let destination = self.file_of(table, date);
        self.change.replace(file, &destination)?;
        self.note(table, date, Partition { bytes, ..made });
        Ok(())
    }

    /// Rows are to be a partition. A date without rows has no file.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn put_rows(
        &mut self,
        table: Table,
        date: NaiveDate,
        rows: &RecordBatch,
        made: Partition,
    ) -> Result<()> {
        if rows.num_rows() == 0 {
            self.delete_file(table, date)?;
            self.note(table, date, made);
            return Ok(());
        }
        let folder = self.folder().join(table.name());
        let of_date = date_folder(&folder, date);
        std::fs::create_dir_all(&of_date).map_err(cannot("write", &of_date))?;
        let staged = partition_file(&folder, date);
        let mut file = TableFileWriter::create(&staged, Arc::clone(rows.schema_ref()))?;
        file.write(rows)?;
        file.finish()?;
        self.put(table, date, &staged, made)
    }

    /// A partition is to go.
    ///
    /// # Errors
    /// When its file lies outside the warehouse.
    pub fn remove(&mut self, table: Table, date: NaiveDate) -> Result<()> {
        self.delete_file(table, date)?;
        self.manifest.remove(table, date);
        self.has_notes = true;
        Ok(())
    }

    /// A file that is no partition is to go.
    ///
    /// # Errors
    /// When it lies outside the warehouse.
    pub fn delete(&mut self, file: &Path) -> Result<()> {
        Ok(self.change.delete(file)?)
    }

    /// A complete file of [`Self::folder`] that is no partition is to take a name of the warehouse.
    ///
    /// # Errors
    /// When either lies outside the warehouse.
    pub fn place(&mut self, file: &Path, destination: &Path) -> Result<()> {
        Ok(self.change.replace(file, destination)?)
    }

    /// Makes it so, if anything changes.
    ///
    /// # Errors
    /// When the tables cannot be changed.
    pub async fn commit(self, writer: &mut Writer) -> Result<()> {
        if self.has_notes || !self.change.is_empty() {
            writer.commit(self.change, self.manifest).await?;
        }
        Ok(())
    }

    fn note(&mut self, table: Table, date: NaiveDate, made: Partition) {
        self.manifest.set(table, date, made);
        self.has_notes = true;
    }

    fn delete_file(&mut self, table: Table, date: NaiveDate) -> Result<()> {
        let file = self.file_of(table, date);
        if file.exists() {
            self.change.delete(&file)?;
        }
        Ok(())
    }

    fn file_of(&self, table: Table, date: NaiveDate) -> PathBuf {
        partition_file(&self.warehouse.table(table), date)
    }
}
