//! What candidates differ by.

use anomalog::evaluation::summary::distinct;

use super::markdown::{header, row};
use super::source::Study;
use crate::study::differences::{Contender, Pair, contrasts, pairs, races};
use crate::study::figures::{difference, noise};
use crate::study::views::{ATTACKS, Scope, View};

pub(super) fn section(study: &Study<'_>) -> String {
    let is_compared = |view: &&View<'_>| view.scope == Scope::WebServices || view.is(ATTACKS);
    let compared: Vec<&View<'_>> = study.views.iter().filter(is_compared).collect();
    let mut text = "## Differences\n\n### The best detector and the best floor\n\n".to_owned();
    text.push_str(&of_races(study.views));
    text.push_str("### Architectures that learned alike\n\n");
    text.push_str(&of_pairs(&compared));
    text.push_str("### Ways to learn, held peaks and horizons\n\n");
    text.push_str(&of_contrasts(&compared));
    text
}

fn of_races(views: &[View<'_>]) -> String {
    let mut text = header(&[
        "series",
        "measure",
        "best detector",
        "best floor",
        "difference",
        "over series",
        "noise",
    ]);
    let side = |contender: &Contender| format!("`{}` {:.3}", contender.name, contender.mean);
    for view in views {
        for race in races(view) {
            text.push_str(&row([
                view.title.clone(),
                race.measure.to_owned(),
                side(&race.detector),
                side(&race.floor),
                difference(&race.difference),
                race.difference.series.to_string(),
                noise(&race.difference).to_owned(),
            ]));
        }
    }
    text + "\n"
}

/// Those beyond noise by name, the others by number.
fn of_pairs(views: &[&View<'_>]) -> String {
    let mut text = header(&[
        "series",
        "learned",
        "measure",
        "pairs",
        "beyond noise",
        "largest difference",
    ]);
    let key = |pair: &Pair| (pair.protocol.clone(), pair.measure);
    for view in views {
        let pairs = pairs(view);
        for (protocol, measure) in distinct(pairs.iter().map(key)) {
            let own = pairs.iter();
            let own: Vec<&Pair> = own
                .filter(|pair| key(pair) == (protocol.clone(), measure))
                .collect();
            let beyond = own.iter().filter_map(|pair| {
                let (ahead, behind) = pair.order()?;
                let difference = difference(&pair.difference);
                Some(format!("`{ahead}` ahead of `{behind}` ({difference})"))
            });
            let beyond: Vec<String> = beyond.collect();
            let sizes = own.iter().map(|pair| pair.difference.mean.abs());
            text.push_str(&row([
                view.title.clone(),
                protocol.clone(),
                measure.to_owned(),
                own.len().to_string(),
                if beyond.is_empty() {
                    "none".to_owned()
                } else {
                    beyond.join("; ")
                },
                format!("{:.3}", sizes.fold(0.0, f64::max)),
            ]));
        }
    }
    text + "\n"
}

fn of_contrasts(views: &[&View<'_>]) -> String {
    let mut text = header(&[
        "series",
        "measure",
        "of",
        "difference",
        "over series",
        "noise",
    ]);
    for view in views {
        for contrast in contrasts(view) {
            text.push_str(&row([
                view.title.clone(),
                contrast.measure.to_owned(),
                contrast.of,
                difference(&contrast.difference),
                contrast.difference.series.to_string(),
                noise(&contrast.difference).to_owned(),
            ]));
        }
    }
    text + "\n"
}
