//! What the functions say of themselves: `docs/sql.md` is made from it.
//!
//! An example is a block of SQL and a block with its result. The tests of the program run each of
//! them on an empty warehouse and compare, so an example uses rows that it makes itself, and rounds
//! what may differ between processors.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use datafusion::logical_expr::{DocSection, Documentation};

/// What all twelve functions have in common.
const SCORES: DocSection = DocSection {
    include: true,
    label: "Anomaly scores",
    description: Some(include_str!("scores.md")),
};

const SKETCHES: DocSection = DocSection {
    include: true,
    label: "Sketches",
    description: Some(
        "Aggregates that count what windows of traffic hold, quickly and in little memory. A result \
         depends on the values alone: neither the order of rows nor the number of batches, \
         partitions or spills changes a bit of it. They take `FILTER` and work as window functions; \
         `DISTINCT` and `ORDER BY` in the call are errors.",
    ),
};

/// What the examples score: `{windows}` in them.
const WINDOWS: &str = "\
WITH windows AS (
    SELECT n, to_timestamp_seconds(60 * n) AS window_start,
           CASE WHEN n = 590 THEN 200 ELSE 26 + n * n % 97 % 10 END AS requests
    FROM   (SELECT unnest(generate_series(1, 600)) AS n)
)";

const SCORE_EXAMPLES: &str = "\
```sql
{windows}
SELECT n, requests, round(score, 2) AS score
FROM (
    SELECT n, requests, {name}(window_start, requests) OVER (ORDER BY window_start) AS score
    FROM   windows
)
WHERE  n IN (100, 588, 590)
ORDER  BY n
```

```text
+-----+----------+-------+
| n   | requests | score |
+-----+----------+-------+
| 100 | 35       |       |
| 588 | 32       | {usual}  |
| 590 | 200      | 1.0   |
+-----+----------+-------+
```

```sql
{windows}
SELECT round({name}(array_agg(window_start ORDER BY n), array_agg(requests ORDER BY n)), 2) AS score
FROM   windows
WHERE  n <= 590
```

```text
+-------+
| score |
+-------+
| 1.0   |
+-------+
```";

const VERDICT_EXAMPLES: &str = "\
```sql
{windows}
SELECT n, verdict['is_anomaly'] AS is_anomaly, verdict['severity'] AS severity,
       verdict['direction'] AS direction, round(verdict['expected_value'], -1) AS expected,
       verdict['status'] AS status
