//! Detectors that are trained as the nights go by, and what was planned.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::Job;

const RETRAINED: &str = "[[logs]]\npaths = [\"logs\"]\n\
                         [windows]\nstep = \"5m\"\n\
                         [scores]\nmetrics = [\"requests\"]\n\
                         [retrain]\nevery = \"4d\"\nhistory = \"8d\"\n";

/// The tables, and the detectors with what was decided about them.
fn all(job: &Job) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = job.tables();
    files.extend(crate::files(&job.work.path().join("warehouse/detectors")));
    files
}

/// Trains a weak forecaster, which champions come after, in a warehouse of its own.
fn train_base(job: &Job) {
    for command in [
        "ingest all/logs",
        "windows --step 5m",
        "train --name base --arch gru --hidden 8 --steps 2 --until 2026-03-04",
    ] {
        let command: Vec<&str> = ["--warehouse", "other"]
            .into_iter()
            .chain(command.split(' '))
            .collect();
        job.work.succeed(&command);
    }
}

/// Puts it where the job finds it.
fn place_base(job: &Job) {
    let root = job.work.path().join("other/detectors");
    for (file, bytes) in crate::files(&root) {
        let path = job.work.path().join("warehouse/detectors");
        let path = path.join(file.strip_prefix(&root).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn challengers_fight_when_they_are_due_however_many_nights_come_at_once() {
    let job = Job::new(15);
    job.work.write("job.toml", RETRAINED);
    train_base(&job);
    place_base(&job);
    job.deliver(&job.all());
    job.succeed();
    let expected = all(&job);
    // A week after the first windows, the first period begins that there can be a challenger for.
    let history = job.work.succeed(&["--json", "detectors", "history"]);
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let decisions = history["decisions"].as_array().unwrap();
    let from: Vec<&str> = decisions
        .iter()
        .map(|decision| decision["from"].as_str().unwrap())
        .collect();
    assert_eq!(from, ["2026-03-12", "2026-03-16"]);
    let query = "SELECT CAST(window_start AS DATE) AS date, \
                 min(detector || '@' || detector_version) AS first, \
                 max(detector || '@' || detector_version) AS last \
                 FROM scored_windows GROUP BY 1 ORDER BY 1";
    let rows = job.work.succeed(&["sql", "--format", "ndjson", query]);
    let mut scored_by = BTreeMap::new();
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        assert_eq!(row["first"], row["last"], "one detector for each date");
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        scored_by.insert(text("date"), text("first"));
    }
    let mut champion = scored_by["2026-03-02"].clone();
    for (number, decision) in decisions.iter().enumerate() {
        let error = |of: &str| decision["backtest"][of].as_f64().unwrap();
        let (old, new) = (error("champion_error"), error("challenger_error"));
        assert!(old > 0.0 && new > 0.0);
        assert_eq!(decision["champion"], champion, "{decision}");
        let is_better = new < old;
        assert_eq!(decision["outcome"] == "promoted", is_better, "{decision}");
        if is_better {
            decision["detector"]
                .as_str()
                .unwrap()
                .clone_into(&mut champion);
        }
        let until = from.get(number + 1).copied().unwrap_or("2026-04-01");
        for (date, detector) in &scored_by {
            if (from[number]..until).contains(&date.as_str()) {
                assert_eq!(*detector, champion, "{date}");
            }
        }
    }
    // Nothing that a detector learned from was scored with it.
    let last = format!("{}T00:00:00Z", from[from.len() - 1]);
    let last = chrono::DateTime::parse_from_rfc3339(&last).unwrap();
    for (path, manifest) in &expected {
        if path.ends_with("detector.json") {
            let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            let until = manifest["training"]["until_micros"].as_i64().unwrap();
            assert!(until <= last.timestamp_micros());
        }
    }

    let logs = job.all();
    job.clear();
    place_base(&job);
    for night in logs.chunks(2) {
        job.deliver(night);
        job.succeed();
    }
    let found = all(&job);
    let differ: Vec<_> = expected
        .keys()
        .chain(found.keys())
        .filter(|path| expected.get(*path) != found.get(*path))
        .collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert!(job.run(&[]).contains("nothing new"));

    // By hand the version before scores the dates since the last decision, and no others.
    let tables = job.tables();
    assert_eq!(champion, "nightly@2", "both challengers won");
    job.work.succeed(&["detectors", "rollback", "nightly"]);
    let said = job.run(&["--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["dates_scored"], serde_json::json!(["2026-03-16"]));
    let last =
        "SELECT DISTINCT detector_version FROM scored_windows WHERE window_start >= '2026-03-16'";
    let last = job.work.succeed(&["sql", "--format", "csv", last]);
    assert_eq!(last, "detector_version\n1\n");
    assert!(job.run(&[]).contains("nothing new"));
    job.work.succeed(&["detectors", "promote", "nightly@2"]);
    job.succeed();
    job.expect(&tables, "with the last version again");
}

#[test]
fn what_is_planned_is_no_incident() {
    let job = Job::new(3);
    job.flood(2 * 1_440 + 600, 30);
    let expected = job.in_one_go();
    let floods = || {
        let query = "SELECT count(*) AS floods FROM incidents WHERE site = 'shop' \
                     AND started_at BETWEEN '2026-03-04T09:50:00Z' AND '2026-03-04T10:40:00Z'";
        let counted = job.work.succeed(&["sql", "--format", "csv", query]);
        counted.lines().last().unwrap().to_owned()
    };
    assert_eq!(floods(), "1");
    let plan = |kind: &str, site: &str| {
        job.work.write(
            "job.toml",
            "[[logs]]\npaths = [\"logs\"]\n[calendar]\nfile = \"calendar.csv\"\n",
        );
        job.work.write(
            "calendar.csv",
            format!(
                "site,start,end,kind\n{site},2026-03-04T09:30:00Z,2026-03-04T11:00:00Z,{kind}\n"
            ),
        );
        job.succeed();
    };
    plan("event", "shop");
    assert_eq!(floods(), "0");
    let planned = job
        .work
        .succeed(&["sql", "--format", "csv", "SELECT * FROM calendar"]);
    insta::assert_snapshot!(planned, @"
    site,start,end,kind
    shop,2026-03-04T09:30:00Z,2026-03-04T11:00:00Z,event
    ");
    assert!(job.run(&[]).contains("nothing new"));
    plan("maintenance", "*");
    assert_eq!(floods(), "0");
    // Less than usual is what a holiday excuses.
    plan("holiday", "shop");
    assert_eq!(floods(), "1");
    plan("maintenance", "blog");
    assert_eq!(floods(), "1");

    job.work.write(
        "calendar.csv",
        "site,start,end,kind\nshop,2026-03-04,2026-03-05,sale\n",
    );
    insta::assert_snapshot!(job.run(&[]), @"
    --- stderr
    error: row 1 of `calendar.csv`: `kind` is sale, expected `maintenance`, `event`, `holiday`
    --- exit 1
    ");
    // Without a calendar all is as it was.
    job.work.write("job.toml", "[[logs]]\npaths = [\"logs\"]\n");
    fs::remove_file(job.work.path().join("calendar.csv")).unwrap();
    job.succeed();
    job.expect(&expected, "without a calendar");
}
