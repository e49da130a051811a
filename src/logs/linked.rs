//! Parquet logs linked in place: read where they lie, under our column names, never copied.
//!
//! A link is one small file, `<warehouse>/sources/<name>.json`. Its name derives from the path, so
//! linking the same path again replaces the link. What a link promises (the file is Parquet, the
//! columns are there and convert) is checked when it is made and whenever a session opens it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anomalog_engine::detector::hex_sha256;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};

use super::column::LogColumn;
use crate::explain::{Explain, FileError, MissingColumn, backticked, cannot};
use crate::warehouse::Warehouse;
use crate::warehouse::listing::{entries, parquet_files};

impl LogColumn {
    /// What a column of a Parquet log can be linked as, in the order of `access_logs`. Hosts and
    /// request lines are not among them, since no query takes them apart; nor are nanoseconds.
    const LINKABLE: [Self; 14] = [
        Self::Timestamp,
        Self::Site,
        Self::ClientIp,
        Self::Method,
        Self::Path,
        Self::Query,
        Self::Protocol,
        Self::Status,
        Self::Bytes,
        Self::LatencyMs,
        Self::LatencyS,
        Self::LatencyUs,
        Self::Referer,
        Self::UserAgent,
    ];

    /// Columns without which a log is of no use.
    const REQUIRED: [Self; 4] = [Self::Timestamp, Self::ClientIp, Self::Path, Self::Status];

    /// The types that a column of a Parquet log may have to be read as this one, in words.
    const fn expected(self) -> &'static str {
        match self {
            Self::Timestamp => {
                "a timestamp, seconds to nanoseconds since 1970 as a number, or RFC 3339 text"
            }
            Self::Site => "text or whole numbers",
            Self::Status | Self::Bytes => "whole numbers",
            Self::LatencyMs | Self::LatencyS | Self::LatencyUs | Self::LatencyNs => "numbers",
            _ => "text",
        }
    }

    fn accepts(self, found: &DataType) -> bool {
        if let DataType::Dictionary(_, values) = found {
            return self.accepts(values);
        }
        let is_text = matches!(
            found,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        match self {
            Self::Timestamp => {
                is_text || found.is_numeric() || matches!(found, DataType::Timestamp(..))
            }
            Self::Site => is_text || found.is_integer(),
            // Some exporters write whole numbers as text; a cast reads them.
            Self::Status | Self::Bytes => is_text || found.is_integer() || found.is_floating(),
            Self::LatencyMs | Self::LatencyS | Self::LatencyUs | Self::LatencyNs => {
                is_text || found.is_numeric()
            }
            _ => is_text,
        }
    }
}

impl FromStr for LogColumn {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        Self::LINKABLE
            .into_iter()
            .find(|column| column.name() == text)
            .ok_or_else(|| SourceError::UnknownTarget {
                name: text.to_owned(),
            })
    }
}

/// One `ours=theirs` of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMapping {
    /// The column of `access_logs`.
    pub ours: LogColumn,
    /// The column of the input.
    pub theirs: String,
}

impl FromStr for ColumnMapping {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let (ours, theirs) = text.split_once('=').ok_or(SourceError::NotAMapping)?;
        if theirs.trim().is_empty() {
            return Err(SourceError::NotAMapping);
        }
        Ok(Self {
            ours: ours.trim().parse()?,
            theirs: theirs.trim().to_owned(),
        })
    }
}