FROM (
    SELECT n, {name}(window_start, requests) OVER (ORDER BY window_start) AS verdict
    FROM   windows
)
WHERE  n IN (100, 588, 590)
ORDER  BY n
```

```text
+-----+------------+----------+-----------+----------+---------------+
| n   | is_anomaly | severity | direction | expected | status        |
+-----+------------+----------+-----------+----------+---------------+
| 100 |            |          |           |          | warmup        |
| 588 | false      |          | spike     | 30.0     | short_history |
| 590 | true       | {rare} | spike     | 30.0     | short_history |
+-----+------------+----------+-----------+----------+---------------+
```

```sql
{windows}
SELECT verdict['direction'] AS direction, verdict['status'] AS status
FROM (
    SELECT {name}(array_agg(window_start ORDER BY n), array_agg(requests ORDER BY n)) AS verdict
    FROM   windows
    WHERE  n <= 590
)
```

```text
+-----------+---------------+
| direction | status        |
+-----------+---------------+
| spike     | short_history |
+-----------+---------------+
```";

/// The functions by the network that they ask for.
const NETWORKS: [(&str, &str, &str); 5] = [
    ("rnn_score", "rnn_detect", "a plain recurrent network"),
    ("lstm_score", "lstm_detect", "a long short-term memory"),
    ("gru_score", "gru_detect", "a gated recurrent unit"),
    (
        "clstm_score",
        "clstm_detect",
        "a causal convolution in front of a long short-term memory",
    ),
    (
        "anomaly_score",
        "anomaly_detect",
        "of any of the four architectures",
    ),
];

/// The functions that ask for no network, and by what they judge.
const BASELINE: (&str, &str, &str) = (
    "baseline_score",
    "baseline_detect",
    "by the statistics of the series alone: there is no network, and nothing has to be trained",
);

/// What their names begin with.
const BASELINE_PREFIX: &str = "baseline";

/// What the detector of a call of them is.
const BASELINE_STEP: &str = "It must be a literal: `'baseline:5m'` says that windows are of five minutes. \
     Without it, they are of the length of the warehouse's windows.";

static ANOMALY_FUNCTIONS: LazyLock<BTreeMap<&'static str, Documentation>> = LazyLock::new(|| {
    let of_network = |(score, detect, network): (_, _, &str)| {
        (
            score,
            detect,
            format!("with a detector whose network is {network}"),
        )
    };
    let (score, detect, judged) = BASELINE;
    let functions = NETWORKS.into_iter().map(of_network);
    let documented = functions
        .chain([(score, detect, judged.to_owned())])
        .flat_map(|(score, detect, judged)| {
            [
                (score, of_score(score, detect, &judged)),
                (detect, of_detect(detect, score, &judged)),
            ]
        });
    documented.collect()
});

/// The documentation of one of the twelve functions, the same for both of its forms.
pub(super) fn of_anomaly_function(name: &str) -> Option<&'static Documentation> {
    ANOMALY_FUNCTIONS.get(name)
}

fn of_score(name: &str, detect: &str, judged: &str) -> Documentation {
    let description = format!(
        "Scores each window of a series {judged}. The result is a \
         DOUBLE in [0, 1), without unit: the closer to 1, the rarer the window is. It is NULL where \
         the window cannot be scored; the `status` that `{detect}` returns says why."
    );
    of_call(name, description, SCORE_EXAMPLES)
}

fn of_detect(name: &str, score: &str, judged: &str) -> Documentation {
    let description = format!(
        "Judges each window of a series {judged}. The result is \
         the verdict, a STRUCT: the score that `{score}` returns, whether it is an anomaly, and what \
         was expected. The struct is never NULL, and neither is its `status`; the other fields are \
         NULL where the window cannot be scored."
    );
    of_call(name, description, VERDICT_EXAMPLES)
}

/// What the call of a score and of a verdict have in common.
fn of_call(name: &str, description: String, examples: &str) -> Documentation {
    // What comes out where nothing is wrong, and how severe the spike is, eight characters wide.
    let (usual, rare) = if name.starts_with(BASELINE_PREFIX) {
        ("0.35", "high    ")
    } else {
        ("0.72", "medium  ")
    };
    let detectors = match name.split_once('_') {
        Some((architecture @ ("rnn" | "lstm" | "gru" | "clstm"), _)) => format!(
            "It must be a literal: `'name'` for the current version, `'name@version'`, or \
             `'pretrained-{architecture}:5m'` for the shipped detector in windows of five minutes. \
             Without it, the current {architecture} detector whose metrics are those given answers \
             (of several, the one that is named `{architecture}`), or else `pretrained-{architecture}` \
             in the length of the warehouse's windows."
        ),
        Some(("baseline", _)) => BASELINE_STEP.to_owned(),
        _ => "It must be a literal: `'name'` for the current version, `'name@version'`, or, for \
              windows of five minutes, a shipped detector such as `'pretrained-lstm:5m'`. Without \
              it, the only current detector whose metrics are those given answers; several are an \
              error, and where there is none the shipped detector with the smallest error answers, in \
              the length of the warehouse's windows."
            .to_owned(),
    };
    Documentation::builder(
        SCORES,
        description,
        format!(
            "{name}([detector,] window_start, metric [, …]) OVER ([PARTITION BY series] ORDER BY window_start)"
        ),
    )
    .with_alternative_syntax(format!("{name}([detector,] [times,] history [, …])"))
    .with_argument("detector", format!("STRING, optional. {detectors}"))
    .with_argument(
        "window_start",
        "TIMESTAMP or DATE: the start of the window. Times of day are those of the zone in its type, \
         and of UTC where it has none. A row without a time has no score (`null_input`).",
    )
    .with_argument(
        "metric",
        "One or more numbers, in the unit and the order that the detector learned; a shipped detector \
         and the baseline take any. NULL is a value that is not known and never counts as zero. NaN and infinite values \
         count as not known too.",
    )
    .with_argument(
        "times",
        "LIST of TIMESTAMP, optional: the starts of the windows of a history, ascending. A NULL in it is \
         an error. Without times, the windows count as consecutive, and no time of day is known.",
    )
    .with_argument(
        "history",
        "One or more LISTs of numbers, as long as `times`; other lengths are an error. The last element \
         is scored. Where a list is NULL the status is `null_input`, where all are empty it is `no_data`.",
    )
    .with_sql_example(
        examples
            .replace("{windows}", WINDOWS)
            .replace("{name}", name)
            .replace("{usual}", usual)
            .replace("{rare}", rare),
    )
    .build()
}

/// The documentation of one of the aggregates over sketches.
pub(super) fn of_sketch(name: &str) -> Option<&'static Documentation> {
    match name {
        "unique_count" => Some(&UNIQUE_COUNT),
        "quantiles" => Some(&QUANTILES),
        "top_share" => Some(&TOP_SHARE),
        _ => None,
    }
}

static UNIQUE_COUNT: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SKETCHES,
        "Counts distinct values. The result is a BIGINT, 0 where there is no value. Up to 1,024 values \
         the count is exact but for rare collisions of 26-bit hashes; beyond, its standard error is \
         1.6 % (HyperLogLog; Flajolet, Fusy, Gandouet & Meunier 2007, with the estimator of Ertl 2017).",
        "unique_count(value)",
    )
    .with_argument(
        "value",
        "STRING, BINARY or a whole number. NULL is no value. Another type is an error when the query is \
         planned: cast it to STRING.",
    )
    .with_sql_example(
        "\
```sql
SELECT unique_count(client_ip) AS clients
FROM   (VALUES ('192.0.2.1'), ('192.0.2.7'), ('192.0.2.1'), (NULL)) AS t(client_ip)
```

```text
+---------+
| clients |
+---------+
| 2       |
+---------+
```",
    )
    .build()
});

static TOP_SHARE: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SKETCHES,
        "Computes which share of the rows has the most frequent value. The result is a DOUBLE in (0, 1], \
         without unit, NULL where there is no value. Up to 1,024 distinct values it is exact but for \
         collisions of 64-bit hashes; beyond, it is the share of the fullest of 4,096 buckets that values \
         are hashed to: never too low, and where values are evenly spread up to about 0.004 too high.",
        "top_share(value)",
    )
    .with_argument(
        "value",
        "STRING, BINARY or a whole number. NULL is no value. Another type is an error when the query is \
         planned: cast it to STRING.",
    )
    .with_sql_example(
        "\
```sql
SELECT top_share(client_ip) AS share
FROM   (VALUES ('192.0.2.1'), ('192.0.2.7'), ('192.0.2.1'), ('192.0.2.9'), (NULL)) AS t(client_ip)
```

```text
+-------+
| share |
+-------+
| 0.5   |
+-------+
```",
    )
    .build()
});

static QUANTILES: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SKETCHES,
        "Computes quantiles. The result is a LIST of DOUBLE in the unit of the value, one element per \
         probability and in their order; it is NULL where there is no value. Up to 512 values a quantile \
         is exact, between the two nearest ranks by their distance as `percentile_cont` has it; beyond, it \
         is up to 0.4 % too near to zero (DDSketch; Masson, Rim & Lee 2019).",
        "quantiles(value, probability [, …])",
    )
    .with_argument(
        "value",
        "A number, read as DOUBLE. NULL and NaN are no values.",
    )
    .with_argument(
        "probability",
        "One or more numbers from 0 to 1, as literals: 0.5 is the median. Anything else is an error when \
         the query is planned.",
    )
    .with_sql_example(
        "\
```sql
SELECT quantiles(latency_ms, 0.5, 0.95) AS latencies
FROM   (VALUES (12.0), (8.0), (250.0), (NULL)) AS t(latency_ms)
```

```text
+---------------+
| latencies     |
+---------------+
| [12.0, 226.2] |
+---------------+
```",
    )
    .build()
});
