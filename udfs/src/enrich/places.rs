//! Countries and autonomous systems of addresses, from files in MaxMind's format.
//!
//! The format (MaxMind DB 2.0) says how to find the record of an address, not what a record holds. Read
//! are the records of MaxMind and of those who write the same fields, and flat ones as other vendors
//! have them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anomalog_engine::detector::hex_sha256;
use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};
use thiserror::Error;

/// Records that are looked at before a file is refused because it does not have what is asked for.
const PROBED: usize = 4096;

/// What is asked of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// The country that an address is in.
    Country,
    /// The autonomous system that an address belongs to.
    Asn,
}

impl PlaceKind {
    const fn plural(self) -> &'static str {
        match self {
            Self::Country => "countries",
            Self::Asn => "autonomous systems",
        }
    }

    /// Where records hold it: MaxMind's fields first, then those of other vendors.
    const fn paths(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Country => &[&["country", "iso_code"], &["country_code"], &["country"]],
            Self::Asn => &[
                &["autonomous_system_number"],
                &["traits", "autonomous_system_number"],
                &["asn"],
            ],
        }
    }
}

/// Why a file of places cannot be used.
#[derive(Debug, Error)]
pub enum PlacesError {
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no file of the format, or damaged.
    #[error("`{}` is no file in MaxMind's format (.mmdb), or damaged: {source}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MaxMindDbError,
    },
    /// It is about something else.
    #[error("`{}` has no {}; it is of the kind `{kind}`", .path.display(), .place.plural())]
    NotThere {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        place: PlaceKind,
        /// What the file says that it is.
        kind: String,
    },
}

