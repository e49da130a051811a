//! What the study found, in short.

use anomalog_udfs::models::Architecture;

use super::Study;
use super::markdown::{cell_of, header, list, mean_of, number, rate, row, words};
use crate::evaluation::bootstrap::COVERAGE;
use crate::evaluation::budgets::{ASKED, ThresholdSource};
use crate::evaluation::protocol::Protocol;
use crate::evaluation::run::{FLOOR, SeriesResult};
use crate::evaluation::study::advice::BUDGET_FACTOR;
use crate::evaluation::study::calibration::{self, Kept};
use crate::evaluation::study::data::NAB;
use crate::evaluation::study::figures::{Figures, average, mean};
use crate::evaluation::study::findings::{Ahead, Contender, Pair, Race};
use crate::evaluation::study::plan::CLASSIFY;
use crate::evaluation::study::views::{ATTACKS, Scope, View, measure};

pub(super) fn section(study: &Study<'_>) -> String {
    let mut text = "## Summary\n\n".to_owned();
    text.push_str(&architectures(study));
    text.push_str(&floors(study));
    text.push_str(&protocols(study));
    text.push_str(&budgets(study));
    text.push_str("**What to use.** The rule stands [below](#what-to-use-when).\n\n");
    let advice = study.advice.iter();
    let advice: Vec<String> = advice
        .map(|advice| format!("*{}*: {}", advice.situation, advice.text))
        .collect();
    text.push_str(&list(&advice, "Nothing follows."));
    text
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
        average(candidates.map(|candidate| view.figures("", candidate, of)))
    })
}

/// Whether architectures differ, and what each reaches and costs.
fn architectures(study: &Study<'_>) -> String {
    let pairs = &study.findings.pairs;
    let mut text = format!("**Which architecture?** {}\n\n", order(pairs));
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
    text.push_str(
        "\nMeans over all ways to learn without labels; cost is that of learning from one series \
         alone.\n\n",
    );
    text
}

/// Which architecture is ahead, if any.
fn order(pairs: &[Pair]) -> String {
    let orders: Vec<(&str, &str)> = pairs.iter().filter_map(Pair::order).collect();
    let by_chance = (1.0 - COVERAGE) * pairs.len() as f64;
    if orders.len() as f64 <= by_chance {
        return format!(
            "None is best. Of {} comparisons of two that learned alike, {} differ beyond noise, and \
             about {by_chance:.0} would by chance: choose by cost.",
            pairs.len(),
            orders.len(),
        );
    }
    let tally: Vec<String> = Architecture::ALL
        .iter()
        .map(|architecture| {
            let name = architecture.name();
            let ahead = orders.iter().filter(|(ahead, _)| *ahead == name).count();
            let behind = orders.iter().filter(|(_, behind)| *behind == name).count();
            format!("`{name}` is ahead {ahead} times and behind {behind} times")
        })
        .collect();
    format!(
        "{} of {} comparisons of two that learned alike differ beyond noise, where about \
         {by_chance:.0} would by chance: {}.",
        orders.len(),
        pairs.len(),
        words(&tally)
    )
}

/// Where floors win, and where detectors do.
fn floors(study: &Study<'_>) -> String {
    let said = |wanted: Ahead| -> Vec<String> {
        let races = study.findings.races.iter();
        let wanted = races.filter(|race| race.is_evidence && race.ahead() == wanted);
        wanted.map(describe).collect()
    };
    let mut text = "**Or no network at all?** The best detector against the best floor, where the \
                    data say anything:\n\n"
        .to_owned();
    for (who, ahead) in [
        ("The floor is ahead", Ahead::Floor),
        ("The detector is ahead", Ahead::Detector),
        ("Neither is, beyond noise", Ahead::Neither),
    ] {
        let said = said(ahead);
        let said = if said.is_empty() {
            "nowhere".to_owned()
        } else {
            said.join("; ")
        };
        text.push_str(&format!("- {who}: {said}.\n"));
    }
    text + "\n"
}

fn describe(race: &Race) -> String {
    let side = |contender: &Contender| {
        let alarms = contender.alarms.map_or(String::new(), |alarms| {
            format!(" at {alarms:.2} false alarms a week")
        });
        format!("`{}` {:.3}{alarms}", contender.name, contender.mean)
    };
    format!(
        "*{}*, {} ({}, {})",
        race.view,
        race.measure,
        side(&race.detector),
        side(&race.floor)
    )
}

/// What ways to learn reach.
fn protocols(study: &Study<'_>) -> String {
    let [web, attacks] = compared(study);
    let Some(all) = web.or(attacks) else {
        return String::new();
    };
    let mut text =
        "**How to learn?** Means over architectures, and the floors that are best by each measure:\n\n"
            .to_owned();
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
    let alarms = web.zip(recall.as_ref()).map(|(view, (name, _))| {
        view.figures("", (name, FLOOR), measure("false_alarms_per_week").of)
    });
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
        let figures = view.figures("", floor, measure(key).of);
        Some((floor.0, mean(&figures)?, figures))
    });
    let best = floors.max_by(|(_, a, _), (_, b, _)| a.total_cmp(b));
    best.map(|(name, _, figures)| (name, figures))
}

/// Whether budgets are kept on data that were used for nothing else.
fn budgets(study: &Study<'_>) -> String {
    let untouched = study.untouched.as_ref();
    let kept = untouched.and_then(|view| calibration::of_detectors(view, ThresholdSource::Own));
    let Some(kept) = kept else {
        return String::new();
    };
    let is_kept = |got: f64| (1.0 / BUDGET_FACTOR..=BUDGET_FACTOR).contains(&got);
    let kept_by = |budget: usize| is_kept(kept.alarms[budget].mean);
    let within: Vec<String> = (0..ASKED.len())
        .filter(|budget| kept_by(*budget))
        .map(|budget| format!("the {}", ASKED[budget].period))
        .collect();
    let verdict = match within.len() {
        0 => "none of them is".to_owned(),
        count if count == ASKED.len() => "all of them are".to_owned(),
        _ => format!("that for {} is", words(&within)),
    };
    let mut text = format!(
        "**Are budgets of false alarms kept?** Detectors were asked for one false alarm a day, a week and \
         a month, which by their own thresholds gave so many, on series that nothing was chosen on. \
         Over all of them, {verdict} within a factor of {BUDGET_FACTOR}.\n\n"
    );
    let periods = ASKED.map(|budget| format!("a {}", budget.period));
    let names = ["untouched series of", "series"].into_iter();
    let names: Vec<&str> = names.chain(periods.iter().map(String::as_str)).collect();
    text.push_str(&header(&names));
    let is_untouched =
        |view: &&View<'_>| view.scope == Scope::Untouched || view.is(NAB) || view.is(ATTACKS);
    let of_views = study.views.iter().filter(is_untouched).filter_map(|view| {
        let mut kept = calibration::of_detectors(view, ThresholdSource::Own)?;
        kept.name.clone_from(&view.title);
        Some(kept)
    });
    let of_all = Kept {
        name: "all".to_owned(),
        ..kept
    };
    for kept in of_views.chain([of_all]) {
        let cells = [kept.name.clone(), kept.series.to_string()].into_iter();
        text.push_str(&row(cells.chain(kept.alarms.iter().map(rate))));
    }
    text + "\n"
}
