//! Lines of fields between delimiters, under a header line of column names.
//!
//! Fields may stand in double quotes, in which a doubled quote means one, except between tabs:
//! such files do not quote. A line end inside a quoted field is not supported: a line is a record.

use std::borrow::Cow;

use super::fields::{FieldIndex, Use};
use super::request::{Reject, Request};
use super::values::{Value, Values};

/// Which column of one file holds which part of a request.
#[derive(Debug, Clone)]
pub(super) struct Header {
    delimiter: u8,
    index: FieldIndex,
    columns: Vec<Vec<Use>>,
}

impl Header {
    pub(super) fn new(names: &[String], delimiter: u8, index: FieldIndex) -> Self {
        Self {
            delimiter,
            columns: index.uses_of(names),
            index,
        }
    }

    /// The columns of `access_logs` with the fields that fill them.
    pub(super) const fn index(&self) -> &FieldIndex {
        &self.index
    }

    /// Reads one line.
    pub(super) fn read<'a>(&self, line: &'a str) -> Result<Request<'a>, Reject> {
        let mut values = Values::default();
        let mut columns = self.columns.iter();
        for field in Fields::new(line, self.delimiter) {
            let field = field?;
            let uses = columns.next().ok_or(Reject::FieldCount)?;
            if let [uses @ .., last] = &uses[..] {
                for found in uses {
                    values.set(*found, Value::Text(field.clone()));
                }
                values.set(*last, Value::Text(field));
            }
        }
        if columns.next().is_some() {
            return Err(Reject::FieldCount);
        }
        values.named_request()
    }
}

/// The names in a header line.
pub(super) fn names(line: &str, delimiter: u8) -> Result<Vec<String>, Reject> {
    Fields::new(line, delimiter)
        .map(|name| name.map(|name| name.trim().to_owned()))
        .collect()
}

/// The fields of a line.
pub(super) struct Fields<'a> {
    rest: Option<&'a str>,
    delimiter: u8,
}

impl<'a> Fields<'a> {
    pub(super) fn new(line: &'a str, delimiter: u8) -> Self {
        debug_assert!(delimiter.is_ascii(), "a delimiter is one character");
        Self {
            rest: Some(line),
            delimiter,
        }
    }

    /// The quoted field at the start of `inner`, which follows its opening quote.
    fn quoted(&mut self, inner: &'a str) -> Result<Cow<'a, str>, Reject> {
        let bytes = inner.as_bytes();
        let mut from = 0;
        let mut doubled = false;
        loop {
            let quote = memchr::memchr(b'"', &bytes[from..]).ok_or(Reject::UnterminatedField)?;
            let end = from + quote;
            match bytes.get(end + 1) {
                Some(b'"') => {
                    doubled = true;
                    from = end + 2;
                }
                None => self.rest = None,
                Some(next) if *next == self.delimiter => self.rest = Some(&inner[end + 2..]),
                Some(_) => return Err(Reject::UnterminatedField),
            }
            if bytes.get(end + 1) != Some(&b'"') {
                let text = &inner[..end];
                return Ok(if doubled {
                    text.replace("\"\"", "\"").into()
                } else {
                    text.into()
                });
            }
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Cow<'a, str>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        if self.delimiter != b'\t'
            && let Some(inner) = rest.strip_prefix('"')
        {
            return Some(self.quoted(inner));
        }
        Some(Ok(match memchr::memchr(self.delimiter, rest.as_bytes()) {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                rest[..end].into()
            }
            None => rest.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(line: &str, delimiter: u8) -> Result<Vec<String>, Reject> {
        Fields::new(line, delimiter)
            .map(|field| field.map(Cow::into_owned))
            .collect()
    }

    #[test]
    fn fields_are_split() {
        for (line, delimiter, expected) in [
            ("a\tb\t\t", b'\t', Ok(vec!["a", "b", "", ""])),
            ("\"a\tb", b'\t', Ok(vec!["\"a", "b"])),
            ("a,\"b,\"\"c\"\"\",", b',', Ok(vec!["a", "b,\"c\"", ""])),
            ("\"\"", b',', Ok(vec![""])),
            ("", b',', Ok(vec![""])),
            ("a;é;b", b';', Ok(vec!["a", "é", "b"])),
            ("\"a", b',', Err(Reject::UnterminatedField)),
            ("\"a\"b", b',', Err(Reject::UnterminatedField)),
        ] {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect());
            assert_eq!(fields(line, delimiter), expected, "{line}");
        }
    }

    #[test]
    fn a_nasa_line() {
        let header = "host\tlogname\ttime\tmethod\turl\tresponse\tbytes\treferer\tuseragent";
        let names = names(header, b'\t').unwrap();
        let map = super::super::field_map::FieldMap::default();
        let index = FieldIndex::for_names(&map, &names, |_| Vec::new());
        let header = Header::new(&names, b'\t', index);
        let line = "pppa006.compuserve.com\t-\t807256800\tGET\t/images/a.gif?b\t200\t1713\t\t";
        let request = header.read(line).unwrap();
        assert_eq!(request.timestamp, 807_256_800_000_000);
        assert_eq!(
            (&*request.client_ip, request.site),
            ("pppa006.compuserve.com", None)
        );
        assert_eq!(
            (&*request.method, &*request.path, &*request.query),
            ("GET", "/images/a.gif", "b")
        );
        assert_eq!((request.status, request.bytes), (200, Some(1713)));
        assert_eq!((request.referer, request.user_agent), (None, None));
        assert_eq!(header.read("a\tb").map(|_| ()), Err(Reject::FieldCount));
        assert_eq!(
            header.read(&format!("{line}\t")).map(|_| ()),
            Err(Reject::FieldCount)
        );
    }

    proptest! {
        #[test]
        fn quoted_fields_are_read_back(all in proptest::collection::vec("\\PC{0,10}", 1..8)) {
            let line: Vec<_> = all.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            prop_assert_eq!(fields(&line.join(","), b','), Ok(all));
        }
    }
}
