//! Which column of a Parquet file holds which of ours.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use datafusion::arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};

use super::error::SourceError;
use super::times::EpochUnit;
use super::types::{accepts, is_of_text};
use crate::explain::{MissingColumn, backticked};
use crate::logs::column::LogColumn;
use crate::logs::field_map::FieldMap;

/// Columns without which a log is of no use.
const REQUIRED: [LogColumn; 4] = [
    LogColumn::Timestamp,
    LogColumn::ClientIp,
    LogColumn::Path,
    LogColumn::Status,
];

impl FromStr for LogColumn {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        Self::named(text).ok_or_else(|| SourceError::UnknownTarget {
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

impl ColumnMapping {
    /// Every mapping of a map.
    #[must_use]
    pub fn all_of(map: &FieldMap) -> Vec<Self> {
        let entries = map.entries.iter();
        entries
            .map(|(ours, theirs)| Self {
                ours: *ours,
                theirs: theirs.clone(),
            })
            .collect()
    }
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

/// Where a file has a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// A column of the file, and then fields of structs, each within the one before.
    Column(Vec<String>),
    /// A `key=value` of its path.
    Key(String),
}

/// Where a file has the time of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimePlace {
    /// One place, or those of the date and of the time of day.
    pub places: Vec<Place>,
    /// The unit of numbers, where it is known.
    pub unit: Option<EpochUnit>,
}

/// Where a file has what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileColumns {
    /// The time of a request.
    pub time: TimePlace,
    /// The columns that it has besides.
    pub others: BTreeMap<LogColumn, Place>,
}

impl FileColumns {
    /// Every place that is read.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.time.places.iter().chain(self.others.values())
    }

    /// The first column that a source must have and does not: a required one, or one that is mapped.
    pub(super) fn lacking(&self, mappings: &BTreeMap<LogColumn, String>) -> Option<LogColumn> {
        let has_request = self.others.contains_key(&LogColumn::Request);
        let required = REQUIRED
            .into_iter()
            .filter(|ours| !(has_request && *ours == LogColumn::Path));
        let mut wanted = mappings.keys().copied().chain(required);
        wanted.find(|ours| {
            *ours != LogColumn::Timestamp && !self.others.contains_key(ours) && !names_site(*ours)
        })
    }
}

/// What a file has: the columns of its schema and the keys of its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer<'a> {
    pub(super) file: &'a Path,
    pub(super) schema: &'a Schema,
    pub(super) keys: &'a BTreeMap<String, String>,
}

/// A place, and the type of what is there.
type Found<'a> = (Place, &'a DataType);

impl<'a> Offer<'a> {
    /// Finds the columns that are mapped, and those that have our names.
    ///
    /// # Errors
    /// When there is no time or no status, or a type does not convert.
    pub(super) fn columns(
        self,
        mappings: &BTreeMap<LogColumn, String>,
        has_site: bool,
    ) -> Result<FileColumns, SourceError> {
        if let Some(ours) = mappings.keys().find(|ours| is_of_text(**ours)) {
            let name = ours.name().to_owned();
            return Err(SourceError::UnknownTarget { name });
        }
        let time = self.time(mappings.get(&LogColumn::Timestamp))?;
        let mut others = BTreeMap::new();
        for (ours, name) in LogColumn::NAMES {
            let mapped = mappings.get(&ours);
            if ours == LogColumn::Timestamp || is_of_text(ours) || has_site && names_site(ours) {
                continue;
            }
            // A host or a request line is read only if it is asked for: others have such names.
            let by_name = !matches!(ours, LogColumn::Host | LogColumn::Request);
            let theirs = match mapped {
                Some(theirs) => theirs.as_str(),
                None if by_name => name,
                None => continue,
            };
            match self.find(theirs)? {
                Some(found) => {
                    others.insert(ours, self.checked(ours, theirs, found)?);
                }
                None if ours == LogColumn::Status => return Err(self.missing(ours, theirs)),
                None => {}
            }
        }
        Ok(FileColumns { time, others })
    }

