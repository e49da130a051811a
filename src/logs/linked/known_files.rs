//! What was found out about linked files, so that only those are opened again that are new or changed.
//!
//! A file is the same if its path, size and time of writing are, and if the same columns are asked for.
//! It is no table: without it every file is looked at anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::convert::{IpcSchemaEncoder, fb_to_schema};
use datafusion::arrow::ipc::root_as_schema;
use datafusion::arrow::ipc::writer::DictionaryTracker;
use serde::{Deserialize, Serialize};

use super::places::FileColumns;
use super::times::{EpochUnit, UnitVotes};
use crate::warehouse::{self, Warehouse, remembered};

/// Where a warehouse keeps it.
const FILE: &str = ".linked.json";
/// To be raised whenever something else is found out about the same file.
const FINDINGS: u32 = 1;

/// Which state of a file something is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) bytes: u64,
    /// When it was last written, in nanoseconds since the Unix epoch; nothing if it is not known.
    written: Option<u64>,
}

impl Version {
    /// The state of a file now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        let written = metadata.modified().ok();
        let since_epoch = written.and_then(|written| written.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            bytes: metadata.len(),
            written: since_epoch.and_then(|since| u64::try_from(since.as_nanos()).ok()),
        })
    }

    /// When the file was last written, in microseconds since the Unix epoch.
    pub(super) fn written_micros(self) -> Option<i64> {
        self.written
            .and_then(|nanos| i64::try_from(nanos / 1_000).ok())
    }
}

/// The usual time of the first rows of a file, in microseconds since the Unix epoch, for each unit that
/// its numbers may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UsualTimes {
    by_themselves: Option<i64>,
    in_units: [Option<i64>; EpochUnit::ALL.len()],
}

impl UsualTimes {
    /// Finds them out.
    pub(super) fn of(
        usual: impl Fn(Option<EpochUnit>) -> Result<Option<i64>, ArrowError>,
    ) -> Result<Self, ArrowError> {
        let mut found = Self {
            by_themselves: usual(None)?,
            ..Self::default()
        };
        for unit in EpochUnit::ALL {
            found.in_units[unit as usize] = usual(Some(unit))?;
        }
        Ok(found)
    }

    pub(super) fn in_unit(&self, unit: Option<EpochUnit>) -> Option<i64> {
        unit.map_or(self.by_themselves, |unit| self.in_units[unit as usize])
    }
}

/// What a file has, as its footer and its first rows say.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The columns that are read.
    pub(super) schema: SchemaRef,
    pub(super) columns: FileColumns,
    pub(super) votes: UnitVotes,
    pub(super) usual: UsualTimes,
}

/// What is known of the pages of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Pages {
    /// They were not read yet.
    Unread,
    /// All can be read.
    Whole,
    /// One cannot, and why.
    Damaged(String),
}

/// Columns of files, as many have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    /// The schema as Arrow writes it, in hexadecimal digits.
    schema: String,
    columns: FileColumns,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KnownFile {
    version: Version,
    layout: usize,
    votes: UnitVotes,
    usual: UsualTimes,
    pages: Pages,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    findings: u32,
    layouts: Vec<Layout>,
    files: BTreeMap<String, KnownFile>,
}

/// What is known of linked files.
#[derive(Debug, Default)]
pub struct KnownFiles {
    layouts: Vec<(Layout, SchemaRef)>,
    files: BTreeMap<String, KnownFile>,
    /// Those that were looked at since.
    looked_at: BTreeSet<String>,
    is_changed: bool,
}

impl KnownFiles {
    /// What a warehouse remembers; nothing if it was written by another program, or is damaged.
    #[must_use]
    pub fn load(warehouse: &Warehouse) -> Self {
        let kept: Kept = remembered::load(warehouse, FILE);
        if kept.findings != FINDINGS {
            return Self::default();
        }
        let read = |layout: Layout| {
            let schema = schema_of(&layout.schema)?;
            Some((layout, schema))
        };
        let layouts: Option<Vec<_>> = kept.layouts.into_iter().map(read).collect();
        let Some(layouts) = layouts else {
            return Self::default();
        };
        let mut files = kept.files;
        files.retain(|_, file| file.layout < layouts.len());
        Self {
            layouts,
            files,
            ..Self::default()
        }
    }

    /// Remembers what is known of the files that were looked at, if it is anything new.
    ///
    /// # Errors
    /// When the warehouse cannot be written.
    pub fn save(&mut self, warehouse: &Warehouse) -> warehouse::Result<()> {
        let before = self.files.len();
        let looked_at = &self.looked_at;
        self.files.retain(|name, _| looked_at.contains(name));
        if !self.is_changed && self.files.len() == before {
            return Ok(());
        }
        let used: BTreeSet<usize> = self.files.values().map(|file| file.layout).collect();
        let places: BTreeMap<usize, usize> = used.iter().copied().zip(0..).collect();
        let layouts = used.iter().filter_map(|place| self.layouts.get(*place));
        let moved = |(name, file): (&String, &KnownFile)| {
            let layout = places.get(&file.layout).copied().unwrap_or_default();
            let file = KnownFile {
                layout,
                ..file.clone()
            };
            (name.clone(), file)
        };
        let kept = Kept {
            findings: FINDINGS,
            layouts: layouts.map(|(layout, _)| layout.clone()).collect(),
            files: self.files.iter().map(moved).collect(),
        };
        remembered::save(warehouse, FILE, &kept)?;
        self.is_changed = false;
        Ok(())
    }

