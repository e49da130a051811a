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
    "--output",
    "out",
    "--results",
    "study.jsonl",
];
/// A made-up series of a minute's windows.
#[derive(Clone, Copy)]
struct Made {
    file: &'static str,
    train_points: usize,
    /// Day of the first row, counted from the epoch: series with labels at the same times look alike.
    first_day: u32,
    /// SQL over `i`, the row, and `spike`, whether it is one of nine, the first three in the training range.
    value: &'static str,
    label: &'static str,
}

const WAVE: Made = Made {
    file: "wave.parquet",
    train_points: 2_000,
    first_day: 0,
    value: "100 + 20 * sin(i / 229.2) + (i * i * 31 + i * 7919) % 1009 / 100.0 \
            + CASE WHEN spike THEN 60 ELSE 0 END",
    label: "spike",
};
const SAW: Made = Made {
    file: "saw.parquet",
    first_day: 28,
    value: "300 + i % 720 / 10.0 + (i * i * 13 + i * 15485863) % 1013 / 90.0 \
            - CASE WHEN spike THEN 120 ELSE 0 END",
    ..WAVE
};

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

/// Writes series and their list into a folder.
fn write_collection(folder: &Path, series: &[Made]) {
    fs::create_dir_all(folder).unwrap();
    let mut list = "file,dataset,train_points,vus_window,step_seconds\n".to_owned();
    for made in series {
        let Made {
            file,
            train_points,
            first_day,
            value,
            label,
        } = made;
        let _ = writeln!(list, "{file},made-up,{train_points},20,60");
        let query = format!(
            "SELECT arrow_cast(({first_day} * 1440 + i) * 60000000, 'Timestamp(Microsecond, None)') AS timestamp, \
             CAST({value} AS DOUBLE) AS value, CAST({label} AS INT) AS label \
             FROM (SELECT value AS i, value % 500 BETWEEN 450 AND 453 AS spike \
                   FROM (SELECT unnest(generate_series(0, 4499)) AS value)) ORDER BY i"
        );
        let (none, out) = (folder.join("none"), folder.join(file));
        let paths = [&none, &out].map(|path| path.to_str().unwrap());
        let arguments = ["anomalog", "--quiet", "--warehouse", paths[0], "sql"];
        let arguments = [&arguments[..], &["--output", paths[1], query.as_str()]].concat();
        let cli = anomalog::cli::Cli::parse_from(arguments);
        anomalog::commands::run_to_end(cli).unwrap();
    }
    fs::write(folder.join("series.csv"), list).unwrap();
}

/// What architectures learn, and what they are compared with.
fn settings(candidates: Vec<Candidate>, protocols: &[Protocol]) -> EvaluationSettings {
    EvaluationSettings {
        candidates,
        stored: Vec::new(),
        protocols: protocols.to_vec(),
        seeds: vec![1],
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
    }
}

/// What `anomalog evaluate` says of series, with the settings of the study.
fn evaluate(list: &Path) -> Value {
    let mut candidates = Architecture::ALL.map(Candidate::Architecture).to_vec();
    candidates.push(Candidate::Floor(Floor::Median11));
    let protocols = [Protocol::PerSeries, Protocol::Classify, Protocol::Shipped];
    judge(list, &settings(candidates, &protocols)).unwrap()
}