    /// The time: `ts`, `date+time`, or `ts:ms` for numbers of a unit that is said.
    fn time(self, mapped: Option<&String>) -> Result<TimePlace, SourceError> {
        let ours = LogColumn::Timestamp;
        let single = |place: Place, unit| TimePlace {
            places: vec![place],
            unit,
        };
        let Some(theirs) = mapped else {
            if let Some(found) = self.find(ours.name())? {
                return Ok(single(self.checked(ours, ours.name(), found)?, None));
            }
            return match self.pair("date", "time")? {
                Some(pair) => Ok(pair),
                None => Err(self.missing(ours, ours.name())),
            };
        };
        if let Some(found) = self.find(theirs)? {
            let is_clock = matches!(found.1, DataType::Time32(_) | DataType::Time64(_));
            if is_clock && let Some(pair) = self.pair("date", theirs)? {
                return Ok(pair);
            }
            return Ok(single(self.checked(ours, theirs, found)?, None));
        }
        if let Some((date, time)) = theirs.split_once('+')
            && let Some(pair) = self.pair(date.trim(), time.trim())?
        {
            return Ok(pair);
        }
        if let Some((name, unit)) = theirs.rsplit_once(':')
            && let Some(unit) = EpochUnit::named(unit.trim())
            && let Some(found) = self.find(name.trim())?
        {
            return Ok(single(self.checked(ours, name, found)?, Some(unit)));
        }
        Err(self.missing(ours, theirs))
    }

    /// A date and a time of day, if there are both.
    fn pair(self, date: &str, time: &str) -> Result<Option<TimePlace>, SourceError> {
        let ours = LogColumn::Timestamp;
        let mut places = Vec::new();
        for name in [date, time] {
            match self.find(name)? {
                Some(found) => places.push(self.checked(ours, name, found)?),
                None => return Ok(None),
            }
        }
        Ok(Some(TimePlace { places, unit: None }))
    }

    /// The date that goes with a time of day.
    pub(super) fn date(self) -> Option<Place> {
        let found = self.find("date").ok()??;
        self.checked(LogColumn::Timestamp, "date", found).ok()
    }

    /// A key of the path, a column, or a field of a struct by its dotted name; else one whose name
    /// differs in the case of letters alone.
    fn find(self, name: &str) -> Result<Option<Found<'a>>, SourceError> {
        if self.keys.contains_key(name) {
            return Ok(Some((Place::Key(name.to_owned()), &DataType::Utf8)));
        }
        let repeated = |name: &str| SourceError::RepeatedColumn {
            path: self.file.to_owned(),
            name: name.to_owned(),
        };
        let fields = self.schema.fields();
        let mut same = fields.iter().filter(|field| field.name() == name);
        if let Some(field) = same.next() {
            return match same.next() {
                Some(_) => Err(repeated(name)),
                None => Ok(Some((
                    Place::Column(vec![name.to_owned()]),
                    field.data_type(),
                ))),
            };
        }
        if let Some(found) = self.field(name) {
            return Ok(Some(found));
        }
        let mut alike = (fields.iter()).filter(|field| field.name().eq_ignore_ascii_case(name));
        if let Some(field) = alike.next() {
            return match alike.next() {
                Some(_) => Err(repeated(name)),
                None => Ok(Some((
                    Place::Column(vec![field.name().clone()]),
                    field.data_type(),
                ))),
            };
        }
        let mut keys = self.keys.keys();
        let key = keys.find(|key| key.eq_ignore_ascii_case(name));
        Ok(key.map(|key| (Place::Key(key.clone()), &DataType::Utf8)))
    }

    /// A field of a struct by its dotted name, each of whose parts may hold dots itself.
    fn field(self, name: &str) -> Option<Found<'a>> {
        let mut path: Vec<String> = Vec::new();
        let mut fields = self.schema.fields();
        let mut rest = name;
        loop {
            let whole = fields.iter().find(|field| field.name() == rest);
            if let Some(field) = whole {
                path.push(rest.to_owned());
                return Some((Place::Column(path), field.data_type()));
            }
            let inner = fields.iter().find_map(|field| {
                let after = rest
                    .strip_prefix(field.name().as_str())?
                    .strip_prefix('.')?;
                match field.data_type() {
                    DataType::Struct(inner) => Some((field.name(), inner, after)),
                    _ => None,
                }
            });
            let (name, inner, after) = inner?;
            path.push(name.clone());
            (fields, rest) = (inner, after);
        }
    }

    fn checked(
        self,
        ours: LogColumn,
        theirs: &str,
        (place, found): Found<'_>,
    ) -> Result<Place, SourceError> {
        if accepts(ours, found) {
            return Ok(place);
        }
        Err(SourceError::ColumnType {
            path: self.file.to_owned(),
            ours,
            theirs: theirs.to_owned(),
            found: found.clone(),
        })
    }

    /// The fault of a file without a column.
    pub(super) fn missing(self, ours: LogColumn, theirs: &str) -> SourceError {
        let names = self.schema.fields().iter().map(|field| field.name());
        MissingColumn::of(self.file, theirs)
            .to_read(ours.name())
            .with_hint(format!(
                "the file has {}; name one with `--columns {}=…`",
                backticked(names.chain(self.keys.keys())),
                ours.name()
            ))
            .into()
    }
}