/// Why a source cannot be linked or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A mapping without `=`.
    #[error("expected `ours=theirs`, such as `timestamp=ts`")]
    NotAMapping,
    /// A mapping to a column that `access_logs` does not have.
    #[error("no column `{name}` in access logs; they have {}", backticked(LogColumn::LINKABLE.iter().map(|c| c.name())))]
    UnknownTarget {
        /// What was written.
        name: String,
    },
    /// A file or folder that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder without Parquet files.
    #[error("no file ending in `.parquet` in `{}`", .path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Not a Parquet file, or a damaged one.
    #[error("`{}` is not a complete Parquet file", .path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// A required or mapped column that the file does not have.
    #[error(transparent)]
    MissingColumn(#[from] MissingColumn),
    /// A column whose type does not convert.
    #[error(
        "column `{theirs}` of `{}` holds {found}; `{}` needs {}",
        .path.display(), .ours.name(), .ours.expected()
    )]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column wanted.
        ours: LogColumn,
        /// The column of the file.
        theirs: String,
        /// Its type.
        found: DataType,
    },
    /// A link that cannot be read back.
    #[error("`{}` is not a link to a Parquet source", .path.display())]
    BadLink {
        /// The link.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A link that cannot be written.
    #[error("cannot write the link to `{}`", .path.display())]
    Write {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Explain for SourceError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::MissingColumn(error) => error.hint(),
            Self::BadLink { path, .. } => {
                Some(format!("remove `{}` and ingest the source again", path.display()).into())
            }
            Self::NotParquet { .. } => {
                Some("was it still being written, or only partly copied?".into())
            }
            _ => None,
        }
    }
}

/// A Parquet file, or a folder of them, that is read as access logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkedSource {
    /// Absolute path of the file or folder.
    pub path: PathBuf,
    /// Our column to theirs: all columns that are read, those with our own names too.
    pub columns: BTreeMap<LogColumn, String>,
    /// The site of every request, where no column holds it.
    pub site: Option<String>,
}

impl LinkedSource {
    /// Checks that a file or folder can be read as access logs.
    ///
    /// Columns that have our names already need no mapping. `site` names the site of a source
    /// that has no such column; without it the file's name does.
    ///
    /// # Errors
    /// When the source is not Parquet, or a column is missing or of a type that does not convert.
    pub fn link(
        path: &Path,
        mappings: &[ColumnMapping],
        site: Option<&str>,
    ) -> Result<Self, SourceError> {
        let absolute = path.canonicalize().map_err(cannot("read", path))?;
        let mut files = parquet_files(&absolute)?.into_iter();
        let first = files.next().ok_or_else(|| SourceError::EmptyFolder {
            path: path.to_owned(),
        })?;
        let schema = read_schema(&first)?;

        let mut columns: BTreeMap<LogColumn, String> = LogColumn::LINKABLE
            .into_iter()
            .filter(|column| schema.column_with_name(column.name()).is_some())
            .map(|column| (column, column.name().to_owned()))
            .collect();
        if site.is_some() {
            columns.remove(&LogColumn::Site);
        }
        for mapping in mappings {
            columns.insert(mapping.ours, mapping.theirs.clone());
        }
        for required in LogColumn::REQUIRED {
            columns
                .entry(required)
                .or_insert_with(|| required.name().to_owned());
        }
        let site = if columns.contains_key(&LogColumn::Site) {
            None
        } else {
            Some(site.map_or_else(|| stem(&absolute), str::to_owned))
        };
        let source = Self {
            path: absolute,
            columns,
            site,
        };
        source.check(&first, &schema)?;
        for file in files {
            source.check(&file, &read_schema(&file)?)?;
        }
        Ok(source)
    }

    /// Forgets the source: the opposite of [`Self::save`].
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn forget(&self, warehouse: &Warehouse) -> Result<(), SourceError> {
        let link = links(warehouse).join(format!("{}.json", self.name()));
        std::fs::remove_file(link).map_err(|source| SourceError::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// Forgets the source of a name, which may be gone itself; says whether there was one.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn forget_name(warehouse: &Warehouse, name: &str) -> Result<bool, SourceError> {
        let link = links(warehouse).join(format!("{name}.json"));
        match std::fs::remove_file(&link) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(SourceError::Write { path: link, source }),
        }
    }

