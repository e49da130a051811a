//! What differs beyond noise, and what does not.

use super::Study;
use super::markdown::{header, list, row};
use crate::evaluation::study::figures::{FEWEST_SERIES, difference};
use crate::evaluation::study::findings::{Ahead, Contender, Findings, Pair};
use crate::evaluation::summary::distinct;

pub(super) fn section(study: &Study<'_>) -> String {
    let findings = study.findings;
    let mut text = format!(
        "## What differs beyond noise, and what does not\n\nTwo differ beyond noise if the 90 % paired \
         bootstrap interval of their difference over series excludes 0. With fewer than \
         {FEWEST_SERIES} series none do: that all have the same sign is no rare chance.\n\n\
         ### The best detector and the best floor\n\n"
    );
    text.push_str(&races(findings));
    text.push_str("### Architectures that learned alike\n\n");
    text.push_str(&pairs(findings));
    text.push_str("### Beyond noise\n\n");
    text.push_str(&list(&findings.beyond, "Nothing."));
    text.push_str("### Within noise\n\n");
    text.push_str(&list(&findings.within, "Nothing."));
    text
}

fn races(findings: &Findings) -> String {
    let mut text = header(&[
        "series",
        "measure",
        "best detector",
        "best floor",
        "difference",
        "over series",
        "ahead",
    ]);
    let side = |contender: &Contender| format!("`{}` {:.3}", contender.name, contender.mean);
    for race in &findings.races {
        let ahead = match race.ahead() {
            Ahead::Detector => "detector",
            Ahead::Floor => "floor",
            Ahead::Neither => "neither, beyond noise",
        };
        text.push_str(&row([
            race.view.clone(),
            race.measure.to_owned(),
            side(&race.detector),
            side(&race.floor),
            difference(&race.difference),
            race.difference.series.to_string(),
            ahead.to_owned(),
        ]));
    }
    text + "\n"
}

/// Those beyond noise by name, the others by number.
fn pairs(findings: &Findings) -> String {
    let mut text = header(&[
        "series",
        "learned",
        "measure",
        "pairs",
        "beyond noise",
        "largest difference",
    ]);
    let key = |pair: &Pair| (pair.view.clone(), pair.protocol.clone(), pair.measure);
    for (view, protocol, measure) in distinct(findings.pairs.iter().map(key)) {
        let all = findings.pairs.iter();
        let own: Vec<&Pair> = all
            .filter(|pair| key(pair) == (view.clone(), protocol.clone(), measure))
            .collect();
        let beyond = own.iter().filter_map(|pair| {
            let (ahead, behind) = pair.order()?;
            let difference = difference(&pair.difference);
            Some(format!("`{ahead}` ahead of `{behind}` ({difference})"))
        });
        let beyond: Vec<String> = beyond.collect();
        let sizes = own.iter().map(|pair| pair.difference.mean.abs());
        text.push_str(&row([
            view.clone(),
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
    text + "\n"
}
