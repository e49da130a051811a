//! `anomalog-lab`, so cut down that its figures and detectors mean nothing.

#![expect(clippy::unwrap_used, reason = "a broken fixture may end the test run")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anomalog::evaluation::candidate::Candidate;
use anomalog::evaluation::collections;
use anomalog::evaluation::error::RunError;
use anomalog::evaluation::floors::Floor;
use anomalog::evaluation::judge::JudgingRules;
use anomalog::evaluation::protocol::{Learning, Protocol};
use anomalog::evaluation::report::Report;
use anomalog::evaluation::run;
use anomalog::evaluation::settings::EvaluationSettings;
use anomalog::measures::alarms::AlarmRules;
use anomalog::progress::Unwatched;
use anomalog_engine::network::Architecture;
use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

const STUDY: [&str; 7] = [
    "study",
    "--data",
    "data",
    "--out",
    "out",
    "--results",
    "study.jsonl",
];
/// Made-up series of a minute's windows with nine labelled spikes, the first three in the training
/// range: the first day, counted from the epoch, as series with labels at the same times look alike, and
/// SQL over `i`, the row, and `spike`, whether it is one.
const SERIES: [(&str, u32, &str); 2] = [
    (
        "wave.parquet",
        0,
        "100 + 20 * sin(i / 229.2) + (i * i * 31 + i * 7919) % 1009 / 100.0 \
         + CASE WHEN spike THEN 60 ELSE 0 END",
    ),
    (
        "saw.parquet",
        28,
        "300 + i % 720 / 10.0 + (i * i * 13 + i * 15485863) % 1013 / 90.0 \
         - CASE WHEN spike THEN 120 ELSE 0 END",
    ),
];

/// Runs the program in a folder and tells all that it said, and how it ended unless well.
fn lab(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anomalog-lab"));
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    if !errors.is_empty() {
        let _ = write!(text, "--- stderr\n{errors}");
    }
    if !output.status.success() {
        let _ = writeln!(text, "--- exit {}", output.status.code().unwrap());
    }
    text
}

/// Makes `tables.md` and returns it.
fn study(folder: &Path) -> String {
    let said = lab(folder, &[&STUDY[..], &["--quick"]].concat());
    assert!(said.ends_with("plots to `out`\n"), "{said}");
    fs::read_to_string(folder.join("out/tables.md")).unwrap()
}

/// Writes the series and their list into a folder.
fn write_collection(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut list = "file,dataset,train_points,vus_window,step_seconds\n".to_owned();
    for (file, first_day, value) in SERIES {
        let _ = writeln!(list, "{file},made-up,2000,20,60");
        let query = format!(
            "SELECT arrow_cast(({first_day} * 1440 + i) * 60000000, 'Timestamp(Microsecond, None)') AS timestamp, \
             CAST({value} AS DOUBLE) AS value, CAST(spike AS INT) AS label \
             FROM (SELECT value AS i, value % 500 BETWEEN 450 AND 453 AS spike \
                   FROM (SELECT unnest(generate_series(0, 4499)) AS value)) ORDER BY i"
        );
        let (none, out) = (folder.join("none"), folder.join(file));
        let paths = [&none, &out].map(|path| path.to_str().unwrap());
        let arguments = ["anomalog", "--quiet", "--warehouse", paths[0], "sql"];
        let arguments = [&arguments[..], &["--out", paths[1], query.as_str()]].concat();
        let cli = anomalog::cli::Cli::parse_from(arguments);
        anomalog::commands::run_to_end(cli).unwrap();
    }
    fs::write(folder.join("series.csv"), list).unwrap();
}

/// What `anomalog evaluate` says of the series, with the settings of the study.
fn evaluate(list: &Path) -> Value {
    let architectures = Architecture::ALL.map(Candidate::Architecture);
    let mut candidates = architectures.to_vec();
    candidates.push(Candidate::Floor(Floor::Median11));
    let settings = EvaluationSettings {
        candidates,
        stored: Vec::new(),
        protocols: vec![Protocol::PerSeries, Protocol::ZeroShot, Protocol::Shipped],
        seeds: vec![1, 2],
        learning: Learning {
            steps: 4,
            fine_tune_steps: 2,
            hidden_size: 8,
            classifier_steps: 4,
            classifier_hidden_size: 16,
            horizons: None,
            alarms_per_week: 1.0,
        },
        rules: JudgingRules {
            hold: None,
            also_hold: None,
            alarms_per_week: 1.0,
            alarms: AlarmRules::default(),
            plots: false,
        },
    };
    let series = collections::read(list).unwrap();
    let evaluation = run::evaluate::<RunError>(&series, &settings, &Unwatched, None).unwrap();
    serde_json::to_value(Report::new(evaluation, &settings)).unwrap()
}