    /// What is known of a file that is in the same state as then.
    pub(super) fn find(&mut self, name: &str, version: Version) -> Option<(Facts, Pages)> {
        self.looked_at.insert(name.to_owned());
        let file = self.files.get(name)?;
        // Of a file without a time of writing nobody can tell whether it has changed.
        if file.version != version || version.written.is_none() {
            return None;
        }
        let (layout, schema) = self.layouts.get(file.layout)?;
        let facts = Facts {
            schema: Arc::clone(schema),
            columns: layout.columns.clone(),
            votes: file.votes,
            usual: file.usual.clone(),
        };
        Some((facts, file.pages.clone()))
    }

    /// Notes what a file has, whose pages were not read yet.
    pub(super) fn note(&mut self, name: &str, version: Version, facts: &Facts) {
        let layout = Layout {
            schema: written_schema(&facts.schema),
            columns: facts.columns.clone(),
        };
        let known = (self.layouts.iter()).position(|(known, _)| *known == layout);
        let place = known.unwrap_or_else(|| {
            self.layouts.push((layout, Arc::clone(&facts.schema)));
            self.layouts.len() - 1
        });
        let file = KnownFile {
            version,
            layout: place,
            votes: facts.votes,
            usual: facts.usual.clone(),
            pages: Pages::Unread,
        };
        self.files.insert(name.to_owned(), file);
        self.is_changed = true;
    }

    /// Notes what the pages of a file are.
    pub(super) fn note_pages(&mut self, name: &str, pages: Pages) {
        if let Some(file) = self.files.get_mut(name) {
            file.pages = pages;
            self.is_changed = true;
        }
    }
}

fn written_schema(schema: &Schema) -> String {
    let mut dictionaries = DictionaryTracker::new(false);
    let encoded = IpcSchemaEncoder::new()
        .with_dictionary_tracker(&mut dictionaries)
        .schema_to_fb(schema);
    let mut text = String::new();
    for byte in encoded.finished_data() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn schema_of(text: &str) -> Option<SchemaRef> {
    let bytes = text.as_bytes().chunks(2).map(|digits| {
        let digits = std::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    let bytes = bytes?;
    let schema = root_as_schema(&bytes).ok()?;
    Some(Arc::new(fb_to_schema(schema)))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};

    use super::*;
    use crate::logs::linked::places::{Place, TimePlace};

    fn facts(path: &str) -> Facts {
        let inner = Fields::from(vec![Field::new("ip", DataType::Utf8View, true)]);
        let dictionary =
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8));
        Facts {
            schema: Arc::new(Schema::new(vec![
                Field::new("client", DataType::Struct(inner), true),
                Field::new(
                    "ts",
                    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
                    false,
                ),
                Field::new(path, dictionary, true),
                Field::new("size", DataType::Decimal128(38, 0), true),
            ])),
            columns: FileColumns {
                time: TimePlace {
                    places: vec![Place::Column(vec!["ts".to_owned()])],
                    unit: Some(EpochUnit::Nanos),
                },
                others: BTreeMap::new(),
            },
            votes: UnitVotes::default(),
            usual: UsualTimes::of(|unit| Ok(unit.map(|unit| unit as i64))).unwrap(),
        }
    }

    #[test]
    fn what_is_known_is_kept_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::new(folder.path());
        let version = Version {
            bytes: 9,
            written: Some(5_000),
        };
        let mut known = KnownFiles::load(&warehouse);
        for name in ["a", "b", "c"] {
            assert!(known.find(name, version).is_none());
            known.note(name, version, &facts(if name == "a" { "x" } else { "y" }));
        }
        known.note_pages("b", Pages::Whole);
        known.note_pages("c", Pages::Damaged("torn".to_owned()));
        known.save(&warehouse).unwrap();

        let mut known = KnownFiles::load(&warehouse);
        let (found, pages) = known.find("b", version).unwrap();
        let noted = facts("y");
        assert_eq!((found.schema, pages), (noted.schema, Pages::Whole));
        assert_eq!((found.columns, found.usual), (noted.columns, noted.usual));
        let (_, pages) = known.find("c", version).unwrap();
        assert_eq!(pages, Pages::Damaged("torn".to_owned()));
        // What nobody asked for any more is forgotten, with its columns.
        known.save(&warehouse).unwrap();
        let mut known = KnownFiles::load(&warehouse);
        assert!(known.find("a", version).is_none());
        assert_eq!(known.layouts.len(), 1);
        assert_eq!(
            known.find("b", version).unwrap().0.schema,
            facts("y").schema
        );

        for other in [
            Version {
                bytes: 8,
                ..version
            },
            Version {
                written: Some(5_001),
                ..version
            },
            Version {
                written: None,
                ..version
            },
        ] {
            assert!(known.find("b", other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn what_another_program_wrote_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::new(folder.path());
        for text in ["{", "{\"findings\":0,\"layouts\":[],\"files\":{}}"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert!(KnownFiles::load(&warehouse).files.is_empty());
        }
    }

    #[test]
    fn usual_times_are_those_of_the_unit() {
        let usual = facts("x").usual;
        assert_eq!(usual.in_unit(None), None);
        assert_eq!(usual.in_unit(Some(EpochUnit::Micros)), Some(2));
    }
}
