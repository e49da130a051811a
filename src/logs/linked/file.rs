//! One Parquet file of a source: what it has, and of which time it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::basic::Type as PhysicalType;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::PageIndexPolicy;
use datafusion::parquet::schema::types::SchemaDescriptor;

use super::error::SourceError;
use super::folder::FoundFile;
use super::guard::guarded;
use super::known_files::{Facts, KnownFiles, Pages, UsualTimes, Version};
use super::places::{FileColumns, Offer, Place};
use super::times::{UnitVotes, are_clocks, are_numbers, known, times};
use crate::explain::cannot;
use crate::logs::column::LogColumn;
use crate::logs::options::{TimeLimits, usual_time};

/// Rows that are read at once to find out of which time a file is.
const SAMPLE_ROWS: usize = 1024;
/// Batches of them that are read at most, if no time is among the first.
const MOST_SAMPLES: usize = 64;
/// Numbers that tell their unit by themselves; a file of fewer has the unit of its source.
const TELLING_NUMBERS: u64 = 8;

/// One Parquet file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The logs that go on where one of them ends: what one says of a site, all of them do.
    pub stream: String,
    /// Its size.
    pub bytes: u64,
    /// The columns that are read.
    pub schema: SchemaRef,
    /// Where it has what.
    pub columns: FileColumns,
    /// The keys of its path.
    pub keys: BTreeMap<String, String>,
    /// The site of requests, where no column and no key holds it.
    pub site: String,
    /// The times that its requests may have, in microseconds since the Unix epoch.
    pub times: Range<i64>,
    /// What it is known as.
    pub(super) known_as: String,
    /// Whether its pages were read, and can be.
    pub(super) is_checked: bool,
}

impl LinkedFile {
    /// The name of the file in tables.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// A file, before what all files of its source tell of its numbers is known.
pub(super) struct Footer {
    found: FoundFile,
    /// What it is known as.
    known_as: String,
    version: Version,
    facts: Facts,
    pages: Pages,
}

impl Footer {
    /// Reads the columns of a file and the times of its first rows, if they are not known.
    pub(super) fn read(
        found: FoundFile,
        mappings: &BTreeMap<LogColumn, String>,
        has_site: bool,
        known: &mut KnownFiles,
    ) -> Result<Self, SourceError> {
        let path = &found.path;
        let version = Version::of(path).map_err(cannot("read", path))?;
        let known_as = name_of(&found, mappings, has_site);
        let (facts, pages) = match known.find(&known_as, version) {
            Some((_, Pages::Damaged(reason))) => {
                let path = path.clone();
                return Err(SourceError::Damaged { path, reason });
            }
            Some(known) => known,
            None => {
                let facts = facts(&found, mappings, has_site)?;
                known.note(&known_as, version, &facts);
                (facts, Pages::Unread)
            }
        };
        Ok(Self {
            found,
            known_as,
            version,
            facts,
            pages,
        })
    }

    /// Where the file has what.
    pub(super) const fn columns(&self) -> &FileColumns {
        &self.facts.columns
    }

    /// How many of its first numbers are times in each unit.
    pub(super) const fn votes(&self) -> UnitVotes {
        self.facts.votes
    }

    /// What the file lacks of what its source must have; `all` are the columns of all its files.
    pub(super) fn lacks(
        &self,
        all: &FileColumns,
        mappings: &BTreeMap<LogColumn, String>,
    ) -> Option<SourceError> {
        let lacking = all.lacking(mappings)?;
        let path = &self.found.path;
        let theirs = mappings.get(&lacking).map(String::as_str);
        let theirs = theirs.unwrap_or(lacking.name());
        Some(match open(path) {
            Ok((_, metadata)) => {
                let offer = Offer {
                    file: path,
                    schema: metadata.schema(),
                    keys: &self.found.keys,
                };
                offer.missing(lacking, theirs)
            }
            Err(error) => error,
        })
    }