    /// Remembers the source in a warehouse, replacing an earlier link to the same path.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn save(&self, warehouse: &Warehouse) -> Result<(), SourceError> {
        let write_error = |source| SourceError::Write {
            path: self.path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| write_error(error.into()))?;
        let staging = warehouse.staging().map_err(write_error)?;
        let staged = staging.path().join("link.json");
        std::fs::write(&staged, text).map_err(write_error)?;
        let link = links(warehouse).join(format!("{}.json", self.name()));
        warehouse.publish(&staged, &link).map_err(write_error)
    }

    /// Every source of a warehouse, in the order of their names.
    ///
    /// # Errors
    /// When a link is damaged, or what it points to is gone or has changed its columns.
    pub fn load_all(warehouse: &Warehouse) -> Result<Vec<Self>, SourceError> {
        entries(&links(warehouse))?
            .iter()
            .filter(|link| {
                link.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .map(|link| Self::load(link))
            .collect()
    }

    fn load(link: &Path) -> Result<Self, SourceError> {
        let text = std::fs::read(link).map_err(cannot("read", link))?;
        let source: Self =
            serde_json::from_slice(&text).map_err(|source| SourceError::BadLink {
                path: link.to_owned(),
                source,
            })?;
        // One footer shows a source that moved or was replaced; all of them were read when it was
        // linked, and a folder may hold thousands.
        let files = parquet_files(&source.path)?;
        let first = files.first().ok_or_else(|| SourceError::EmptyFolder {
            path: source.path.clone(),
        })?;
        source.check(first, &read_schema(first)?)?;
        Ok(source)
    }

    /// A name that tells sources apart, and tells a reader which one it is.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = hex_sha256(self.path.as_os_str().as_encoded_bytes());
        let stem: String = stem(&self.path)
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        format!("{stem}-{}", &digest[..8])
    }

    fn check(&self, file: &Path, schema: &Schema) -> Result<(), SourceError> {
        for (&ours, theirs) in &self.columns {
            let Some((_, field)) = schema.column_with_name(theirs) else {
                return Err(MissingColumn::of(file, theirs)
                    .to_read(ours.name())
                    .with_hint(format!(
                        "the file has {}; name one with `--columns {}=…`",
                        backticked(schema.fields().iter().map(|field| field.name())),
                        ours.name()
                    ))
                    .into());
            };
            if !ours.accepts(field.data_type()) {
                return Err(SourceError::ColumnType {
                    path: file.to_owned(),
                    ours,
                    theirs: theirs.clone(),
                    found: field.data_type().clone(),
                });
            }
        }
        Ok(())
    }
}

fn links(warehouse: &Warehouse) -> PathBuf {
    warehouse.root().join("sources")
}

