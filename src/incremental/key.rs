//! Keys: digests of all that something is a function of, the code that makes it included.

use serde::Serialize;

use super::version;

/// What a key is of. It says which code the thing is made by, so that no key can be without the
/// version of that code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// The state of all inputs of a run.
    Inputs,
    /// A run.
    Run,
    /// A Parquet log that is linked in place.
    Link,
    /// What the requests of a date amount to.
    Traffic,
    /// The same of a date without requests.
    NoTraffic,
    /// A date of `traffic_windows`.
    TrafficWindows,
    /// Detectors, their threshold and the zones of series.
    Detectors,
    /// The same, as they follow each other over time.
    DetectorsOverTime,
    /// A date of `scored_windows`.
    ScoredWindows,
    /// Rules of incidents.
    IncidentRules,
    /// Which incidents a date has.
    Incidents,
    /// A date of `incidents`.
    ToldIncidents,
    /// What a date is to the causes of incidents.
    CausesOfDate,
    /// A date of `incident_causes`.
    IncidentCauses,
    /// A file of an export.
    Export,
}

impl Made {
    /// The word that begins the key, and the versions of the code that has a part in it.
    const fn word_and_versions(self) -> (&'static str, &'static [u32]) {
        use version::{EXPORT, INCIDENTS, RUN, SCORES, WINDOWS};
        match self {
            // A run makes all tables: whichever code is another looks at them again.
            Self::Inputs => ("inputs", &[RUN, WINDOWS, SCORES, INCIDENTS]),
            Self::Run => ("run", &[RUN]),
            Self::Link => ("link", &[WINDOWS]),
            Self::Traffic => ("traffic", &[WINDOWS]),
            Self::NoTraffic => ("no traffic", &[WINDOWS]),
            Self::TrafficWindows => ("traffic_windows", &[WINDOWS]),
            Self::Detectors => ("detectors", &[SCORES]),
            Self::DetectorsOverTime => ("detectors over time", &[SCORES]),
            Self::ScoredWindows => ("scored_windows", &[SCORES]),
            Self::IncidentRules => ("incident rules", &[INCIDENTS]),
            Self::Incidents => ("incidents", &[INCIDENTS]),
            Self::ToldIncidents => ("incidents told", &[INCIDENTS]),
            Self::CausesOfDate => ("incident_causes of a date", &[INCIDENTS]),
            Self::IncidentCauses => ("incident_causes", &[INCIDENTS]),
            Self::Export => ("export", &[EXPORT]),
        }
    }
}

/// Takes parts, each told apart from the next by its length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key(blake3::Hasher);

impl Key {
    /// Begins the key of something.
    pub(crate) fn of(made: Made) -> Self {
        let (word, versions) = made.word_and_versions();
        Self::versioned(word, versions)
    }

    fn versioned(word: &str, versions: &[u32]) -> Self {
        let mut key = Self::default().text(word);
        for version in versions {
            key.add_number(i64::from(*version));
        }
        key
    }

    #[must_use]
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.add_text(text);
        self
    }

    /// Adds a value as JSON: the identity of a thing is what it would be written as, never how it is
    /// shown for debugging.
    #[must_use]
    pub(crate) fn value(mut self, value: &impl Serialize) -> Self {
        self.add_value(value);
        self
    }

    pub(crate) fn add_text(&mut self, text: &str) {
        self.add_number(text.len() as i64);
        self.0.update(text.as_bytes());
    }

    pub(crate) fn add_number(&mut self, number: i64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(crate) fn add_value(&mut self, value: &impl Serialize) {
        let text = serde_json::to_string(value);
        self.add_text(&text.expect("settings have names as keys, which JSON can express"));
    }

    /// The first 32 hexadecimal digits: 128 bits.
    pub(crate) fn finish(&self) -> String {
        self.0.finalize().to_hex()[..32].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |a: &str, b: &str| Key::of(Made::Run).text(a).text(b).finish();
        assert_ne!(key("ab", "c"), key("a", "bc"));
        assert_ne!(key("", "abc"), key("abc", ""));
        assert_eq!(key("a", "b"), key("a", "b"));
        assert_ne!(Key::of(Made::Run).finish(), Key::of(Made::Inputs).finish());
    }

    #[test]
    fn another_version_of_scoring_is_another_key() {
        for made in [Made::Inputs, Made::Detectors, Made::ScoredWindows] {
            let (word, versions) = made.word_and_versions();
            assert!(versions.contains(&version::SCORES), "{made:?}");
            let others: Vec<u32> = versions.iter().map(|version| version + 1).collect();
            let other = Key::versioned(word, &others).finish();
            assert_ne!(Key::of(made).finish(), other, "{made:?}");
        }
    }

    #[test]
    fn values_differ_as_their_json_does() {
        let key = |value: f64| Key::of(Made::Run).value(&value).finish();
        assert_eq!(key(4.0), Key::of(Made::Run).text("4.0").finish());
        assert_ne!(key(4.0), key(4.000_000_000_000_001));
    }
}