    /// The file, given what the numbers of all files of its source are.
    pub(super) fn finish(
        self,
        source: &str,
        site: Option<&String>,
        limits: TimeLimits,
        all: UnitVotes,
    ) -> LinkedFile {
        let Facts {
            schema,
            mut columns,
            votes,
            usual,
        } = self.facts;
        if columns.time.unit.is_none() {
            let tells = votes.count() >= TELLING_NUMBERS;
            let votes = if tells { votes } else { all };
            columns.time.unit = votes.winner();
        }
        let FoundFile {
            path,
            keys,
            site: folder,
            ..
        } = self.found;
        let key_of_site = columns.others.get(&LogColumn::Site);
        let named = match key_of_site {
            Some(Place::Key(key)) => keys.get(key),
            _ => None,
        };
        let site = site.cloned().unwrap_or(folder);
        let stream = format!("{source}/{}", named.unwrap_or(&site));
        let usual = usual.in_unit(columns.time.unit);
        LinkedFile {
            schema,
            times: limits.times(self.version.written_micros(), usual),
            bytes: self.version.bytes,
            path,
            stream,
            columns,
            keys,
            site,
            known_as: self.known_as,
            is_checked: self.pages == Pages::Whole,
        }
    }
}

/// The name of a file among those that are known, of which other columns may have been asked.
fn name_of(found: &FoundFile, mappings: &BTreeMap<LogColumn, String>, has_site: bool) -> String {
    let asked = serde_json::to_vec(&(mappings, has_site, &found.keys)).unwrap_or_default();
    let digest = blake3::hash(&asked).to_hex();
    format!("{} {}", found.path.display(), &digest[..16])
}

/// Opens a file.
fn open(path: &Path) -> Result<(File, ArrowReaderMetadata), SourceError> {
    let file = File::open(path).map_err(cannot("read", path))?;
    let read = guarded(|| metadata(&file, PageIndexPolicy::Skip));
    let metadata = read.map_err(|source| SourceError::NotParquet {
        path: path.to_owned(),
        source,
    })?;
    Ok((file, metadata))
}

/// Finds out what a file has.
fn facts(
    found: &FoundFile,
    mappings: &BTreeMap<LogColumn, String>,
    has_site: bool,
) -> Result<Facts, SourceError> {
    let path = &found.path;
    let damaged = |error: ParquetError| SourceError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    };
    let (file, metadata) = open(path)?;
    let offer = Offer {
        file: path,
        schema: metadata.schema(),
        keys: &found.keys,
    };
    let mut columns = offer.columns(mappings, has_site)?;
    let first_rows = |columns: &FileColumns| {
        let file = file.try_clone().map_err(ParquetError::from)?;
        guarded(|| sample(file, &metadata, columns, &found.keys))
    };
    let mut sample = first_rows(&columns).map_err(damaged)?;
    let is_clock = match &sample[..] {
        [column] => !are_numbers(column.data_type()) && are_clocks(column).unwrap_or(false),
        _ => false,
    };
    if is_clock && let Some(date) = offer.date() {
        columns.time.places.insert(0, date);
        sample = first_rows(&columns).map_err(damaged)?;
    }
    let votes = match &sample[..] {
        [column] if columns.time.unit.is_none() && holds_numbers(column.data_type()) => {
            UnitVotes::of(column).unwrap_or_default()
        }
        _ => UnitVotes::default(),
    };
    let usual = UsualTimes::of(|unit| {
        if sample.is_empty() {
            return Ok(None);
        }
        Ok(usual_time(&known(&times(&sample, unit)?)))
    });
    let wanted = roots(&columns);
    let fields = metadata.schema().fields().iter();
    let fields = fields.filter(|field| wanted.contains(&field.name().as_str()));
    Ok(Facts {
        schema: Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>())),
        votes,
        usual: usual.map_err(|error| damaged(error.into()))?,
        columns,
    })
}

/// Whether numbers, or text that may be of numbers, are what a column holds.
fn holds_numbers(found: &DataType) -> bool {
    let is_time = matches!(
        found,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null
    );
    !is_time
}

