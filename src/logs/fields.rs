//! Which column of a delimited file, or which key of a JSON object, holds which part of a request.
//!
//! The names that web servers, proxies and log shippers use are known ([`ALIASES`]), so usual files
//! need no map. A [`FieldMap`] names the others; a column that it names has no aliases any more.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::aliases::{ALIASES, SOFTWARE};
use super::column::LogColumn;
use super::field_map::FieldMap;
use super::host_field::{HOST, HostHolds};

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
    /// The field `host`, where it cannot be told what it holds, and a value of it.
    untold: Option<(String, String)>,
}

impl FieldIndex {
    /// The index for a file of which nothing is known; `host` may be both site and client.
    pub(super) fn new(map: &FieldMap) -> Self {
        let mut index = Self {
            mapped: map.entries.clone(),
            ..Self::empty()
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
        let mut index = Self::empty();
        index.add(name, (column, 0));
        index
    }

    fn empty() -> Self {
        Self {
            uses: HashMap::new(),
            parents: HashSet::new(),
            root: None,
            mapped: Vec::new(),
            untold: None,
        }
    }

    /// The index for a file with fields of these names: some tell by which software it was written,
    /// and so what others mean. `values` gives values of a field.
    pub(super) fn for_names(
        map: &FieldMap,
        names: &[String],
        values: impl Fn(&str) -> Vec<String>,
    ) -> Self {
        let mut index = Self::new(map);
        if !index.missing(names).is_empty() {
            index.root =
                roots(names).find(|root| index.missing_under(Some(root), names).is_empty());
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
        if names.contains(HOST) {
            index.tell_host(&names, values);
        }
        index
    }

    /// Decides whether the field `host` is the client or the site, or neither.
    fn tell_host(&mut self, names: &HashSet<String>, values: impl Fn(&str) -> Vec<String>) {
        let is_mapped = |(_, source): &(LogColumn, String)| source.eq_ignore_ascii_case(HOST);
        if self.mapped.iter().any(is_mapped) {
            return;
        }
        let has_client = self
            .mapped
            .iter()
            .any(|(column, _)| *column == LogColumn::ClientIp)
            || names.iter().filter(|name| *name != HOST).any(|name| {
                let uses = self.uses.get(name).into_iter().flatten();
                uses.copied()
                    .any(|(column, _)| column == LogColumn::ClientIp)
            });
        let name = format!("{}{HOST}", self.root.as_deref().unwrap_or_default());
        let holds = HostHolds::told(has_client, names, || values(&name));
        let kept = match &holds {
            HostHolds::Site => Some(LogColumn::Host),
            HostHolds::Client => Some(LogColumn::ClientIp),
            HostHolds::Untold(_) => None,
        };
        if let Some(uses) = self.uses.get_mut(HOST) {
            uses.retain(|(column, _)| Some(*column) == kept);
        }
        if let HostHolds::Untold(Some(example)) = holds {
            self.untold = Some((name, example));
        }
    }

    /// The field of which it cannot be told what it holds, and a value of it.
    pub(super) const fn untold(&self) -> Option<&(String, String)> {
        self.untold.as_ref()
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
        self.uses_under(self.root.as_deref(), name)
    }

    fn uses_under(&self, root: Option<&str>, name: &str) -> &[Use] {
        // Beside the object of the request, it is the machine of the collector.
        if root.is_some() && name == HOST {
            return &[];
        }
        let found = self
            .uses
            .get(name)
            .or_else(|| self.uses.get(name.strip_prefix(root?)?));
        found.map_or(&[], Vec::as_slice)
    }

    /// What fields of these names, in any case, hold.
    pub(super) fn uses_of(&self, names: &[String]) -> Vec<Vec<Use>> {
        let names = names.iter();
        names
            .map(|name| self.uses(&name.to_ascii_lowercase()).to_vec())
            .collect()
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
        self.missing_under(self.root.as_deref(), names)
    }

    fn missing_under(&self, root: Option<&str>, names: &[String]) -> Vec<&'static str> {
        let found: HashSet<LogColumn> = names
            .iter()
            .flat_map(|name| self.uses_under(root, &name.to_ascii_lowercase()))
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
        for (_, names) in ALIASES {
            assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        }
    }

    /// What `host` holds among fields of these names, and whether it is named as not told.
    fn host(names: &str, map: &str, values: &[&str]) -> (Vec<LogColumn>, bool) {
        let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
        let index = FieldIndex::for_names(&map.parse().unwrap(), &names, |_| {
            values.iter().copied().map(str::to_owned).collect()
        });
        let name = names.iter().find(|name| name.ends_with("host")).unwrap();
        let columns = index.uses(name).iter().map(|(column, _)| *column);
        (columns.collect(), index.untold().is_some())
    }

    #[test]
    fn host_is_the_client_or_the_site_by_what_stands_beside_it() {
        use LogColumn::{ClientIp, Host};
        let sites = ["www.example.com", "203.0.113.7", "example.com"];
        let addresses = ["203.0.113.7", "client7.example.net", "2001:db8::7"];
        for (names, map, values, column) in [
            // Zeek, and others that name the client.
            (
                "ts host id.orig_h uri status_code",
                "",
                &sites[..],
                Some(Host),
            ),
            (
                "time host remote_addr url status",
                "",
                &addresses,
                Some(Host),
            ),
            (
                "time host peer url status",
                "client_ip=peer",
                &addresses,
                Some(Host),
            ),
            // Apache's `%l` stands beside its `%h`.
            ("host logname time url response", "", &sites, Some(ClientIp)),
            ("time host url status", "", &addresses, Some(ClientIp)),
            ("time host vhost url status", "", &addresses, Some(ClientIp)),
            // What the user says counts.
            (
                "time host url status",
                "client_ip=host",
                &sites,
                Some(ClientIp),
            ),
            ("time host url status", "host=host", &addresses, Some(Host)),
            // It may be either.
            ("time host url status", "", &sites, None),
            ("time host url status", "", &[], None),
            ("time host server_name url status", "", &sites, None),
            (
                "a.time a.host a.url a.status",
                "",
                &addresses,
                Some(ClientIp),
            ),
        ] {
            let is_named = column.is_none() && !values.is_empty();
            let expected = (Vec::from_iter(column), is_named);
            assert_eq!(host(names, map, values), expected, "{names} {map}");
        }
    }

    #[test]
    fn the_host_of_a_collector_is_no_site() {
        let names = ["host", "a.time", "a.remote_addr", "a.url", "a.status"].map(str::to_owned);
        let index = FieldIndex::for_names(&FieldMap::default(), &names, |_| Vec::new());
        assert_eq!(
            (index.uses("host"), index.uses("a.host").len()),
            (&[][..], 1)
        );
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
