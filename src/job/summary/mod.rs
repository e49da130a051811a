//! What a run did: on the terminal, beside the tables, and as a row of the table `runs`.

mod after;
mod check;
mod dates;
mod markdown;
mod row;
mod run;
mod text;

use std::sync::Arc;

pub use after::After;
pub use check::Checked;
pub use run::{Outcome, RunSummary};

use crate::explain::cannot;
use crate::job::config::Job;
use crate::job::error::Result;
use crate::schema::{RUNS, Table};
use crate::warehouse::commit::Change;
use crate::warehouse::tables::TableFileWriter;

impl RunSummary {
    /// Stages the row of `runs` and the summaries beside it.
    pub(crate) fn store(&self, job: &Job, change: &mut Change) -> Result<()> {
        let Some(id) = &self.run_id else {
            return Ok(());
        };
        let runs = job.warehouse.table(Table::Runs);
        let staged = change.staging().join("run.parquet");
        let mut file = TableFileWriter::create(&staged, Arc::clone(&RUNS))?;
        file.write(&self.row(id)?)?;
        file.finish()?;
        change.replace(&staged, &runs.join(format!("{id}.parquet")))?;
        let json = serde_json::to_string_pretty(self)
            .map_err(|error| cannot("write", &runs)(error.into()))?;
        for (name, text) in [
            ("summary.md", self.markdown()),
            ("summary.json", json + "\n"),
        ] {
            let staged = change.staging().join(name);
            let written = std::fs::write(&staged, text)
                .and_then(|()| std::fs::File::open(&staged)?.sync_all());
            written.map_err(cannot("write", &staged))?;
            change.replace(&staged, &runs.join(id).join(name))?;
        }
        Ok(())
    }
}
