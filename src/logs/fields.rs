//! Which column of a delimited file, or which key of a JSON object, holds which part of a request.
//!
//! The names that web servers, proxies and log shippers use are known ([`ALIASES`]), so usual files
//! need no map. A [`FieldMap`] names the others; a column that it names has no aliases any more.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::aliases::{ALIASES, SOFTWARE};
use super::column::LogColumn;
use super::field_map::FieldMap;

/// Rank of the field `host` among those of [`LogColumn::Host`].
pub(super) const HOST_AS_SITE: u8 = (ALIASES[LogColumn::Host as usize].1.len() - 1) as u8;
/// Rank of the field `host` among those of [`LogColumn::ClientIp`].
pub(super) const HOST_AS_CLIENT: u8 = (ALIASES[LogColumn::ClientIp as usize].1.len() - 1) as u8;

/// The column that a field holds, and the rank of the field among those for it; 0 is the best.
pub(super) type Use = (LogColumn, u8);

/// Finds what a field holds by its name.
#[derive(Debug, Clone)]
pub(super) struct FieldIndex {
    /// By name in lower case.
    uses: HashMap<String, Vec<Use>>,
    /// Keys, in lower case, of objects that hold a named field.
    parents: HashSet<String>,
    /// The key, with its dot, of the object that holds the request where it is no object of its
    /// own: collectors put what they have read beside facts about where they found it.
    root: Option<String>,
    /// The columns that the map names, with their fields.
    mapped: Vec<(LogColumn, String)>,
}

impl FieldIndex {
    pub(super) fn new(map: &FieldMap) -> Self {
        let mut index = Self {
            uses: HashMap::new(),
            parents: HashSet::new(),
            root: None,
            mapped: map.entries.clone(),
        };
        for (part, source) in &map.entries {
            index.add(source, (*part, 0));
        }
        for (part, names) in ALIASES {
            if !index.mapped.iter().any(|(mapped, _)| *mapped == part) {
                // A field that the map names holds nothing else.
                let is_free = |name: &str| {
                    !map.entries
                        .iter()
                        .any(|(_, source)| source.eq_ignore_ascii_case(name))
                };
                for (rank, name) in names.iter().enumerate().filter(|(_, name)| is_free(name)) {
                    index.add(name, (part, rank as u8));
                }
            }
        }
        index
    }

    /// An index of one field alone.
    pub(super) fn only(column: LogColumn, name: &str) -> Self {
        let mut index = Self {
            uses: HashMap::new(),
            parents: HashSet::new(),
            root: None,
            mapped: Vec::new(),
        };
        index.add(name, (column, 0));
        index
    }

    /// The index for a file with fields of these names: some tell by which software it was written,
    /// and so what others mean.
    pub(super) fn for_names(map: &FieldMap, names: &[String]) -> Self {
        let mut index = Self::new(map);
        if !index.missing(names).is_empty() {
            index.root = roots(names).find(|root| {
                let rooted = Self {
                    root: Some(root.clone()),
                    ..index.clone()
                };
                rooted.missing(names).is_empty()
            });
        }
        if let Some(root) = &index.root {
            for (dot, _) in root.match_indices('.') {
                index.parents.insert(root[..dot].to_owned());
            }
        }
        let names: HashSet<String> = names
            .iter()
            .map(|name| {
                let name = name.to_ascii_lowercase();
                let root = index.root.as_deref().unwrap_or_default();
                name.strip_prefix(root).map_or(name.clone(), str::to_owned)
            })
            .collect();
        for software in &SOFTWARE {
            let is_mapped = index
                .mapped
                .iter()
                .any(|(_, source)| source.eq_ignore_ascii_case(software.field));
            if !is_mapped && software.told_by.iter().any(|name| names.contains(*name)) {
                index.uses.remove(software.field);
                index.add(software.field, (software.holds, 0));
            }
        }
        index
    }

