//! Tests of whole simulations, and of the sample in `data/`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;

use chrono::{NaiveDate, NaiveTime};
use proptest::prelude::*;

use super::*;
use crate::explain::Explain as _;

/// What made `data/sample`, as its README says.
fn sample() -> Simulation {
    Simulation {
        days: 3,
        sites: 3,
        seed: 7,
        start: NaiveDate::from_ymd_opt(2026, 3, 2).unwrap(),
        scale: 0.32,
    }
}

fn small(days: u32, sites: u32, seed: u64) -> Simulation {
    Simulation {
        days,
        sites,
        seed,
        scale: 0.02,
        ..sample()
    }
}

fn run(spec: &Simulation) -> (tempfile::TempDir, SimulationSummary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = simulate(spec, folder.path(), &mut |_, _| ()).unwrap();
    (folder, summary)
}

/// Every file under a folder with its bytes, by its path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// The text of a log file.
fn text(path: &Path, bytes: &[u8]) -> String {
    let mut text = String::new();
    match path.extension().unwrap().to_str().unwrap() {
        "gz" => {
            let mut decoder = flate2::read::GzDecoder::new(bytes);
            decoder.read_to_string(&mut text).unwrap();
        }
        "zst" => text = String::from_utf8(zstd::decode_all(bytes).unwrap()).unwrap(),
        _ => text = String::from_utf8(bytes.to_vec()).unwrap(),
    }
    text
}

/// The logs of a folder as text, by path.
fn logs(folder: &Path) -> BTreeMap<PathBuf, String> {
    let logs = files(folder)
        .into_iter()
        .filter(|(path, _)| path.starts_with(LOGS));
    logs.map(|(path, bytes)| {
        let text = text(&path, &bytes);
        (path, text)
    })
    .collect()
}

/// Second of the day of a line, found by the first time of day in it.
fn second(line: &str) -> u32 {
    let at = line
        .find("/2026:")
        .map(|at| at + 6)
        .or_else(|| line.find("\"2026-").map(|at| at + 12))
        .unwrap_or_else(|| panic!("no time in `{line}`"));
    let number = |from: usize| line[at + from..at + from + 2].parse::<u32>().unwrap();
    number(0) * 3600 + number(3) * 60 + number(6)
}

#[test]
fn same_spec_same_bytes() {
    let spec = small(2, 5, 11);
    let (first, summary) = run(&spec);
    let (second, again) = run(&spec);
    assert_eq!(summary, again);
    assert_eq!(files(first.path()), files(second.path()));
    let (other, _) = run(&Simulation { seed: 12, ..spec });
    assert_ne!(files(first.path()), files(other.path()));
}

#[test]
fn clean_days_do_not_depend_on_their_number() {
    let (short, _) = run(&small(5, 2, 3));
    let (long, _) = run(&small(6, 4, 3));
    let (short, long) = (logs(short.path()), logs(long.path()));
    for name in [
        "shop/access-2026-03-02.log.gz",
        "blog/access-2026-03-03.log.gz",
    ] {
        let name = Path::new(LOGS).join(name);
        assert_eq!(short[&name], long[&name]);
    }
}

#[test]
fn lines_are_in_order_and_have_their_format() {
    let (folder, summary) = run(&small(1, 5, 4));
    let logs = logs(folder.path());
    assert_eq!(logs.len(), 5);
    let mut lines = 0;
    for (path, text) in &logs {
        assert!(text.lines().is_sorted_by_key(second), "{}", path.display());
        lines += text.lines().count() as u64;
        for line in text.lines() {
            let site = path.iter().nth(1).unwrap().to_str().unwrap();
            let fields = line.split(' ').count();
            let quotes = line.matches('"').count();
            let is_valid = match site {
                "shop" => quotes == 6 && seconds_of(line).is_some(),
                "blog" => quotes == 6 && line.ends_with('"'),
                "api" => quotes == 6 && line.starts_with("api ") && seconds_of(line).is_some(),
                "docs" => serde_json::from_str::<serde_json::Value>(line)
                    .is_ok_and(|value| value["status"].is_u64() && value["host"] == "docs"),
                _ => quotes == 2 && fields == 10,
            };
            assert!(is_valid, "{site}: {line}");
        }
    }
    assert_eq!(summary.lines, lines);
    assert_eq!(
        summary.bytes,
        logs.values().map(|text| text.len() as u64).sum::<u64>()
    );
}