/// Reads the footer. What old programs write as INT96 reaches further than nanoseconds do.
pub(super) fn metadata(
    file: &File,
    page_index: PageIndexPolicy,
) -> Result<ArrowReaderMetadata, ParquetError> {
    let options = ArrowReaderOptions::new().with_page_index_policy(page_index);
    let metadata = ArrowReaderMetadata::load(file, options.clone())?;
    let parquet = metadata.metadata().file_metadata().schema_descr();
    match in_micros(metadata.schema(), parquet) {
        Some(schema) => ArrowReaderMetadata::load(file, options.with_schema(Arc::new(schema))),
        None => Ok(metadata),
    }
}

/// A schema in which columns of INT96 are of microseconds; nothing if there is no such column.
fn in_micros(schema: &Schema, parquet: &SchemaDescriptor) -> Option<Schema> {
    let roots = parquet.root_schema().get_fields();
    let is_int96 = |column: &usize| {
        let root = roots.get(*column);
        root.is_some_and(|root| {
            root.is_primitive() && root.get_physical_type() == PhysicalType::INT96
        })
    };
    let columns: Vec<usize> = (0..schema.fields().len()).filter(is_int96).collect();
    if columns.is_empty() {
        return None;
    }
    let fields = schema.fields().iter().enumerate();
    let fields = fields.map(|(column, field)| {
        if columns.contains(&column) {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
            Arc::new(Field::clone(field).with_data_type(micros))
        } else {
            Arc::clone(field)
        }
    });
    Some(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

/// The columns of the file that are read.
fn roots(columns: &FileColumns) -> Vec<&str> {
    let places = columns.places().filter_map(|place| match place {
        Place::Column(path) => path.first().map(String::as_str),
        Place::Key(_) => None,
    });
    places.collect()
}

/// The columns of the file that are read, for a reader of it.
pub(super) fn columns_read(
    metadata: &ArrowReaderMetadata,
    columns: &FileColumns,
) -> ProjectionMask {
    mask(metadata, &roots(columns))
}

fn mask(metadata: &ArrowReaderMetadata, names: &[&str]) -> ProjectionMask {
    let fields = metadata.schema().fields().iter().enumerate();
    let wanted = fields.filter(|(_, field)| names.contains(&field.name().as_str()));
    let wanted = wanted.map(|(column, _)| column);
    let parquet = metadata.metadata().file_metadata().schema_descr();
    ProjectionMask::roots(parquet, wanted)
}

/// What the columns of the time hold in the first rows that have one.
fn sample(
    file: File,
    metadata: &ArrowReaderMetadata,
    columns: &FileColumns,
    keys: &BTreeMap<String, String>,
) -> Result<Vec<ArrayRef>, ParquetError> {
    let names: Vec<&str> = (columns.time.places.iter())
        .filter_map(|place| match place {
            Place::Column(path) => path.first().map(String::as_str),
            Place::Key(_) => None,
        })
        .collect();
    let mask = mask(metadata, &names);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
        .with_projection(mask)
        .with_batch_size(SAMPLE_ROWS)
        .build()?;
    let mut sample = Vec::new();
    for batch in reader.take(MOST_SAMPLES) {
        let batch = batch?;
        let places = columns.time.places.iter();
        sample = places
            .map(|place| value(&batch, place, keys))
            .collect::<Result<_, _>>()?;
        let has_time = sample
            .iter()
            .all(|column| column.null_count() < column.len());
        if has_time {
            break;
        }
    }
    Ok(sample)
}

/// What a batch has at a place.
fn value(
    batch: &RecordBatch,
    place: &Place,
    keys: &BTreeMap<String, String>,
) -> Result<ArrayRef, ParquetError> {
    let path = match place {
        Place::Column(path) => path,
        Place::Key(key) => {
            let text = keys.get(key).map(String::as_str);
            let texts = std::iter::repeat_n(text, batch.num_rows());
            return Ok(Arc::new(texts.collect::<StringArray>()));
        }
    };
    let absent = || ParquetError::General(format!("no column `{}`", path.join(".")));
    let (root, inner) = path.split_first().ok_or_else(absent)?;
    let mut column = batch.column_by_name(root).ok_or_else(absent)?.clone();
    for field in inner {
        let fields = column.as_struct_opt().ok_or_else(absent)?;
        column = fields.column_by_name(field).ok_or_else(absent)?.clone();
    }
    Ok(column)
}
