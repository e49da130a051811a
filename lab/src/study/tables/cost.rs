//! What candidates cost.

use super::markdown::{header, mean_of, row};
use super::source::Study;
use crate::study::views::{ATTACKS, Scope, View, measure, name};

pub(super) fn section(study: &Study<'_>) -> String {
    let mut text = "## Cost\n\n".to_owned();
    text.push_str(&header(&[
        "series",
        "detector",
        "weights",
        "training, s",
        "of others before, s",
        "windows scored a second",
        "memory, MB",
    ]));
    let is_shown = |view: &&View<'_>| view.scope == Scope::WebServices || view.is(ATTACKS);
    for view in study.views.iter().filter(is_shown) {
        for candidate in view.candidates() {
            let of = |key: &str| view.figures(candidate, measure(key).of);
            let megabytes = view.figures(candidate, |result| {
                result.max_rss_bytes.map(|bytes| bytes as f64 / 1e6)
            });
            let before = view.figures(candidate, |result| result.pretrain_s);
            text.push_str(&row([
                view.title.clone(),
                name(candidate.0, candidate.1),
                mean_of(&of("params"), 0),
                mean_of(&of("train_s"), 2),
                mean_of(&before, 1),
                mean_of(&of("score_rows_per_s"), 0),
                mean_of(&megabytes, 0),
            ]));
        }
    }
    text + "\n"
}
