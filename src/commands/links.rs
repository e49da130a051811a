//! The Parquet logs of `anomalog ingest`: what can be linked is found out before anything is written, so
//! that an earlier link stays as it is where a new one cannot be made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::Result;
use super::settings::Settings;
use crate::cli::IngestArgs;
use crate::explain::chain;
use crate::intake::SourceFault;
use crate::logs::LogFormat;
use crate::logs::linked::{
    ColumnMapping, KnownFiles, LinkOptions, LinkedFile, LinkedSource, Looked, Reason, SourceError,
};
use crate::session::{self, FileRows};

/// A Parquet file or a folder of them that was linked.
#[derive(Debug, Serialize)]
pub struct LinkedLog {
    /// Where it lies.
    pub path: PathBuf,
    /// The files that are read.
    pub files: usize,
    /// Their rows.
    pub rows: u64,
    /// Rows that are no requests, by the reason.
    pub set_aside: BTreeMap<String, u64>,
}

impl LinkedLog {
    /// How many rows are set aside, and why; nothing if none are.
    pub(super) fn reasons(&self) -> Option<String> {
        let rows = FileRows {
            rows: self.rows,
            set_aside: self.set_aside.clone(),
        };
        rows.reasons()
    }
}

/// Parquet logs that can be linked, each with what is told of it.
#[derive(Debug)]
pub(super) struct Links<T> {
    pub(super) linked: Vec<(LinkedSource, T)>,
    /// Files, and whole inputs.
    pub(super) left_out: Vec<SourceFault>,
    /// Why the first of the inputs is left out that are.
    pub(super) first_fault: Option<SourceError>,
    /// What was found out about files.
    pub(super) known: KnownFiles,
}

impl Links<Looked> {
    /// Looks whether Parquet logs can be linked, and leaves out what cannot be.
    pub(super) fn look(settings: &Settings, args: &IngestArgs, parquet: &[PathBuf]) -> Self {
        let mappings = args.logs.columns.as_ref().map(ColumnMapping::all_of);
        let mappings = mappings.unwrap_or_default();
        let options = LinkOptions {
            columns: &mappings,
            site: args.logs.site.as_deref(),
            limits: args.limits.into(),
            any_name: args.logs.format == LogFormat::Parquet,
        };
        let mut links = Self {
            linked: Vec::new(),
            left_out: Vec::new(),
            first_fault: None,
            known: KnownFiles::load(&settings.warehouse),
        };
        for path in parquet {
            let known = &mut links.known;
            let linked = LinkedSource::link(path, options, &settings.warehouse, known);
            let linked = linked.and_then(|(source, mut looked)| {
                looked.leave_out_damaged(known, settings.session.threads);
                if looked.files.is_empty()
                    && let Some(Reason::Unreadable(error)) =
                        looked.left_out.pop().map(|file| file.reason)
                {
                    return Err(*error);
                }
                Ok((source, looked))
            });
            match linked {
                Ok((source, mut looked)) => {
                    let left_out = looked.left_out.drain(..).map(SourceFault::from);
                    links.left_out.extend(left_out);
                    links.linked.push((source, looked));
                }
                Err(error) => links.leave_out(path, error),
            }
        }
        links
    }

    /// Counts the rows of linked logs. What has rows, and none that is a request, is left out.
    ///
    /// # Errors
    /// When values cannot be read.
    pub(super) async fn count(self, settings: &Settings) -> Result<Links<LinkedLog>> {
        let mut links = Links {
            linked: Vec::new(),
            left_out: self.left_out,
            first_fault: self.first_fault,
            known: self.known,
        };
        if self.linked.is_empty() {
            return Ok(links);
        }
        let session = settings.open_quietly().await?;
        let files = self.linked.iter().flat_map(|(_, looked)| &looked.files);
        // A file may be named twice, as itself and as one of its folder.
        let files: BTreeMap<String, &LinkedFile> = files.map(|file| (file.name(), file)).collect();
        let files: Vec<&LinkedFile> = files.into_values().collect();
        let counted = session.linked_rows(&files).await;
        let counted = counted.map_err(|error| session::Error::LinkedValues {
            paths: self
                .linked
                .iter()
                .map(|(source, _)| source.path.clone())
                .collect(),
            source: Box::new(error),
        })?;
        for (source, looked) in self.linked {
            let mut rows = FileRows::default();
            for file in &looked.files {
                if let Some(counted) = counted.get(&file.name()) {
                    rows.add(counted);
                }
            }
            let path = source.path.clone();
            if rows.are_no_requests() {
                let reasons = rows.reasons().unwrap_or_default();
                let error = SourceError::NoRequests {
                    path: path.clone(),
                    reasons,
                };
                links.leave_out(&path, error);
                continue;
            }
            let log = LinkedLog {
                path,
                files: looked.files.len(),
                rows: rows.rows,
                set_aside: rows.set_aside,
            };
            links.linked.push((source, log));
        }
        Ok(links)
    }
}

impl<T> Links<T> {
    fn leave_out(&mut self, path: &Path, error: SourceError) {
        self.left_out.push(SourceFault {
            path: path.display().to_string(),
            message: format!("is left out: {}", chain(&error)),
        });
        self.first_fault.get_or_insert(error);
    }
}
