//! Series that are looked at together.

use std::collections::{BTreeMap, BTreeSet};

use anomalog::evaluation::results::{FLOOR, SeriesResult};
use anomalog::evaluation::summary::{MEASURES, Measure, Summary, distinct, summarise};

use super::data::OUTAGE;
use super::figures::{Figures, average};
use super::lines::StudyLines;
use super::records::{Record, SeriesFacts, Use};

/// Dataset of simulated logs.
pub(crate) const ATTACKS: &str = "simulated attacks";
/// Monitors of web services: the datasets that are pooled for what they have in common.
const WEB_SERVICES: [&str; 3] = ["KPI", "WSD", "IOPS"];
/// A single outage, and labels that a random score does well on.
const SAYS_LITTLE: [&str; 2] = [OUTAGE, TODS];
/// Dataset of synthetic series with dense labels.
const TODS: &str = "TODS";

/// What a view is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// One dataset.
    Dataset,
    /// All monitors of web services.
    WebServices,
    /// Those of them that nothing was chosen on.
    Untouched,
    /// All series that nothing was chosen on.
    AllUntouched,
}

/// Some series with the results of all candidates on them.
pub(super) struct View<'a> {
    pub(super) title: String,
    pub(super) scope: Scope,
    pub(super) series: Vec<&'a SeriesFacts>,
    records: Vec<&'a Record>,
}

/// All views that have series, datasets first.
pub(super) fn all(lines: &StudyLines) -> Vec<View<'_>> {
    let datasets = distinct(lines.series().map(|facts| facts.dataset.as_str()));
    let mut views: Vec<View<'_>> = datasets
        .into_iter()
        .filter_map(|dataset| {
            View::of(lines, dataset, Scope::Dataset, |facts| {
                facts.dataset == dataset
            })
        })
        .collect();
    let is_web = |facts: &SeriesFacts| WEB_SERVICES.contains(&facts.dataset.as_str());
    views.extend(View::of(
        lines,
        "web services, pooled",
        Scope::WebServices,
        is_web,
    ));
    views.extend(View::of(
        lines,
        "web services, untouched",
        Scope::Untouched,
        |facts| is_web(facts) && facts.used_for == Use::Untouched,
    ));
    views
}

/// All series that nothing was chosen on and that are evidence of something: what nothing but
/// figures comes from.
pub(super) fn untouched(lines: &StudyLines) -> Option<View<'_>> {
    View::of(
        lines,
        "all untouched series",
        Scope::AllUntouched,
        |facts| facts.used_for == Use::Untouched && !SAYS_LITTLE.contains(&facts.dataset.as_str()),
    )
}

/// A measure by its name.
pub(super) fn measure(key: &str) -> &'static Measure {
    let found = MEASURES.iter().find(|measure| measure.key == key);
    found.expect("the study asks for measures that there are")
}

/// `gru fine-tuned`, or the name of a floor.
pub(super) fn name(detector: &str, protocol: &str) -> String {
    if protocol == FLOOR {
        detector.to_owned()
    } else {
        format!("{detector} {protocol}")
    }
}

impl<'a> View<'a> {
    fn of(
        lines: &'a StudyLines,
        title: &str,
        scope: Scope,
        has: impl Fn(&SeriesFacts) -> bool,
    ) -> Option<Self> {
        let series: Vec<&SeriesFacts> = lines.series().filter(|facts| has(facts)).collect();
        let keys: BTreeSet<(&str, &str)> = series
            .iter()
            .map(|facts| (facts.group.as_str(), facts.file.as_str()))
            .collect();
        let records: Vec<&Record> = lines
            .records()
            .filter(|record| keys.contains(&(record.group.as_str(), record.result.file.as_str())))
            .collect();
        (!records.is_empty()).then(|| Self {
            title: title.to_owned(),
            scope,
            series,
            records,
        })
    }

    /// Whether it is the dataset of that name.
    pub(super) fn is(&self, dataset: &str) -> bool {
        self.scope == Scope::Dataset && self.title == dataset
    }

    /// Whether anything general follows from it.
    pub(super) fn is_evidence(&self) -> bool {
        !SAYS_LITTLE.iter().any(|dataset| self.is(dataset))
    }

    /// The results.
    fn all(&self) -> impl Iterator<Item = &'a Record> + use<'a> {
        self.records.clone().into_iter()
    }

    /// What `anomalog evaluate` would say of these series.
    pub(super) fn summaries(&self) -> Vec<Summary> {
        let pooled = |record: &Record| SeriesResult {
            dataset: self.title.clone(),
            ..record.result.clone()
        };
        let results: Vec<SeriesResult> = self.all().map(pooled).collect();
        summarise(&results)
    }

    /// Detector and protocol of all candidates, in order.
    pub(super) fn candidates(&self) -> Vec<(&'a str, &'a str)> {
        distinct(self.all().map(|record| record.result.candidate()))
    }

    /// Candidates that learn, or floors.
    pub(super) fn candidates_that(&self, are_floors: bool) -> Vec<(&'a str, &'a str)> {
        let mut candidates = self.candidates();
        candidates.retain(|(_, protocol)| (*protocol == FLOOR) == are_floors);
        candidates
    }

    /// All protocols by which candidates learn, in order.
    pub(super) fn protocols(&self) -> Vec<&'a str> {
        let learned = self.candidates_that(false).into_iter();
        distinct(learned.map(|(_, protocol)| protocol))
    }

    /// A figure per series of one candidate.
    pub(super) fn figures(
        &self,
        candidate: (&str, &str),
        of: impl Fn(&SeriesResult) -> Option<f64>,
    ) -> Figures {
        let mut by_series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for record in self.all() {
            let result = &record.result;
            if result.candidate() == candidate
                && let Some(figure) = of(result).filter(|figure| figure.is_finite())
            {
                by_series
                    .entry(result.file.clone())
                    .or_default()
                    .push(figure);
            }
        }
        by_series
            .into_iter()
            .map(|(series, figures)| {
                let mean = figures.iter().sum::<f64>() / figures.len() as f64;
                (series, mean)
            })
            .collect()
    }

    /// A figure per series of all architectures that learned by a protocol: the mean of them.
    pub(super) fn of_protocol(
        &self,
        protocol: &str,
        of: impl Fn(&SeriesResult) -> Option<f64>,
    ) -> Figures {
        let candidates = self.candidates_that(false).into_iter();
        let own = candidates.filter(|(_, own)| *own == protocol);
        average(own.map(|candidate| self.figures(candidate, &of)))
    }

    /// Mean recall within each budget of one candidate.
    pub(super) fn recalls(&self, candidate: (&str, &str), budgets: &[f64]) -> Vec<(f64, f64)> {
        let own: Vec<&Record> = self
            .all()
            .filter(|record| record.result.candidate() == candidate)
            .collect();
        let mean = |place: usize| {
            let known = own.iter().filter_map(|record| *record.recalls.get(place)?);
            let known: Vec<f64> = known.collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        let points = budgets.iter().enumerate();
        points
            .filter_map(|(place, budget)| Some((*budget, mean(place)?)))
            .collect()
    }
}
