//! `anomalog study`, so cut down that its figures mean nothing.

use serde_json::Value;

use crate::Workplace;
use crate::evaluate::{SAW, WAVE};

fn study(work: &Workplace) {
    work.succeed(&[
        "study",
        "--quick",
        "--data",
        "data",
        "--out",
        "STUDY.md",
        "--results",
        "study.jsonl",
    ]);
}

/// The cells of the row of a candidate in the table below a heading.
fn row(document: &str, heading: &str, candidate: &str) -> Vec<String> {
    let (_, section) = document.split_once(heading).unwrap();
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
fn assert_whole(work: &Workplace, document: &str) {
    for section in [
        "# Which detector finds what matters",
        "## Summary",
        "## What was compared",
        "## Results",
        "### made-up",
        "### simulated attacks",
        "## False alarms: asked for and got",
        "## What it costs",
        "## What differs beyond noise, and what does not",
        "## What to use when",
        "## Threats to validity",
        "Not there, and so left out: tsbad/series.csv, nab, weblogs/nasa_requests_per_minute.csv.",
    ] {
        assert!(document.contains(section), "no {section}: {document}");
    }
    for plot in [
        "made-up-volumes",
        "simulated-attacks-recalls",
        "asked-and-got",
    ] {
        let path = format!(".study/{plot}.svg");
        assert!(document.contains(&path), "no {path}: {document}");
        let svg = std::fs::read_to_string(work.path().join(path)).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.len() < 100_000,
            "{} bytes",
            svg.len()
        );
    }
}

#[test]
fn the_document_says_what_evaluate_says_and_is_made_anew_from_its_results() {
    let work = Workplace::new();
    std::fs::create_dir(work.path().join("data")).unwrap();
    work.write_collection("data/kpi", &[WAVE, SAW]);
    study(&work);
    let document = std::fs::read_to_string(work.path().join("STUDY.md")).unwrap();
    assert_whole(&work, &document);
    // The same figures as those of the command.
    let report = work.succeed(&[
        "evaluate",
        "--series",
        "data/kpi/series.csv",
        "--json",
        "--detectors",
        "rnn,lstm,gru,clstm,median-11",
        "--protocol",
        "per-series,zero-shot,shipped",
        "--seed",
        "1,2",
        "--steps",
        "4",
        "--hidden",
        "8",
    ]);
    let report: Value = serde_json::from_str(&report).unwrap();
    for summary in report["summary"].as_array().unwrap() {
        let detector = summary["detector"].as_str().unwrap();
        let candidate = match summary["protocol"].as_str().unwrap() {
            "floor" => detector.to_owned(),
            protocol => format!("{detector} {protocol}"),
        };
        let cells = row(&document, "### made-up", &candidate);
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
        let cells = row(
            &document,
            "### By dataset",
            &format!("made-up: `{protocol}`"),
        );
        let got = cells[2].split(' ').next().unwrap();
        assert_eq!(got, format!("{mean:.2}"), "{protocol}");
    }
    // Without data, from results alone.
    std::fs::remove_dir_all(work.path().join("data")).unwrap();
    std::fs::remove_file(work.path().join("STUDY.md")).unwrap();
    study(&work);
    let again = std::fs::read_to_string(work.path().join("STUDY.md")).unwrap();
    assert_eq!(again, document);
    // Cut off in the middle of a line, it is not complete, and the data are missed.
    let path = work.path().join("study.jsonl");
    let lines = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &lines[..lines.len() - 3]).unwrap();
    insta::assert_snapshot!(work.run(&["study", "--quick", "--data", "data", "--out", "STUDY.md", "--results", "study.jsonl"]), @"
    --- stderr
    error: cannot read `data`: No such file or directory (os error 2)
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["study", "--data", "data", "--out", "STUDY.md", "--results", "study.jsonl"]), @"
    --- stderr
    error: `study.jsonl` holds results of another study
    hint: name a new file with `--results`, or remove this one
    --- exit 1
    ");
    std::fs::write(&path, "{}\n").unwrap();
    let damaged = work.run(&[
        "study",
        "--data",
        "data",
        "--out",
        "STUDY.md",
        "--results",
        "study.jsonl",
    ]);
    assert!(
        damaged.starts_with("--- stderr\nerror: line 1 of `study.jsonl` is no result of a study"),
        "{damaged}"
    );
}
