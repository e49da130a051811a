//! What can be judged: architectures that learn, and what need not.

use std::fmt;
use std::str::FromStr;

use anomalog_engine::network::Architecture;
use anomalog_engine::score::Baseline;

use super::floors::Floor;

/// The name of [`Candidate::Baseline`].
pub const BASELINE: &str = Baseline::NAME;

/// An architecture, the baseline or a floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Candidate {
    /// A detector of this architecture, to be trained.
    Architecture(Architecture),
    /// The statistics that every detector judges by besides its network, alone.
    Baseline,
    /// A score that needs no training.
    Floor(Floor),
}

impl Candidate {
    /// Every architecture, the baseline, then every floor.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let architectures = Architecture::ALL.map(Self::Architecture);
        let floors = Floor::ALL.map(Self::Floor);
        let baseline = [Self::Baseline].into_iter();
        architectures
            .into_iter()
            .chain(baseline)
            .chain(floors)
            .collect()
    }

    /// Its name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Architecture(architecture) => architecture.name(),
            Self::Baseline => BASELINE,
            Self::Floor(floor) => floor.name(),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of [`Candidate::all`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", expected())]
pub struct UnknownCandidate;

fn expected() -> String {
    let names = Candidate::all()
        .into_iter()
        .map(|known| format!("`{known}`"));
    format!("{} or `all`", names.collect::<Vec<_>>().join(", "))
}

impl FromStr for Candidate {
    type Err = UnknownCandidate;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or(UnknownCandidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        for candidate in Candidate::all() {
            assert_eq!(candidate.name().parse(), Ok(candidate));
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(candidate.name().chars().all(is_plain), "{candidate}");
        }
        insta::assert_snapshot!(
            "LSTM".parse::<Candidate>().unwrap_err(),
            @"expected `rnn`, `lstm`, `gru`, `clstm`, `baseline`, `random`, `difference`, `median-11`, `median-31`, `robust-z`, `yesterday`, `last-week`, `ewma`, `spectral-residual` or `all`"
        );
    }
}
