//! Which detector scores which dates, where challengers are trained: `detectors/champions.json`.
//!
//! Every period of a job begins with a [`Decision`]: a challenger was trained on what came before, and
//! took the champion's place or did not. Decisions stay as they were made, so that a date keeps the
//! detector that scored it, and both figures can be looked up.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::detectors::Result;
use crate::explain::cannot;
use crate::units::rfc_3339;
use crate::warehouse::Warehouse;
use crate::warehouse::commit::{CommitError, PartitionDate};

/// How a period began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The detector that scores from this date on, as `name@version`; `None` for that of the job.
    pub detector: Option<String>,
    /// What was decided, and why.
    pub outcome: DecisionOutcome,
    /// The detector that scored before, as `name@version`.
    pub champion: String,
    /// The backtest, if there was one.
    pub backtest: Option<Backtest>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionOutcome {
    /// The challenger was better.
    Promoted,
    /// The challenger was not better.
    Kept,
    /// There was no challenger, for this reason.
    NotTrained(String),
    /// Someone chose the detector.
    ByHand,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            detector,
            outcome,
            champion,
            backtest,
        } = self;
        match outcome {
            DecisionOutcome::Promoted => {
                let winner = detector.as_deref().unwrap_or_default();
                write!(f, "{winner} takes the place of {champion}")?;
            }
            DecisionOutcome::Kept => write!(f, "{champion} stays, a challenger was not better")?,
            DecisionOutcome::NotTrained(reason) => {
                write!(f, "{champion} stays without a challenger: {reason}")?;
            }
            DecisionOutcome::ByHand => {
                let chosen = detector.as_deref().unwrap_or_default();
                write!(f, "{chosen} was chosen by hand")?;
            }
        }
        match backtest {
            Some(backtest) => write!(
                f,
                "; errors of forecasts, relative to the trailing median's: champion {:.4}, challenger \
                 {:.4}, on {} windows from {} to {}",
                backtest.champion_error,
                backtest.challenger_error,
                backtest.windows,
                rfc_3339(backtest.from_micros),
                rfc_3339(backtest.until_micros)
            ),
            None => Ok(()),
        }
    }
}

/// Two detectors on the same windows, on which neither was trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backtest {
    /// Windows.
    pub windows: usize,
    /// Start of the first, in microseconds since the epoch.
    pub from_micros: i64,
    /// End of the last.
    pub until_micros: i64,
    /// Mean absolute error of the champion's forecasts, relative to that of the trailing median.
    pub champion_error: f64,
    /// The same of the challenger.
    pub challenger_error: f64,
}

/// The decisions of a warehouse, by the first date that each is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Champions {
    decisions: BTreeMap<PartitionDate, Decision>,
}

impl Champions {
    /// Where they are kept.
    #[must_use]
    pub fn path(warehouse: &Warehouse) -> PathBuf {
        warehouse.detectors().join("champions.json")
    }

    /// The decisions of a warehouse; none where nothing was decided.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged: unlike what can be made anew, it would be missed.
    pub fn load(warehouse: &Warehouse) -> Result<Self> {
        let path = Self::path(warehouse);
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text)
                .map_err(|source| CommitError::Damaged { path, source })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(cannot("read", &path)(error).into()),
        }
    }

    /// Keeps them in their warehouse.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, warehouse: &Warehouse) -> Result<()> {
        let path = Self::path(warehouse);
        let failed = || cannot("write", &path);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed()(error.into()))?;
        text.push(b'\n');
        Ok(warehouse.publish_bytes(&text, &path).map_err(failed())?)
    }

    /// The decisions by their first date, in order.
    #[must_use]
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = (NaiveDate, &Decision)> {
        let decisions = self.decisions.iter();
        decisions.map(|(date, decision)| (date.0, decision))
    }

    /// Whether something was decided for the dates from this one on.
    #[must_use]
    pub fn has(&self, from: NaiveDate) -> bool {
        self.decisions.contains_key(&PartitionDate(from))
    }

    /// The detector that scores a date, if it is another than that of the job.
    #[must_use]
    pub fn detector(&self, date: NaiveDate) -> Option<&str> {
        let mut before = self.decisions.range(..=PartitionDate(date));
        before.next_back()?.1.detector.as_deref()
    }

    /// Notes what was decided for the dates from one on.
    pub fn decide(&mut self, from: NaiveDate, decision: Decision) {
        self.decisions.insert(PartitionDate(from), decision);
    }

    /// Lets a version of a detector that won before score the dates of the last decision. Says from
    /// which date on, or `None` if no version of that detector has won.
    pub fn choose(&mut self, name: &str, version: u32) -> Option<NaiveDate> {
        let is_of_name = |decision: &Decision| {
            let reference = decision.detector.as_deref();
            let winner = reference.and_then(|reference| reference.split_once('@'));
            winner.is_some_and(|(winner, _)| winner == name)
        };
        if !self.decisions.values().any(is_of_name) {
            return None;
        }
        let mut last = self.decisions.last_entry()?;
        let decision = last.get_mut();
        let chosen = Some(format!("{name}@{version}"));
        if decision.detector != chosen {
            decision.detector = chosen;
            decision.outcome = DecisionOutcome::ByHand;
        }
        Some(last.key().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, day).unwrap()
    }

    fn decision(detector: Option<&str>) -> Decision {
        Decision {
            detector: detector.map(str::to_owned),
            outcome: DecisionOutcome::Promoted,
            champion: "pretrained-lstm@2".to_owned(),
            backtest: None,
        }
    }

    #[test]
    fn a_decision_holds_until_the_next() {
        let mut champions = Champions::default();
        assert_eq!(champions.detector(date(9)), None);
        champions.decide(date(8), decision(Some("nightly@1")));
        champions.decide(date(15), decision(None));
        let of = |day| champions.detector(date(day));
        assert_eq!(
            [7, 8, 14, 15, 30].map(of),
            [None, Some("nightly@1"), Some("nightly@1"), None, None]
        );
        assert!(champions.has(date(8)) && !champions.has(date(9)));
    }

    #[test]
    fn only_a_detector_that_won_can_be_chosen() {
        let mut champions = Champions::default();
        assert_eq!(champions.choose("nightly", 1), None);
        champions.decide(date(8), decision(Some("nightly@1")));
        champions.decide(date(15), decision(Some("nightly@2")));
        assert_eq!(champions.choose("other", 1), None);
        assert_eq!(champions.choose("nightly", 1), Some(date(15)));
        assert_eq!(champions.detector(date(20)), Some("nightly@1"));
        let (_, last) = champions.decisions().next_back().unwrap();
        assert_eq!(last.outcome, DecisionOutcome::ByHand);
        assert_eq!(last.to_string(), "nightly@1 was chosen by hand");
    }

    #[test]
    fn what_is_damaged_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::new(folder.path());
        let mut champions = Champions::default();
        champions.decide(date(8), decision(Some("nightly@1")));
        champions.save(&warehouse).unwrap();
        assert_eq!(Champions::load(&warehouse).unwrap(), champions);
        fs::write(Champions::path(&warehouse), "{").unwrap();
        assert!(Champions::load(&warehouse).is_err());
    }
}
