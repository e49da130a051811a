//! Why ingesting stops.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use datafusion::arrow::error::ArrowError;
use datafusion::parquet::errors::ParquetError;

use super::inputs::Unreadable;
use super::pseudonym_key::PseudonymError;
use crate::explain::Explain;

/// Why ingesting stops. The file that it names, and those after it, have left nothing in the
/// warehouse; those before it are complete.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No path was given.
    #[error("no log files given")]
    NoInput,
    /// A path cannot be opened or listed.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folders given hold no log at all.
    #[error("no logs found in {}", list(folders.iter().map(|folder| folder.display().to_string())))]
    NoLogs {
        /// The paths given.
        folders: Vec<PathBuf>,
        /// How many files were passed over.
        skipped: usize,
    },
    /// A file has no line with text.
    #[error("`{file}` is empty, expected at least one line")]
    Empty {
        /// The file.
        file: String,
    },
    /// A file is packed in a way that is not supported.
    #[error("`{file}` is in {kind} format, expected plain text, gzip or zstd")]
    Unsupported {
        /// The file.
        file: String,
        /// What it is.
        kind: &'static str,
    },
    /// A compressed file ends in the middle.
    #[error(
        "compressed file `{file}` is cut off after {bytes} bytes; {lines} lines could be read, none was kept"
    )]
    Truncated {
        /// The file.
        file: String,
        /// Its stored bytes.
        bytes: u64,
        /// Whole lines before the end.
        lines: u64,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
    /// Reading fails: a disk fault, or damaged compressed data.
    #[error("cannot read `{file}` beyond byte {bytes} (line {lines})")]
    Read {
        /// The file.
        file: String,
        /// Stored bytes read before.
        bytes: u64,
        /// Whole lines read before.
        lines: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No format fits the first lines.
    #[error("cannot tell the log format of `{file}` from its first lines, which begin `{line}`")]
    UnknownFormat {
        /// The file.
        file: String,
        /// The beginning of its first line, control characters written out.
        line: String,
    },
    /// Columns or keys that every request has are not there.
    #[error(
        "`{file}` has no field for {}; its fields are {}",
        list(missing),
        list(found)
    )]
    MissingColumns {
        /// The file.
        file: String,
        /// The columns of `access_logs` that nothing fills.
        missing: Vec<String>,
        /// The fields there are.
        found: Vec<String>,
    },
    /// The column map names a field that is not there.
    #[error(
        "`{file}` has no field `{field}` to fill `{column}` with; its fields are {}",
        list(found)
    )]
    UnmatchedColumn {
        /// The file.
        file: String,
        /// The column of `access_logs`.
        column: String,
        /// The field that the map names.
        field: String,
        /// The fields there are.
        found: Vec<String>,
    },
    /// Clients cannot be given pseudonyms.
    #[error(transparent)]
    Pseudonyms(#[from] PseudonymError),
    /// The warehouse cannot be written.
    #[error("cannot write `{file}` to the warehouse `{}`", warehouse.display())]
    Write {
        /// The log being ingested.
        file: String,
        /// The warehouse.
        warehouse: PathBuf,
        /// Why.
        #[source]
        source: WriteError,
    },
}

impl From<Unreadable> for IngestError {
    fn from(Unreadable { path, source }: Unreadable) -> Self {
        Self::Open { path, source }
    }
}

impl IngestError {
    pub(super) fn write(file: &str, warehouse: &Path, source: WriteError) -> Self {
        Self::Write {
            file: file.to_owned(),
            warehouse: warehouse.to_owned(),
            source,
        }
    }

    /// Of a log that cannot be read beyond a place.
    pub(super) fn unreadable(file: String, bytes: u64, lines: u64, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            Self::Truncated {
                file,
                bytes,
                lines,
                source,
            }
        } else {
            Self::Read {
                file,
                bytes,
                lines,
                source,
            }
        }
    }

    /// Whether a file is no log, as opposed to a log that cannot be read.
    pub(super) const fn is_no_log(&self) -> bool {
        matches!(
            self,
            Self::Empty { .. }
                | Self::Unsupported { .. }
                | Self::UnknownFormat { .. }
                | Self::MissingColumns { .. }
        )
    }

    /// Whether other logs can be read all the same.
    pub(super) const fn is_of_one_log(&self) -> bool {
        !matches!(
            self,
            Self::Write { .. } | Self::Pseudonyms(_) | Self::NoInput | Self::NoLogs { .. }
        )
    }
}

impl Explain for IngestError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::NoInput => "name log files or folders, or `-` for the standard input".into(),
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path".into()
            }
            Self::Open { .. } => return None,
            Self::NoLogs { skipped: 0, .. } => {
                "name a folder that holds log files, or the files themselves".into()
            }
            Self::NoLogs { skipped, .. } => {
                format!("all {skipped} files there were passed over; name one itself to see why")
                    .into()
            }
            Self::Empty { .. } => "leave the file out, or name its folder: empty logs in a folder \
                are passed over"
                .into(),
            Self::Unsupported {
                kind: "Parquet", ..
            } => "Parquet logs need no ingest: name them in the job, with a column map".into(),
            Self::Unsupported { file, kind } => {
                let command = match *kind {
                    "bzip2" => "bzip2 -dc",
                    "zip" => "unzip -p",
                    "tar" => "tar -xOf",
                    "lz4" => "lz4 -dc",
                    _ => "xz -dc",
                };
                format!("unpack it and pipe it in, as in `{command} {file} | anomalog ingest -`").into()
            }
            Self::Truncated { .. } => "fetch the file again; nothing of it was written, so \
                ingesting it again is safe"
                .into(),
            Self::Read { .. } => {
                "check the file, as with `gzip -t` or `zstd -t`; nothing of it was written".into()
            }
            Self::UnknownFormat { .. } => "say it with `--format`: nginx' `log_format`, Apache's \
                `LogFormat`, or a name such as `combined`, `json`, `w3c`, `alb` or `csv`; JSON must be \
                one object per line"
                .into(),
            Self::MissingColumns { missing, .. } => format!(
                "say which field it is, as in `--columns {}=FIELD`",
                missing.first().map_or("timestamp", String::as_str)
            )
            .into(),
            Self::UnmatchedColumn { .. } => "correct the name in `--columns`; keys of nested JSON \
                objects are joined by dots"
                .into(),
            Self::Pseudonyms(error) => return error.hint(),
            Self::Write { .. } => "check that the folder can be written and has space".into(),
        })
    }
}

/// Names in backticks; of many the first ones.
fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 20;
    let mut text = String::new();
    let mut more = 0;
    for (index, name) in names.into_iter().enumerate() {
        if index >= SHOWN {
            more += 1;
            continue;
        }
        let separator = if index == 0 { "" } else { ", " };
        text.push_str(separator);
        text.push('`');
        text.push_str(&name.as_ref().escape_debug().to_string());
        text.push('`');
    }
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Why a file of the warehouse cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system refuses.
    #[error("cannot write `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Encoding fails, or writing encoded data.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// Arrow refuses an array, such as text of more than 2 GiB in one batch.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl WriteError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}
