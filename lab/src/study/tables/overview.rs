//! Architectures and ways to learn, beside the best floors.

use anomalog::evaluation::protocol::Protocol;
use anomalog::evaluation::results::{FLOOR, SeriesResult};
use anomalog_engine::network::Architecture;

use super::markdown::{cell_of, header, mean_of, number, row};
use super::source::Study;
use crate::study::figures::{Figures, average, mean};
use crate::study::plan::CLASSIFY;
use crate::study::views::{ATTACKS, Scope, View, measure};

pub(super) fn section(study: &Study<'_>) -> String {
    architectures(study) + &protocols(study)
}

/// The series that architectures and protocols are compared on.
fn compared<'a>(study: &'a Study<'_>) -> [Option<&'a View<'a>>; 2] {
    let find = |is_it: &dyn Fn(&View<'_>) -> bool| study.views.iter().find(|view| is_it(view));
    [
        find(&|view| view.scope == Scope::WebServices),
        find(&|view| view.is(ATTACKS)),
    ]
}

/// A measure of several candidates, the mean of them; nothing without the view.
fn mean_of_all<'a>(
    view: Option<&View<'_>>,
    candidates: impl Iterator<Item = (&'a str, &'a str)>,
    of: fn(&SeriesResult) -> Option<f64>,
) -> Figures {
    view.map_or_else(Figures::new, |view| {
        average(candidates.map(|candidate| view.figures(candidate, of)))
    })
}

/// What each reaches and costs, over all ways to learn without labels.
fn architectures(study: &Study<'_>) -> String {
    let mut text = "## Architectures\n\n".to_owned();
    let [web, attacks] = compared(study);
    text.push_str(&header(&[
        "architecture",
        "web services: VUS-PR",
        "web services: event recall",
        "web services: false alarms a week",
        "simulated attacks: event recall",
        "weights",
        "training, s",
        "windows scored a second",
    ]));
    for architecture in Architecture::ALL {
        let of = |view: Option<&View<'_>>, key: &str| {
            let protocols = view.map_or_else(Vec::new, View::protocols).into_iter();
            let own = protocols
                .filter(|protocol| *protocol != CLASSIFY)
                .map(|protocol| (architecture.name(), protocol));
            mean_of_all(view, own, measure(key).of)
        };
        let cost = |key: &str| {
            let own = (architecture.name(), Protocol::PerSeries.name());
            mean_of_all(web.or(attacks), std::iter::once(own), measure(key).of)
        };
        text.push_str(&row([
            architecture.to_string(),
            cell_of(&of(web, "vus_pr")),
            cell_of(&of(web, "event_recall")),
            cell_of(&of(web, "false_alarms_per_week")),
            cell_of(&of(attacks, "event_recall")),
            mean_of(&cost("params"), 0),
            mean_of(&cost("train_s"), 2),
            mean_of(&cost("score_rows_per_s"), 0),
        ]));
    }
    text + "\n"
}

/// What ways to learn reach: means over architectures.
fn protocols(study: &Study<'_>) -> String {
    let [web, attacks] = compared(study);
    let Some(all) = web.or(attacks) else {
        return String::new();
    };
    let mut text = "## Ways to learn\n\n".to_owned();
    text.push_str(&header(&[
        "learned",
        "web services: VUS-PR",
        "web services: event recall",
        "web services: false alarms a week",
        "simulated attacks: event recall",
        "training, s",
    ]));
    for protocol in all.protocols() {
        let of = |view: Option<&View<'_>>, key: &str| {
            view.map_or_else(Figures::new, |view| {
                view.of_protocol(protocol, measure(key).of)
            })
        };
        text.push_str(&row([
            format!("`{protocol}`"),
            cell_of(&of(web, "vus_pr")),
            cell_of(&of(web, "event_recall")),
            cell_of(&of(web, "false_alarms_per_week")),
            cell_of(&of(attacks, "event_recall")),
            mean_of(&of(web.or(attacks), "train_s"), 2),
        ]));
    }
    let recall = best_floor(web, "event_recall");
    let alarms = web
        .zip(recall.as_ref())
        .map(|(view, (name, _))| view.figures((name, FLOOR), measure("false_alarms_per_week").of));
    let shown = |best: Option<(&str, Figures)>| {
        best.map_or(number(None, 0), |(name, figures)| {
            format!("{} (`{name}`)", cell_of(&figures))
        })
    };
    text.push_str(&row([
        "best floor".to_owned(),
        shown(best_floor(web, "vus_pr")),
        shown(recall),
        cell_of(&alarms.unwrap_or_default()),
        shown(best_floor(attacks, "event_recall")),
        number(None, 0),
    ]));
    text + "\n"
}

/// The floor with the highest mean of a measure.
fn best_floor<'a>(view: Option<&View<'a>>, key: &str) -> Option<(&'a str, Figures)> {
    let view = view?;
    let floors = view.candidates_that(true).into_iter().filter_map(|floor| {
        let figures = view.figures(floor, measure(key).of);
        Some((floor.0, mean(&figures)?, figures))
    });
    let best = floors.max_by(|(_, a, _), (_, b, _)| a.total_cmp(b));
    best.map(|(name, _, figures)| (name, figures))
}