fn read_schema(file: &Path) -> Result<Schema, SourceError> {
    let opened = File::open(file).map_err(cannot("read", file))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|source| {
        SourceError::NotParquet {
            path: file.to_owned(),
            source,
        }
    })?;
    Ok(reader.schema().as_ref().clone())
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use datafusion::parquet::arrow::ArrowWriter;
    use tempfile::TempDir;

    use super::*;

    fn write_log(path: &Path) {
        let text = || Arc::new(StringArray::from(vec!["x"])) as ArrayRef;
        let number = || Arc::new(Int64Array::from(vec![200])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("timestamp", number()),
            ("client_ip", text()),
            ("path", text()),
            ("code", number()),
        ])
        .unwrap();
        let file = File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    /// The messages and the hint, without the temporary folder.
    fn report(folder: &TempDir, error: &SourceError) -> String {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        let hint = error
            .hint()
            .map(|hint| format!("\nhint: {hint}"))
            .unwrap_or_default();
        let canonical = folder.path().canonicalize().unwrap();
        format!("{text}{hint}")
            .replace(canonical.to_str().unwrap(), "")
            .replace('/', "")
    }

    #[test]
    fn a_linked_source_is_found_again() {
        let folder = TempDir::new().unwrap();
        let warehouse = Warehouse::new(folder.path().join("warehouse"));
        let log = folder.path().join("access log.parquet");
        write_log(&log);
        assert_eq!(LinkedSource::load_all(&warehouse).unwrap(), []);

        let mapping = ["status=code".parse().unwrap()];
        let source = LinkedSource::link(&log, &mapping, None).unwrap();
        assert_eq!(source.site.as_deref(), Some("access log"));
        source.save(&warehouse).unwrap();
        assert_eq!(LinkedSource::load_all(&warehouse).unwrap(), [source]);

        let replaced = LinkedSource::link(&log, &mapping, Some("shop")).unwrap();
        replaced.save(&warehouse).unwrap();
        assert_eq!(LinkedSource::load_all(&warehouse).unwrap(), [replaced]);

        std::fs::remove_file(&log).unwrap();
        assert!(matches!(
            LinkedSource::load_all(&warehouse),
            Err(SourceError::File(_))
        ));
    }

    #[test]
    fn a_folder_is_read_with_its_partitions() {
        let folder = TempDir::new().unwrap();
        let empty = LinkedSource::link(folder.path(), &[], None);
        assert!(matches!(empty, Err(SourceError::EmptyFolder { .. })));

        let partition = folder.path().join("date=2026-11-01");
        std::fs::create_dir(&partition).unwrap();
        write_log(&partition.join("a.parquet"));
        let mapping = ["status=code".parse().unwrap()];
        assert!(LinkedSource::link(folder.path(), &mapping, None).is_ok());

        // Every file is checked, not only the first.
        std::fs::write(folder.path().join("z.parquet"), "PAR1").unwrap();
        let error = LinkedSource::link(folder.path(), &mapping, None).unwrap_err();
        assert!(matches!(error, SourceError::NotParquet { .. }), "{error}");
    }

    #[test]
    fn faults_name_the_file_and_what_it_holds() {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log.parquet");
        write_log(&log);
        let error = LinkedSource::link(&log, &[], None).unwrap_err();
        insta::assert_snapshot!(report(&folder, &error), @"
    `log.parquet` has no column `status` to read `status` from
    hint: the file has `timestamp`, `client_ip`, `path`, `code`; name one with `--columns status=…`
    ");
        let error = LinkedSource::link(&log, &["status=path".parse().unwrap()], None);
        assert!(error.is_ok(), "text may hold numbers");
        let error = LinkedSource::link(
            &log,
            &[
                "status=code".parse().unwrap(),
                "method=code".parse().unwrap(),
            ],
            None,
        );
        insta::assert_snapshot!(report(&folder, &error.unwrap_err()), @"column `code` of `log.parquet` holds Int64; `method` needs text");

        let bytes = std::fs::read(&log).unwrap();
        std::fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
        let error = LinkedSource::link(&log, &[], None).unwrap_err();
        insta::assert_snapshot!(report(&folder, &error), @"
    `log.parquet` is not a complete Parquet file: Parquet error: Invalid Parquet file. Corrupt footer
    hint: was it still being written, or only partly copied?
    ");
        std::fs::write(&log, "10.0.0.1 - - [01/Nov/2026] \"GET /\" 200\n").unwrap();
        let error = LinkedSource::link(&log, &[], None).unwrap_err();
        insta::assert_snapshot!(report(&folder, &error), @"
    `log.parquet` is not a complete Parquet file: Parquet error: Invalid Parquet file. Corrupt footer
    hint: was it still being written, or only partly copied?
    ");
    }

    #[test]
    fn mappings_are_ours_and_theirs() {
        let mapping: ColumnMapping = "client_ip = remote addr".parse().unwrap();
        assert_eq!(
            mapping,
            ColumnMapping {
                ours: LogColumn::ClientIp,
                theirs: "remote addr".into()
            }
        );
        for text in ["status", "status=", "=x", "code=status"] {
            assert!(text.parse::<ColumnMapping>().is_err(), "{text}");
        }
    }
}
