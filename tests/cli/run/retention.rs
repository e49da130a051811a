//! What is no longer kept, and that nothing else changes by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CRASH, Job};

/// A job over so many days that the first three are no longer kept.
const DAYS: u32 = 17;
const KEEP: &str = "[[logs]]\npaths = [\"logs\"]\n\
                    [retention]\naccess_logs = \"14d\"\nscored_windows = \"14d\"\n";
const KEEP_ALL: &str = "[[logs]]\npaths = [\"logs\"]\n";

/// The files of one table.
fn of(tables: &BTreeMap<PathBuf, Vec<u8>>, table: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = Path::new("warehouse").join(table);
    let files = tables.iter().filter(|(path, _)| path.starts_with(&folder));
    files
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect()
}

/// The dates of a table that have files.
fn dates(tables: &BTreeMap<PathBuf, Vec<u8>>, table: &str) -> Vec<String> {
    let paths = of(tables, table).into_keys();
    let mut dates: Vec<String> = paths
        .filter_map(|path| {
            let folder = path.parent()?.file_name()?.to_str()?.to_owned();
            Some(folder.strip_prefix("date=")?.to_owned())
        })
        .collect();
    dates.dedup();
    dates
}

#[test]
fn what_is_old_goes_and_nothing_else_changes() {
    let job = Job::new(DAYS);
    let all = job.in_one_go();
    // A file of somebody else's lies among them.
    let folder = job
        .work
        .path()
        .join("warehouse/scored_windows/date=2026-03-02");
    let theirs = folder.join("notes.txt");
    fs::write(&theirs, "keep me").unwrap();
    job.work.write("job.toml", KEEP);
    let said = job.run(&[]);
    assert!(
        said.contains("3 dates of access_logs deleted, which are no longer kept"),
        "{said}"
    );
    assert!(said.contains("3 dates of scored_windows deleted"), "{said}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "keep me");
    fs::remove_dir_all(folder).unwrap();
    let kept = job.tables();
    for table in ["access_logs", "scored_windows"] {
        let expected = dates(&all, table)[3..].to_vec();
        assert_eq!(dates(&kept, table), expected, "{table}");
        for (path, bytes) in of(&kept, table) {
            assert!(all[&path] == bytes, "{}", path.display());
        }
    }
    for table in ["traffic_windows", "series_dates", "log_files", "quarantine"] {
        assert!(of(&kept, table) == of(&all, table), "{table}");
    }
    let said = job.run(&[]);
    assert!(said.contains("nothing new"), "{said}");

    // Night by night it is the same.
    job.clear();
    let logs = job.all();
    for night in [&logs[..28], &logs[28..30], &logs[30..32], &logs[32..]] {
        job.deliver(night);
        job.succeed();
    }
    job.expect(&kept, "night by night");

    // Without the setting, what is gone is still known to be.
    job.work.write("job.toml", KEEP_ALL);
    job.succeed();
    job.expect(&kept, "without the setting");
    job.work.write("job.toml", KEEP);

    // A log of a date that is final counts no more, and does not stay.
    fs::remove_file(job.work.path().join("logs").join(&logs[0])).unwrap();
    let late = "192.0.2.7 - - [02/Mar/2026:10:00:00 +0000] \"GET /late HTTP/1.1\" 200 1\n";
    job.work.write("logs/late.log", late);
    let said = job.run(&[]);
    assert!(said.contains("1 dates of access_logs deleted"), "{said}");
    let after = job.tables();
    for table in [
        "access_logs",
        "traffic_windows",
        "scored_windows",
        "series_dates",
    ] {
        assert!(of(&after, table) == of(&kept, table), "{table}");
    }
    assert!(job.run(&[]).contains("nothing new"));

    // Other windows of these dates cannot be cut any more.
    insta::assert_snapshot!(job.run(&["--set", "windows.step=5m"]), @"
    --- stderr
    error: requests before 2026-03-05 are no longer kept, so that windows of all dates cannot be cut anew
    hint: `anomalog run` goes on with the windows that there are, with the step and the series key that they have; for others begin a warehouse of its own
    --- exit 1
    ");
    insta::assert_snapshot!(job.work.run(&["windows"]), @"
    --- stderr
    error: requests before 2026-03-05 are no longer kept, so that windows of all dates cannot be cut anew
    hint: `anomalog run` goes on with the windows that there are, with the step and the series key that they have; for others begin a warehouse of its own
    --- exit 1
    ");
    insta::assert_snapshot!(job.work.run(&["ingest", "logs"]), @"
    --- stderr
    error: requests before 2026-03-05 are no longer kept, so that windows of all dates cannot be cut anew
    hint: `anomalog run` goes on with the windows that there are, with the step and the series key that they have; for others begin a warehouse of its own
    --- exit 1
    ");
    job.expect(&after, "after commands that were refused");

    // What was deleted on purpose must be known.
    let retired = job.work.path().join("warehouse/retired.json");
    let known = fs::read(&retired).unwrap();
    fs::write(&retired, "x").unwrap();
    insta::assert_snapshot!(job.run(&["--set", "scores.alarms_per_week=20.0"]), @r"
    --- stderr
    error: `warehouse/retired.json` is damaged: expected value at line 1 column 1
    hint: restore it from a backup, or write into it, per table, the first date that is kept: without it, windows of dates whose requests are gone would be removed
    --- exit 1
    ");
    fs::write(&retired, known).unwrap();

    // A log that is new to a date that is kept is read as ever, and other scores are made anew.
    let said = job.run(&["--json", "--set", "scores.alarms_per_week=20.0"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["dates_scored"].as_array().unwrap().len(), 14);
    assert_eq!(said["windows_built"].as_array().unwrap().len(), 0);
}

#[test]
fn a_crash_while_old_dates_go_is_made_good() {
    let job = Job::new(DAYS);
    job.in_one_go();
    let copy = |from: &str, to: &str| {
        let (from, to) = (job.work.path().join(from), job.work.path().join(to));
        if to.exists() {
            fs::remove_dir_all(&to).unwrap();
        }
        for (path, bytes) in crate::files(&from) {
            let path = to.join(path.strip_prefix(&from).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    };
    copy("warehouse", "before");
    job.work.write("job.toml", KEEP);
    job.succeed();
    let expected = job.tables();
    let mut crashes = 0;
    loop {
        copy("before", "warehouse");
        let mut command = job.work.command(&["run"]);
        let ended = command.env(CRASH, crashes.to_string()).output().unwrap();
        if ended.status.success() {
            break;
        }
        job.succeed();
        job.expect(&expected, &format!("after a crash at change {crashes}"));
        crashes += 1;
    }
    assert!(crashes > 10, "only {crashes} changes");
}
