//! What the measures say of themselves. An example is a block of SQL and one with its result, which
//! the SQL tests run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use datafusion::logical_expr::{DocSection, Documentation, DocumentationBuilder};

const MEASURES: DocSection = DocSection {
    include: true,
    label: "Measures of scores",
    description: Some(
        "Aggregates that judge scores by labels: one row per window, one series per group. Rows are put in \
         the order of their time first, so that no result depends on the plan. A row whose time or label \
         is NULL is left out. The result is NULL where the group cannot be judged: it has no window, no \
         labelled one, none that is not labelled, or no score at all. `anomalog evaluate` computes the same.",
    ),
};

const WINDOWS: &str = "\
WITH windows AS (
    SELECT to_timestamp_seconds(60 * n) AS window_start,
           n BETWEEN 50 AND 54 AS label,
           CASE WHEN n = 20 THEN 0.95 WHEN n BETWEEN 51 AND 53 THEN 0.9 ELSE n % 10 / 20.0 END AS score
    FROM   (SELECT unnest(generate_series(1, 100)) AS n)
)";

static DOCUMENTATION: LazyLock<BTreeMap<&'static str, Documentation>> = LazyLock::new(|| {
    let documented = [
        of_ranking(
            "auc_pr",
            "Computes the average precision: the precision at each distinct score, weighted by the recall \
             gained there, without interpolation (Davis & Goadrich 2006). The result is a DOUBLE in [0, 1], \
             1 where every labelled window scores above all others.",
            "0.47",
        ),
        of_ranking(
            "auc_roc",
            "Computes the area under the receiver operating characteristic: the probability that a labelled \
             window scores higher than one that is not labelled, where ties count half (Fawcett 2006). The \
             result is a DOUBLE in [0, 1], about 0.5 for scores that say nothing.",
            "0.69",
        ),
        of_volume(
            "vus_pr",
            "Computes the volume under the precision-recall curves of labels with soft borders of every \
             width from 0 to the sliding window (Paparrizos et al., VLDB 2022; where TSB-AD 1.5 departs \
             from the paper, it is followed). The result is a DOUBLE in [0, 1].",
            "0.52",
        ),
        of_volume(
            "vus_roc",
            "Computes the volume under the receiver operating characteristics of labels with soft borders of \
             every width from 0 to the sliding window (Paparrizos et al., VLDB 2022; where TSB-AD 1.5 \
             departs from the paper, it is followed). The result is a DOUBLE in [0, 1].",
            "0.85",
        ),
        of_alarms(
            "event_recall",
            "Computes the share of events that are found. An event is a run of labelled windows, and an \
             alarm within five windows of it finds it. The result is a DOUBLE in [0, 1].",
            "1.0",
        ),
        of_alarms(
            "false_alarms",
            "Counts false alarms. An alarm is false where it is more than five windows from every event; \
             false alarms less than ten windows apart count as one. The result is a BIGINT.",
            "1",
        ),
    ];
    documented.into_iter().collect()
});

/// The documentation of the measure of a name.
pub(super) fn of(name: &str) -> Option<&'static Documentation> {
    DOCUMENTATION.get(name)
}

type Documented = (&'static str, Documentation);

/// A measure of the order of scores.
fn of_ranking(name: &'static str, description: &str, result: &str) -> Documented {
    let documentation = of_scores(name, description, "window_start, label, score")
        .with_sql_example(example(
            name,
            &format!("round({name}(window_start, label, score), 2)"),
            result,
        ))
        .build();
    (name, documentation)
}

/// A measure of the order of scores about soft borders.
fn of_volume(name: &'static str, description: &str, result: &str) -> Documented {
    let arguments = "window_start, label, score, sliding_window";
    let documentation = of_scores(name, description, arguments)
        .with_argument(
            "sliding_window",
            "BIGINT literal, at least 0: the widest border, in windows. 0 leaves borders out.",
        )
        .with_sql_example(example(
            name,
            &format!("round({name}(window_start, label, score, 10), 2)"),
            result,
        ))
        .build();
    (name, documentation)
}

/// A measure of alarms.
fn of_alarms(name: &'static str, description: &str, result: &str) -> Documented {
    let documentation = of_windows(name, description, "window_start, label, is_anomaly")
        .with_argument(
            "is_anomaly",
            "BOOLEAN, or a whole number that is not 0 where true: whether the window is an alarm. NULL is \
             no alarm.",
        )
        .with_sql_example(example(
            name,
            &format!("{name}(window_start, label, score >= 0.5)"),
            result,
        ))
        .build();
    (name, documentation)
}

fn of_scores(name: &str, description: &str, arguments: &str) -> DocumentationBuilder {
    of_windows(name, description, arguments).with_argument(
        "score",
        "A number: the higher, the more unusual. NULL and NaN are no score and rank below all others. An \
         infinite score is an error.",
    )
}

fn of_windows(name: &str, description: &str, arguments: &str) -> DocumentationBuilder {
    Documentation::builder(MEASURES, description, format!("{name}({arguments})"))
        .with_argument("window_start", "TIMESTAMP: the start of the window.")
        .with_argument(
            "label",
            "BOOLEAN, or a whole number that is not 0 where true: whether the window is a known anomaly.",
        )
}

/// A query of one value, and its result as a table.
fn example(name: &str, call: &str, result: &str) -> String {
    let width = name.len();
    let line = "-".repeat(width + 2);
    format!(
        "```sql\n{WINDOWS}\nSELECT {call} AS {name}\nFROM   windows\n```\n\n\
         ```text\n+{line}+\n| {name} |\n+{line}+\n| {result:width$} |\n+{line}+\n```"
    )
}