/// The cells of the row of a candidate in the table below a heading.
fn row(tables: &str, heading: &str, candidate: &str) -> Vec<String> {
    let (_, section) = tables.split_once(heading).unwrap();
    let begin = format!("| {candidate} |");
    let line = section
        .lines()
        .find(|line| line.starts_with(&begin))
        .unwrap();
    line.trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// Its parts, and the plots that it shows.
fn assert_whole(folder: &Path, tables: &str) {
    for section in [
        "# Tables of the study",
        "## Series",
        "### Settings",
        "## Architectures",
        "## Ways to learn",
        "## Results",
        "### made-up",
        "### simulated attacks",
        "## False alarms: asked for and got",
        "## Cost",
        "## Differences",
        "### The best detector and the best floor",
        "### Architectures that learned alike",
        "### Ways to learn, held peaks and horizons",
    ] {
        assert!(
            tables.lines().any(|line| line == section),
            "no {section}: {tables}"
        );
    }
    assert!(tables.contains("**Made with `--quick`: the figures mean nothing.**"));
    let absent = "Absent: tsbad/series.csv, cloudmon/series.csv, kpi/second_labels.parquet, \
                  asd, nab, weblogs/nasa_requests_per_minute.csv.";
    assert!(tables.contains(absent), "{tables}");
    for plot in [
        "made-up-volumes",
        "simulated-attacks-recalls",
        "asked-and-got",
    ] {
        let file = format!("{plot}.svg");
        assert!(tables.contains(&format!("]({file})")), "{tables}");
        let svg = fs::read_to_string(folder.join("out").join(file)).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.len() < 100_000,
            "{} bytes",
            svg.len()
        );
    }
}

#[test]
fn tables_say_what_evaluate_says_and_are_made_anew_from_results() {
    let workplace = TempDir::new().unwrap();
    let folder = workplace.path();
    write_collection(&folder.join("data/kpi"));
    let tables = study(folder);
    assert_whole(folder, &tables);
    let report = evaluate(&folder.join("data/kpi/series.csv"));
    let summaries = report["summary"].as_array().unwrap();
    assert_eq!(summaries.len(), 13, "{report}");
    for summary in summaries {
        let detector = summary["detector"].as_str().unwrap();
        let candidate = match summary["protocol"].as_str().unwrap() {
            "floor" => detector.to_owned(),
            protocol => format!("{detector} {protocol}"),
        };
        let cells = row(&tables, "### made-up", &candidate);
        for (place, measure) in [(2, "vus_pr"), (3, "auc_pr"), (4, "event_recall")] {
            let mean = summary["measures"][measure]["mean"].as_f64().unwrap();
            assert_eq!(
                cells[place].split(' ').next().unwrap(),
                format!("{mean:.3}"),
                "{candidate}"
            );
        }
    }
    // What detectors make of a budget of one false alarm a day, by their own thresholds.
    for protocol in ["zero-shot", "shipped"] {
        let outcomes: Vec<f64> = report["results"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|result| result["protocol"] == protocol)
            .flat_map(|result| result["budgets"].as_array().unwrap())
            .filter(|outcome| outcome["threshold"] == "own" && outcome["asked_per_week"] == 7.0)
            .map(|outcome| outcome["false_alarms_per_week"].as_f64().unwrap() / 7.0)
            .collect();
        assert!(outcomes.len() >= 8, "{protocol}: {outcomes:?}");
        let mean = outcomes.iter().sum::<f64>() / outcomes.len() as f64;
        let candidate = format!("made-up: `{protocol}`");
        let cells = row(&tables, "### By dataset and way to learn", &candidate);
        let got = cells[2].split(' ').next().unwrap();
        assert_eq!(got, format!("{mean:.2}"), "{protocol}");
    }
    // Without data, from results alone.
    fs::remove_dir_all(folder.join("data")).unwrap();
    fs::remove_dir_all(folder.join("out")).unwrap();
    assert_eq!(study(folder), tables);
    results_that_do_not_do(folder);
}