/// Whether a column names the site.
const fn names_site(ours: LogColumn) -> bool {
    matches!(ours, LogColumn::Site | LogColumn::Host)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Fields, TimeUnit};

    use super::*;

    fn schema(names: &[(&str, DataType)]) -> Schema {
        Schema::new(
            names
                .iter()
                .map(|(name, found)| Field::new(*name, found.clone(), true))
                .collect::<Vec<_>>(),
        )
    }

    fn columns(schema: &Schema, keys: &[&str], mappings: &[&str]) -> Result<String, String> {
        let keys = keys.iter().map(|key| ((*key).to_owned(), "1".to_owned()));
        let mappings = mappings.iter().map(|mapping| {
            let mapping: ColumnMapping = mapping.parse().unwrap();
            (mapping.ours, mapping.theirs)
        });
        let offer = Offer {
            file: Path::new("a.parquet"),
            schema,
            keys: &keys.collect(),
        };
        let place = |place: &Place| match place {
            Place::Column(path) => path.join(" > "),
            Place::Key(key) => format!("{key}="),
        };
        let found = offer.columns(&mappings.collect(), false);
        let found = found.map_err(|error| error.to_string())?;
        let time: Vec<String> = found.time.places.iter().map(place).collect();
        let unit = found.time.unit.map_or("", EpochUnit::name);
        let mut text = format!("{} {unit}", time.join(" + "));
        for (ours, at) in &found.others {
            text += &format!("; {}: {}", ours.name(), place(at));
        }
        Ok(text)
    }

    #[test]
    fn columns_are_found_by_mapping_name_case_struct_and_key() {
        let inner = Fields::from(vec![Field::new("status.code", DataType::Int64, true)]);
        let found = schema(&[
            ("TIMESTAMP", DataType::Int64),
            ("http", DataType::Struct(inner)),
            ("path", DataType::Binary),
            ("host", DataType::Utf8),
        ]);
        assert_eq!(
            columns(&found, &["site"], &["status=http.status.code"]).unwrap(),
            "TIMESTAMP ; site: site=; path: path; status: http > status.code"
        );
        assert_eq!(
            columns(
                &found,
                &[],
                &["status=TIMESTAMP", "timestamp=timestamp:ms", "host=host"]
            )
            .unwrap(),
            "TIMESTAMP ms; host: host; path: path; status: TIMESTAMP"
        );
    }

    #[test]
    fn a_time_may_be_a_date_and_a_clock() {
        let clock = DataType::Time64(TimeUnit::Microsecond);
        let of = |date: DataType, time: DataType| {
            schema(&[("date", date), ("time", time), ("status", DataType::Int32)])
        };
        let text = of(DataType::Utf8, DataType::Utf8);
        let expected = "date + time ; status: status";
        assert_eq!(columns(&text, &[], &[]).unwrap(), expected);
        assert_eq!(
            columns(&text, &[], &["timestamp=date+time"]).unwrap(),
            expected
        );
        let typed = of(DataType::Date32, clock);
        assert_eq!(columns(&typed, &[], &["timestamp=time"]).unwrap(), expected);
        let keyed = schema(&[("time", DataType::Utf8), ("status", DataType::Int32)]);
        assert_eq!(
            columns(&keyed, &["dt"], &["timestamp=dt+time"]).unwrap(),
            "dt= + time ; status: status"
        );
    }

    #[test]
    fn faults_name_the_column() {
        let twice = schema(&[
            ("timestamp", DataType::Int64),
            ("status", DataType::Int64),
            ("status", DataType::Int64),
        ]);
        let fault = columns(&twice, &[], &[]).unwrap_err();
        assert_eq!(fault, "`a.parquet` has more than one column `status`");
        let flag = schema(&[("timestamp", DataType::Boolean)]);
        let fault = columns(&flag, &[], &[]).unwrap_err();
        assert!(
            fault.starts_with("column `timestamp` of `a.parquet` holds Boolean;"),
            "{fault}"
        );
        let fault = columns(&schema(&[]), &[], &[]).unwrap_err();
        assert_eq!(
            fault,
            "`a.parquet` has no column `timestamp` to read `timestamp` from"
        );
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
