//! Incidents that are not told: false labels answer them, or rules suppress them.

use super::error::Result;
use super::feedback::{IncidentLabel, IncidentLabels};
use super::named::NamedIncident;
use super::suppression::{Suppression, SuppressionRule};
use crate::warehouse::Warehouse;

/// The labels and rules of a warehouse.
#[derive(Debug, Default)]
pub struct Untold {
    labels: IncidentLabels,
    suppression: Suppression,
}

/// Why an incident is not told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Silence<'a> {
    /// It was labelled false, or is like one that was.
    Label(&'a IncidentLabel),
    /// A rule suppresses it.
    Rule(&'a SuppressionRule),
}

/// How many incidents are not told, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct UntoldCounts {
    /// They were labelled false, or are like one that was.
    pub answered: usize,
    /// A rule suppresses them.
    pub suppressed: usize,
}

impl Untold {
    /// Reads labels and rules.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn load(warehouse: &Warehouse) -> Result<Self> {
        Ok(Self {
            labels: IncidentLabels::load(warehouse)?,
            suppression: Suppression::load(warehouse)?,
        })
    }

    /// Why an incident is not told; nothing of one that is. One that was labelled true is told, whatever the
    /// rules say.
    #[must_use]
    pub fn why<C>(&self, incident: &NamedIncident<C>) -> Option<Silence<'_>> {
        if let Some(label) = self.labels.answer(incident) {
            return Some(Silence::Label(label));
        }
        if self.labels.is_true(&incident.incident_id) {
            return None;
        }
        self.suppression.rule_for(incident).map(Silence::Rule)
    }
}

impl Silence<'_> {
    /// Why, for people.
    #[must_use]
    pub fn words<C>(self, incident: &NamedIncident<C>) -> String {
        let (why, note) = match self {
            Self::Label(label) if label.incident_id == incident.incident_id => {
                ("labelled false", label.note.as_deref())
            }
            Self::Label(label) => ("like one labelled false", label.note.as_deref()),
            Self::Rule(rule) => ("suppressed by a rule", rule.reason()),
        };
        note.map_or_else(|| why.to_owned(), |note| format!("{why}: {note}"))
    }
}

impl UntoldCounts {
    /// Counts one more.
    pub fn add(&mut self, why: Silence<'_>) {
        match why {
            Silence::Label(_) => self.answered += 1,
            Silence::Rule(_) => self.suppressed += 1,
        }
    }
}