/// With the results of a complete study, and no data.
fn results_that_do_not_do(folder: &Path) {
    // Cut off in the middle of a line, it is not complete, and the data are missed.
    let path = folder.join("study.jsonl");
    let lines = fs::read_to_string(&path).unwrap();
    fs::write(&path, &lines[..lines.len() - 3]).unwrap();
    insta::assert_snapshot!(lab(folder, &[&STUDY[..], &["--quick"]].concat()), @"
    --- stderr
    error: cannot read `data`: No such file or directory (os error 2)
    --- exit 1
    ");
    insta::assert_snapshot!(lab(folder, &STUDY), @"
    --- stderr
    error: `study.jsonl` holds results of another study
    hint: name a new file with `--results`, or remove this one
    --- exit 1
    ");
    fs::write(&path, "{}\n").unwrap();
    let damaged = lab(folder, &STUDY);
    assert!(
        damaged.starts_with("--- stderr\nerror: line 1 of `study.jsonl` is no result of a study"),
        "{damaged}"
    );
}

/// The command that makes them, in small: equal bytes each time.
#[test]
fn they_are_made_the_same_each_time() {
    let folder = TempDir::new().unwrap();
    let pretrain = |out: &str, more: &[&str]| {
        let arguments = [
            "pretrain", "--out", out, "--sites", "2", "--days", "2", "--steps", "3", "--hidden",
            "4", "--arch", "rnn,gru",
        ];
        lab(folder.path(), &[&arguments[..], more].concat())
    };
    let said = pretrain("one", &[]);
    assert!(said.contains("pretrained-gru: 3 steps"), "{said}");
    pretrain("two", &[]);
    let bytes = |name: &str| contents(&folder.path().join(name));
    assert_eq!(bytes("one").len(), 5);
    assert!(
        bytes("one") == bytes("two"),
        "another time gave other bytes"
    );
    pretrain("three", &["--seed", "1"]);
    assert!(bytes("one") != bytes("three"), "the seed has no effect");
    fs::write(
        folder.path().join("series.csv"),
        "file,dataset,train_points,vus_window,step_seconds\n",
    )
    .unwrap();
    insta::assert_snapshot!(pretrain("four", &["--series", "series.csv"]), @"
    --- stderr
    error: `series.csv` lists no series
    hint: `series.csv` has the columns file, dataset, train_points, vus_window and step_seconds; each file has timestamp, value and label
    --- exit 1
    ");
    insta::assert_snapshot!(lab(folder.path(), &["pretrain", "--out", "four", "--sites", "0"]), @"
    --- stderr
    error: there is nothing to learn from
    hint: name series with `--series`, or set `--sites`
    --- exit 1
    ");
    assert!(!folder.path().join("four").exists());
}

/// The benchmark in small: tables for people, and the same figures as JSON.
#[test]
fn nuisances_are_counted() {
    let folder = TempDir::new().unwrap();
    let arguments = [
        "nuisances",
        "--nuisance",
        "always-zero,control",
        "--detector",
        "baseline",
        "--step",
        "1h",
        "--seeds",
        "1",
        "--controls",
        "1",
        "--out",
        "nuisances.json",
    ];
    let said = lab(folder.path(), &arguments);
    for row in [
        "always-zero",
        "all but control",
        "server_error_burst",
        "week",
    ] {
        assert!(
            said.lines().any(|line| line.starts_with(row)),
            "no {row}: {said}"
        );
    }
    let written = fs::read_to_string(folder.path().join("nuisances.json")).unwrap();
    let written: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written["sites"].as_array().unwrap().len(), 2);
    let figures = &written["figures"][0];
    assert_eq!(
        (&figures["minutes"], &figures["detector"]),
        (&60.into(), &"baseline".into())
    );
    let printed = lab(folder.path(), &[&arguments[..], &["--json"]].concat());
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["figures"], written["figures"]);
    let refused = lab(folder.path(), &["nuisances", "--step", "90s"]);
    assert!(
        refused.contains("expected whole minutes, such as `1m`, `15m` or `1h`"),
        "{refused}"
    );
    assert!(refused.ends_with("--- exit 2\n"), "{refused}");
}

/// What the files below a folder hold, in the order of their names.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let of_path = |path: std::path::PathBuf| {
        if path.is_dir() {
            contents(&path)
        } else {
            vec![fs::read(path).unwrap()]
        }
    };
    paths.into_iter().flat_map(of_path).collect()
}
