//! Which detectors score which dates: those that the job names, until a challenger has won.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anomalog_engine::detector::DetectorStore;
use anomalog_engine::detector::Manifest;
use chrono::NaiveDate;
use datafusion::arrow::datatypes::Schema;

use crate::detectors::champions::Champions;
use crate::detectors::error::{Error, MetricSetting, Result};
use crate::detectors::select::{Selection, Wanted, select};
use crate::detectors::settings::ScoreSettings;
use crate::incremental::key::{Key, Made};
use crate::units::zones::SeriesTimeZones;

/// Detectors that score the dates of a time, and what tells them, their threshold and the zones of series
/// from others.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) selection: Selection,
    pub(crate) digest: String,
}

/// The detectors of each date.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// Until the first challenger won.
    own: Assigned,
    /// From a date on.
    later: BTreeMap<NaiveDate, Assigned>,
    time_zones: SeriesTimeZones,
}

impl Assignment {
    /// The detectors of a job, and those that have won since. `retrained` is the name of those that
    /// are trained anew, if any are; `windows` the table that they read, with its columns.
    pub(crate) fn of(
        settings: &ScoreSettings,
        retrained: Option<&str>,
        windows: &Path,
        schema: &Schema,
        store: &DetectorStore,
        champions: &Champions,
    ) -> Result<Self> {
        let numbers: BTreeSet<String> = schema
            .fields()
            .iter()
            .filter(|field| field.data_type().is_numeric())
            .map(|field| field.name().clone())
            .collect();
        let unknown = (settings.metrics.iter()).find(|metric| !numbers.contains(*metric));
        if let Some(metric) = unknown {
            return Err(Error::UnknownMetric {
                metric: metric.clone(),
                setting: MetricSetting::Job,
                path: windows.to_owned(),
                found: numbers.into_iter().collect(),
            });
        }
        let wanted = Wanted {
            columns: &numbers,
            metrics: &settings.metrics,
            chosen: settings.detector.as_deref(),
            step_micros: None,
            // They score from the date on that they were trained for, and no other.
            without: retrained,
        };
        let own = select(store, wanted)?.ok_or_else(|| Error::NoDetectors {
            columns: numbers.iter().cloned().collect(),
        })?;
        let mut later = BTreeMap::new();
        let decisions = champions.decisions().filter(|_| retrained.is_some());
        for (from, decision) in decisions {
            let selection = match &decision.detector {
                None => own.clone(),
                Some(reference) => {
                    let winner = store.get(&reference.parse()?)?;
                    with_winner(&own, winner.manifest())
                }
            };
            later.insert(from, Assigned::new(selection, settings));
        }
        Ok(Self {
            own: Assigned::new(own, settings),
            later,
            time_zones: settings.time_zones.clone(),
        })
    }

    /// The detectors of a date, and from when on they are.
    pub(crate) fn at(&self, date: NaiveDate) -> (Option<NaiveDate>, &Assigned) {
        match self.later.range(..=date).next_back() {
            Some((from, term)) => (Some(*from), term),
            None => (None, &self.own),
        }
    }

    /// The detectors of the latest dates.
    pub(crate) fn last(&self) -> &Assigned {
        self.later.values().next_back().unwrap_or(&self.own)
    }

    /// Where it is what time of day.
    pub(crate) fn time_zones(&self) -> &SeriesTimeZones {
        &self.time_zones
    }

    /// What tells all of them from others.
    pub(crate) fn digest(&self) -> String {
        if self.later.is_empty() {
            return self.own.digest.clone();
        }
        let mut key = Key::of(Made::DetectorsOverTime).text(&self.own.digest);
        for (from, term) in &self.later {
            key.add_text(&from.to_string());
            key.add_text(&term.digest);
        }
        key.finish()
    }
}

impl Assigned {
    fn new(selection: Selection, settings: &ScoreSettings) -> Self {
        let mut key = Key::of(Made::Detectors);
        let by_architecture = selection.by_architecture.iter();
        let manifests = by_architecture.map(|(_, manifest)| manifest);
        for manifest in manifests.chain([&selection.chosen]) {
            // All of it: weights by their digest, and how scores are calibrated.
            key.add_value(manifest);
        }
        key.add_value(&settings.alarms_per_week);
        if let Some(time_zones) = settings.time_zones.identity() {
            key.add_text(&time_zones);
        }
        Self {
            digest: key.finish(),
            selection,
        }
    }
}

/// The detectors of a job, with one that has won in the place of that of its architecture.
fn with_winner(own: &Selection, winner: &Manifest) -> Selection {
    let mut selection = own.clone();
    for (architecture, manifest) in &mut selection.by_architecture {
        if *architecture == winner.architecture {
            *manifest = winner.clone();
        }
    }
    selection.chosen = winner.clone();
    selection
}