    fn add(&mut self, name: &str, r#use: Use) {
        let name = name.to_ascii_lowercase();
        for (dot, _) in name.match_indices('.') {
            self.parents.insert(name[..dot].to_owned());
        }
        self.uses.entry(name).or_default().push(r#use);
    }

    /// Returns what a field holds; `name` must be in lower case.
    pub(super) fn uses(&self, name: &str) -> &[Use] {
        let found = self.uses.get(name).or_else(|| {
            let root = self.root.as_deref()?;
            self.uses.get(name.strip_prefix(root)?)
        });
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether an object under this key, in lower case, can hold a field of use.
    pub(super) fn is_parent(&self, name: &str) -> bool {
        self.parents.contains(name)
            || (self.root.as_deref())
                .and_then(|root| name.strip_prefix(root))
                .is_some_and(|name| self.parents.contains(name))
    }

    /// The column that the best field of some names fills, for each field the first time.
    pub(super) fn columns<'n>(&self, names: &'n [String]) -> Vec<(LogColumn, &'n str)> {
        let mut best: BTreeMap<LogColumn, (u8, &str)> = BTreeMap::new();
        for name in names {
            for (column, rank) in self.uses(&name.to_ascii_lowercase()) {
                let held = best.entry(*column).or_insert((*rank, name));
                if *rank < held.0 {
                    *held = (*rank, name);
                }
            }
        }
        best.into_iter()
            .map(|(column, (_, name))| (column, name))
            .collect()
    }

    /// The first entry of the map whose source is not among these names.
    pub(super) fn unmatched(&self, names: &[String]) -> Option<(&'static str, &str)> {
        self.mapped
            .iter()
            .find(|(_, source)| !names.iter().any(|name| name.eq_ignore_ascii_case(source)))
            .map(|(part, source)| (part.name(), source.as_str()))
    }

    /// The columns that a file with fields of these names would lack. The empty answer means that
    /// the file can be read.
    pub(super) fn missing(&self, names: &[String]) -> Vec<&'static str> {
        let found: HashSet<LogColumn> = names
            .iter()
            .flat_map(|name| self.uses(&name.to_ascii_lowercase()))
            .map(|(part, _)| *part)
            .collect();
        let has = |parts: &[LogColumn]| parts.iter().any(|part| found.contains(part));
        [
            (has(&[LogColumn::Timestamp, LogColumn::Date]), "timestamp"),
            (
                has(&[LogColumn::Path, LogColumn::Request, LogColumn::Url]),
                "path",
            ),
            (has(&[LogColumn::Status]), "status"),
        ]
        .into_iter()
        .filter(|(present, _)| !present)
        .map(|(_, name)| name)
        .collect()
    }
}

/// The keys, with their dots, of objects that hold other fields, in order of appearance.
fn roots(names: &[String]) -> impl Iterator<Item = String> {
    let mut seen = HashSet::new();
    names
        .iter()
        .flat_map(|name| {
            let name = name.to_ascii_lowercase();
            let dots: Vec<usize> = name.match_indices('.').map(|(dot, _)| dot).collect();
            dots.into_iter()
                .map(move |dot| name[..=dot].to_owned())
                .collect::<Vec<_>>()
        })
        .filter(move |root| seen.insert(root.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_order() {
        for (index, (column, name)) in LogColumn::NAMES.into_iter().enumerate() {
            assert_eq!(column as usize, index, "{name}");
            assert_eq!(ALIASES[index].0, column, "{name}");
        }
        assert_eq!(ALIASES[LogColumn::Host as usize].1.last(), Some(&"host"));
        assert_eq!(
            ALIASES[LogColumn::ClientIp as usize].1.last(),
            Some(&"host")
        );
        for (_, names) in ALIASES {
            assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        }
    }

    #[test]
    fn missing_columns_are_named() {
        let index = FieldIndex::new(&"client_ip=peer".parse().unwrap());
        let names = ["timestamp", "requests"].map(str::to_owned);
        assert_eq!(index.missing(&names), ["path", "status"]);
        assert_eq!(index.unmatched(&names), Some(("client_ip", "peer")));
        let names = ["Time", "URL", "Response", "Peer"].map(str::to_owned);
        assert_eq!(index.missing(&names), [""; 0]);
        assert_eq!(index.unmatched(&names), None);
    }
}