/// A file of places.
pub(super) struct Places {
    path: PathBuf,
    bytes: Arc<[u8]>,
    reader: Reader<Arc<[u8]>>,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Places {
    /// Reads a file into memory.
    pub(super) fn open(path: &Path, place: PlaceKind) -> Result<Self, PlacesError> {
        let bytes = std::fs::read(path).map_err(|source| PlacesError::Read {
            path: path.to_owned(),
            source,
        })?;
        let bytes: Arc<[u8]> = bytes.into();
        let damaged = |source| PlacesError::Damaged {
            path: path.to_owned(),
            source,
        };
        let reader = Reader::from_source(Arc::clone(&bytes)).map_err(damaged)?;
        let places = Self {
            path: path.to_owned(),
            bytes,
            reader,
        };
        if places.has(place).map_err(damaged)? {
            Ok(places)
        } else {
            Err(PlacesError::NotThere {
                path: path.to_owned(),
                place,
                kind: places.reader.metadata().database_type.clone(),
            })
        }
    }

    /// What tells the file from others.
    pub(super) fn digest(&self) -> String {
        hex_sha256(&self.bytes)
    }

    /// Whether one of the first records has what is asked for.
    fn has(&self, place: PlaceKind) -> Result<bool, MaxMindDbError> {
        for network in self.reader.networks(WithinOptions::default())?.take(PROBED) {
            let record = network?;
            let found = match place {
                PlaceKind::Country => country_of(&record)?.is_some(),
                PlaceKind::Asn => asn_of(&record)?.is_some(),
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The country of an address, as ISO 3166-1 has it in two letters.
    pub(super) fn country(&self, address: IpAddr) -> Result<Option<&str>, PlacesError> {
        let found = self.reader.lookup(address).and_then(|at| country_of(&at));
        self.told(found)
    }

    /// The number of the autonomous system of an address.
    pub(super) fn asn(&self, address: IpAddr) -> Result<Option<i64>, PlacesError> {
        let found = self.reader.lookup(address).and_then(|at| asn_of(&at));
        self.told(found)
    }

    fn told<T>(&self, found: Result<Option<T>, MaxMindDbError>) -> Result<Option<T>, PlacesError> {
        match found {
            // A file of IPv4 knows nothing of IPv6.
            Err(MaxMindDbError::InvalidInput { .. }) => Ok(None),
            found => found.map_err(|source| PlacesError::Damaged {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

type Record<'a> = maxminddb::LookupResult<'a, Arc<[u8]>>;

fn country_of<'a>(record: &Record<'a>) -> Result<Option<&'a str>, MaxMindDbError> {
    let code = field::<&str>(record, PlaceKind::Country)?;
    Ok(code.filter(|code| code.len() == 2))
}

fn asn_of(record: &Record<'_>) -> Result<Option<i64>, MaxMindDbError> {
    if let Some(number) = field::<u32>(record, PlaceKind::Asn)? {
        return Ok(Some(i64::from(number)));
    }
    let text = field::<&str>(record, PlaceKind::Asn)?;
    let digits = text.map(|text| text.trim_start_matches(['A', 'S']));
    Ok(digits
        .and_then(|digits| digits.parse::<u32>().ok())
        .map(i64::from))
}

/// The first field that a record has of a type.
fn field<'a, T: serde::Deserialize<'a>>(
    record: &Record<'a>,
    place: PlaceKind,
) -> Result<Option<T>, MaxMindDbError> {
    if !record.has_data() {
        return Ok(None);
    }
    for path in place.paths() {
        let path: Vec<PathElement<'_>> = path.iter().map(|key| PathElement::Key(key)).collect();
        match record.decode_path::<T>(&path) {
            // A field of the name and another type is another vendor's.
            Ok(None) | Err(MaxMindDbError::Decoding { .. }) => {}
            found => return found,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::enrich::mmdb_fixture::{Value, mmdb};

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn country(code: &'static str) -> Value {
        let names = Value::Map(vec![("en", Value::Text("of no matter"))]);
        Value::Map(vec![(
            "country",
            Value::Map(vec![("names", names), ("iso_code", Value::Text(code))]),
        )])
    }

    #[test]
    fn countries_are_those_of_the_narrowest_network() {
        let file = written(&mmdb(
            "GeoLite2-Country",
            &[
                ("203.0.113.0/25", country("DE")),
                ("203.0.113.128/25", country("AT")),
                ("2001:db8::/32", country("FR")),
            ],
        ));
        let places = Places::open(file.path(), PlaceKind::Country).unwrap();
        for (address, code) in [
            ("203.0.113.7", Some("DE")),
            ("203.0.113.200", Some("AT")),
            ("203.0.114.1", None),
            ("2001:db8::1", Some("FR")),
            ("2001:db9::1", None),
        ] {
            let found = places.country(address.parse().unwrap()).unwrap();
            assert_eq!(found, code, "{address}");
        }
        let error = Places::open(file.path(), PlaceKind::Asn)
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("has no autonomous systems; it is of the kind `GeoLite2-Country`"),
            "{error}"
        );
    }

    #[test]
    fn records_of_several_vendors_are_read() {
        let address: IpAddr = "203.0.113.7".parse().unwrap();
        let network = "203.0.113.0/24";
        for record in [
            Value::Map(vec![
                ("country_code", Value::Text("DE")),
                ("country", Value::Text("Germany")),
            ]),
            Value::Map(vec![("country", Value::Text("DE"))]),
        ] {
            let file = written(&mmdb("flat", &[(network, record)]));
            let places = Places::open(file.path(), PlaceKind::Country).unwrap();
            assert_eq!(places.country(address).unwrap(), Some("DE"));
        }
        for record in [
            Value::Map(vec![("autonomous_system_number", Value::Number(64_500))]),
            Value::Map(vec![("asn", Value::Text("AS64500"))]),
            Value::Map(vec![("asn", Value::Number(64_500))]),
        ] {
            let file = written(&mmdb("flat", &[(network, record)]));
            let places = Places::open(file.path(), PlaceKind::Asn).unwrap();
            assert_eq!(places.asn(address).unwrap(), Some(64_500));
        }
    }

    #[test]
    fn files_that_are_none_are_named() {
        for bytes in [&b""[..], b"PK\x03\x04", b"\xab\xcd\xefMaxMind.com"] {
            let file = written(bytes);
            let error = Places::open(file.path(), PlaceKind::Country).unwrap_err();
            assert!(matches!(error, PlacesError::Damaged { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_no_panic(at in 0_usize..10_000, byte: u8, cut in 0_usize..10_000, address: u128) {
            let mut bytes = mmdb("GeoLite2-Country", &[("203.0.113.0/24", country("DE")), ("::/1", country("FR"))]);
            let place = at % bytes.len();
            bytes[place] = byte;
            if cut < bytes.len() {
                bytes.truncate(cut);
            }
            if let Ok(places) = Places::open(written(&bytes).path(), PlaceKind::Country) {
                for address in [IpAddr::from(address.to_be_bytes()), IpAddr::from([203, 0, 113, 7])] {
                    let _ = places.country(address);
                    let _ = places.asn(address);
                }
            }
        }
    }
}
