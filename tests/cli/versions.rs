//! The versions of the code that makes tables, held against what it makes of the sample in `data/`.
//!
//! Keys of partitions have the versions in them, so that what an earlier program built is built again.
//! Whoever changes rows raises the version and records the new digest here.

use std::collections::BTreeMap;

use anomalog::incremental::version::{EXPORT, INCIDENTS, SCORES, WINDOWS};

use crate::Workplace;

/// What each table of the sample is, by the version of the code that makes it; those of incidents and
/// of the export by that of the scores, too, from which they are made.
const RECORDED: [(&str, &[u32], &str); 4] = [
    ("WINDOWS", &[3], "4cc584d1217630f5"),
    ("SCORES", &[3], "70030b7b6666e1e3"),
    ("INCIDENTS", &[3, 3], "0f3c01fa8b05c481"),
    ("EXPORT", &[3, 3], "46d5ad75da7a9e32"),
];

/// A workplace with a job over the sample, carried out.
fn night() -> Workplace {
    let work = Workplace::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample/logs");
    let job =
        format!("[[logs]]\npaths = [{sample:?}]\n\n[export]\nfolder = \"bi\"\nformat = \"csv\"\n");
    work.write("job.toml", job);
    work.succeed(&["run", "--job", "job.toml", "--quiet"]);
    work
}

/// Rows as text. Numbers have six digits after the point, so that another libm changes nothing;
/// `run_id` is left out, which is made of keys and so of the versions.
fn rows(work: &Workplace, query: &str) -> String {
    work.succeed(&["sql", "--format", "csv", query])
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

#[test]
fn tables_are_those_of_their_versions() {
    let work = night();
    let windows = rows(
        &work,
        "SELECT site, window_start, requests, bytes, client_errors, server_errors, unique_clients,
                round(latency_p50, 6), round(latency_p95, 6), is_observed
         FROM traffic_windows ORDER BY site, window_start",
    );
    let scores = rows(
        &work,
        "SELECT site, window_start, round(rnn_score, 6), round(lstm_score, 6), round(gru_score, 6),
                round(clstm_score, 6), round(anomaly_score, 6), is_anomaly, severity, direction,
                round(expected_value, 4), round(lower_bound, 4), round(upper_bound, 4),
                top_metric, status
         FROM scored_windows ORDER BY site, window_start",
    );
    let incidents = rows(
        &work,
        "SELECT incident_id, site, started_at, ended_at, windows, severity, direction, top_metric,
                kind, kind_evidence, round(expected_total, 3), round(actual_total, 3)
         FROM incidents ORDER BY incident_id",
    ) + &rows(
        &work,
        "SELECT incident_id, dimension, value, round(share_during, 6), round(share_before, 6), rank
         FROM incident_causes ORDER BY incident_id, dimension, rank",
    );
    let export: BTreeMap<_, _> = work
        .files("bi")
        .into_iter()
        .filter(|(path, _)| {
            // Of runs and detectors, times differ; the state has keys.
            let path = path.strip_prefix(work.path()).unwrap().to_string_lossy();
            !path.contains("runs") && !path.contains("/.") && !path.contains("detectors")
        })
        .map(|(path, content)| {
            let path = path.strip_prefix(work.path()).unwrap().to_owned();
            let text = String::from_utf8(content).unwrap();
            // Names of columns and how values are written; the values are those of the tables.
            let lines: Vec<String> = text.lines().take(3).map(without_run_id).collect();
            (path, lines)
        })
        .collect();
    assert!(incidents.lines().count() > 4, "{incidents}");
    let found = [
        ("WINDOWS", vec![WINDOWS], windows),
        ("SCORES", vec![SCORES], scores),
        ("INCIDENTS", vec![INCIDENTS, SCORES], incidents),
        ("EXPORT", vec![EXPORT, SCORES], format!("{export:?}")),
    ];
    let mut stale = Vec::new();
    for ((name, versions, text), recorded) in found.into_iter().zip(RECORDED) {
        let digest = digest(&text);
        if (name, versions.as_slice(), digest.as_str()) != recorded {
            stale.push(format!("(\"{name}\", &{versions:?}, \"{digest}\")"));
        }
    }
    assert!(
        stale.is_empty(),
        "these changed: raise their versions (SCORES in udfs/engine/src/version.rs, the others in \
         src/incremental/version.rs) and record here:\n{}",
        stale.join(",\n")
    );
}

/// A line without what looks like a digest: sixteen hexadecimal digits between commas.
fn without_run_id(line: &str) -> String {
    let is_digest =
        |cell: &&str| cell.len() == 16 && cell.bytes().all(|digit| digit.is_ascii_hexdigit());
    let cells = line.split(',').filter(|cell| !is_digest(cell));
    cells.collect::<Vec<_>>().join(",")
}

#[test]
fn a_warehouse_of_another_scoring_version_is_scored_again_wholly() {
    let work = night();
    let tables = ["scored_windows", "incidents", "incident_causes"];
    let content = |work: &Workplace| tables.map(|table| work.files(&format!("warehouse/{table}")));
    let expected = content(&work);
    // Another version of the code is another part of every key that it has a part in: of all dates of
    // scores, and so of the state in which all was up to date.
    let path = work.path().join("warehouse/manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let right: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut manifest = right.clone();
    let dates = manifest["tables"]["scored_windows"]
        .as_object_mut()
        .unwrap();
    let scored = dates.len();
    for partition in dates.values_mut() {
        let key = partition["key"].as_str().unwrap();
        partition["key"] = key.chars().rev().collect::<String>().into();
    }
    manifest["settled"] = "the state that another version left".into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let summary = work.succeed(&["run", "--job", "job.toml", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["dates_scored"].as_array().unwrap().len(), scored);
    assert!(content(&work) == expected);
    let text = std::fs::read_to_string(&path).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["tables"], right["tables"]);
    assert_eq!(manifest["settled"], right["settled"]);
}