/// The number after the last space, with three decimals.
fn seconds_of(line: &str) -> Option<f64> {
    let (_, number) = line.rsplit_once(' ')?;
    let (_, decimals) = number.split_once('.')?;
    (decimals.len() == 3).then(|| number.parse().ok())?
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "precious").unwrap();
    let error = simulate(&small(1, 1, 1), folder.path(), &mut |_, _| ()).unwrap_err();
    assert!(
        matches!(error, SimulationError::FolderInUse { .. }),
        "{error}"
    );
    assert!(error.hint().is_some());
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn an_earlier_simulation_is_replaced() {
    let (folder, _) = run(&small(3, 3, 1));
    let note = folder.path().join(LOGS).join("shop/note.txt");
    fs::write(&note, "mine").unwrap();
    simulate(&small(1, 1, 2), folder.path(), &mut |_, _| ()).unwrap();
    assert_eq!(fs::read_to_string(&note).unwrap(), "mine");
    fs::remove_file(&note).unwrap();
    assert_eq!(files(folder.path()), files(run(&small(1, 1, 2)).0.path()));
}

#[test]
fn settings_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (spec, expected) in [
        (small(0, 1, 1), "`days` must be from 1 to 3660, found `0`"),
        (small(1, 0, 1), "`sites` must be from 1 to 10000, found `0`"),
        (
            Simulation {
                scale: f64::NAN,
                ..sample()
            },
            "`scale` must be from 0.001 to 1000, found `NaN`",
        ),
    ] {
        let error = simulate(&spec, folder.path(), &mut |_, _| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn progress_counts_days() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    simulate(&small(3, 2, 1), folder.path(), &mut |done, days| {
        seen.push((done, days));
    })
    .unwrap();
    assert_eq!(seen, [(1, 3), (2, 3), (3, 3)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_world_keeps_its_promises(days in 1..4_u32, sites in 1..7_u32, seed: u64) {
        let spec = small(days, sites, seed);
        let (folder, summary) = run(&spec);
        prop_assert_eq!(summary.files, u64::from(days * sites));
        let labels = read_labels(&folder.path().join(LABELS)).unwrap();
        prop_assert_eq!(labels.len() as u64, summary.anomalies);
        let from = spec.start.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
        let names: BTreeSet<String> = (0..sites).map(site::name).collect();
        for label in labels {
            prop_assert!(from < label.start && label.start < label.end);
            prop_assert!(label.end <= from + i64::from(days) * 86_400_000_000);
            prop_assert!(names.contains(&label.site));
        }
    }
}

/// Requests per minute of a site of the sample.
fn sample_minutes(logs: &BTreeMap<PathBuf, String>, site: &str) -> Vec<u32> {
    let mut counts = Vec::new();
    for (path, text) in logs {
        if path.iter().nth(1).unwrap() == site {
            let from = counts.len();
            counts.resize(from + 1440, 0);
            for line in text.lines() {
                counts[from + second(line) as usize / 60] += 1;
            }
        }
    }
    counts
}

#[test]
fn sample_labels_tell_what_is_in_the_logs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
    let labels = read_labels(&folder.join(LABELS)).unwrap();
    let kinds: BTreeSet<&str> = labels.iter().map(|label| label.kind.as_str()).collect();
    assert_eq!(kinds.len(), AnomalyKind::ALL.len());
    let logs = logs(&folder);
    let from = sample()
        .start
        .and_time(NaiveTime::MIN)
        .and_utc()
        .timestamp_micros();
    for label in labels {
        let minutes = sample_minutes(&logs, &label.site);
        let minute = |time: i64| ((time - from) / 60_000_000) as usize;
        let (start, end) = (minute(label.start), minute(label.end));
        let mean = |range: std::ops::Range<usize>| {
            f64::from(minutes[range.clone()].iter().sum::<u32>()) / range.len() as f64
        };
        let (before, during) = (mean(start - 60..start), mean(start..end));
        match label.kind.as_str() {
            "outage" => assert!(during == 0.0 && before > 0.0, "{label:?}"),
            "flood" => assert!(during > 2.5 * before, "{label:?}: {before} to {during}"),
            "traffic_drop" => assert!(during < 0.7 * before, "{label:?}: {before} to {during}"),
            _ => (),
        }
    }
}

#[test]
fn sample_is_what_the_generator_makes() {
    let (made, _) = run(&sample());
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
    // Text, not bytes: another version of a compressor may write other bytes.
    let (made_logs, kept_logs) = (logs(made.path()), logs(&kept));
    assert!(made_logs.keys().eq(kept_logs.keys()));
    for (path, text) in &made_logs {
        assert!(text == &kept_logs[path], "`{}` has drifted", path.display());
    }
    let labels = |folder: &Path| read_labels(&folder.join(LABELS)).unwrap();
    assert_eq!(labels(made.path()), labels(&kept));
    let manifest = |folder: &Path| fs::read_to_string(folder.join(MANIFEST)).unwrap();
    assert_eq!(manifest(made.path()), manifest(&kept));
}

/// Makes `data/sample` anew after a wanted change of the generator:
/// `cargo test --release --lib -- --ignored make_sample`
#[test]
#[ignore = "writes into the repository"]
fn make_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
    simulate(&sample(), &folder, &mut |_, _| ()).unwrap();
}