/// The report of an evaluation.
fn judge(list: &Path, settings: &EvaluationSettings) -> Result<Value, RunError> {
    let series = collections::read(list).unwrap();
    let evaluation = run::evaluate::<RunError>(&series, settings, &Unwatched, None)?;
    Ok(serde_json::to_value(Report::new(evaluation, settings)).unwrap())
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
    write_collection(&folder.join("data/kpi"), &[WAVE, SAW]);
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
    for protocol in ["per-series", "shipped"] {
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

/// What one classifier of raw windows makes of series, in far fewer steps than it takes.
fn classified(
    folder: &Path,
    series: &[Made],
    floors: &[Floor],
    steps: usize,
) -> Result<Value, RunError> {
    write_collection(folder, series);
    let mut candidates = vec![Candidate::Architecture(Architecture::Gru)];
    candidates.extend(floors.iter().copied().map(Candidate::Floor));
    let mut settings = settings(candidates, &[Protocol::Classify]);
    settings.learning.classifier_steps = steps;
    judge(&folder.join("series.csv"), &settings)
}

/// One classifier learns from the histories of all, and judges what comes after in each.
#[test]
fn a_classifier_learns_from_the_labels_of_all_series() {
    let folder = TempDir::new().unwrap();
    let unlabelled = Made {
        file: "unlabelled.parquet",
        first_day: 56,
        label: "spike AND i >= 2000",
        value: "50 + 9 * cos(i / 229.2) + (i * i * 17 + i * 104729) % 997 / 150.0 \
                + CASE WHEN spike THEN 25 ELSE 0 END",
        ..WAVE
    };
    let report = classified(
        folder.path(),
        &[WAVE, SAW, unlabelled],
        &[Floor::Random],
        60,
    )
    .unwrap();
    let results = report["results"].as_array().unwrap();
    let auc = |protocol: &str| {
        let of = results
            .iter()
            .filter(|result| result["protocol"] == protocol)
            .map(|result| result["auc_roc"].as_f64().unwrap());
        let areas: Vec<f64> = of.collect();
        assert_eq!(areas.len(), 3, "{report}");
        areas.iter().sum::<f64>() / 3.0
    };
    assert!(auc("classify") > auc("floor") + 0.2, "{report}");
    for result in results {
        if result["protocol"] == "classify" {
            assert_eq!(result["calibrated_on"], "all");
            assert!(result["pretrain_s"].as_f64().unwrap() > 0.0, "{result}");
            assert_eq!(result["train_s"], 0.0);
        }
    }
}

#[test]
fn nothing_labelled_to_learn_from_is_said_per_series() {
    let folder = TempDir::new().unwrap();
    let unlabelled = Made {
        label: "spike AND i >= 2000",
        ..WAVE
    };
    let said = classified(folder.path(), &[unlabelled], &[], 4).unwrap_err();
    insta::assert_snapshot!(said, @"no series can be judged: `wave.parquet`: on all series, no window from 1970-01-01T00:00:00Z to 1970-01-01T21:20:00Z, which is the fit range, is labelled as an anomaly");
}

/// The history of one series holds rows on which another is judged.
#[test]
fn a_classifier_does_not_learn_from_copies_of_what_is_judged() {
    let folder = TempDir::new().unwrap();
    let copy = Made {
        file: "copy.parquet",
        train_points: 4_000,
        ..WAVE
    };
    let long = Made {
        train_points: 3_000,
        ..SAW
    };
    let report = classified(folder.path(), &[WAVE, long, copy], &[], 4).unwrap();
    insta::assert_snapshot!(report["left_out"], @r#"[{"judged":"copy.parquet","learned":"wave.parquet"},{"judged":"wave.parquet","learned":"copy.parquet"}]"#);
}

/// The command that makes them, in small: equal bytes each time.
#[test]
fn gates_are_made_the_same_each_time() {
    let folder = TempDir::new().unwrap();
    let gates = |out: &str, more: &[&str]| {
        let arguments = [
            "gates",
            "--output",
            out,
            "--cell",
            "dense,gru",
            "--step",
            "1h",
            "--sites",
            "1",
            "--steps",
            "3",
            "--hidden",
            "4",
        ];
        lab(folder.path(), &[&arguments[..], more].concat())
    };
    let said = gates("one", &[]);
    assert!(said.contains("\n  gru: loss "), "{said}");
    gates("two", &[]);
    let bytes = |name: &str| contents(&folder.path().join(name));
    assert_eq!(bytes("one").len(), 4);
    assert!(
        bytes("one") == bytes("two"),
        "another time gave other bytes"
    );
    gates("three", &["--seed", "2"]);
    assert!(bytes("one") != bytes("three"), "the seed has no effect");
    let refused = gates("four", &["--step", "2h"]);
    assert!(
        refused.contains("[possible values: 1m, 5m, 15m, 1h]"),
        "{refused}"
    );
    assert!(refused.ends_with("--- exit 2\n"), "{refused}");
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
        "--output",
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
