//! `[[suppress]]` of the job file: incidents that are not told.

use crate::Workplace;

/// A workplace with four days of three sites, run by a job with `rules`.
fn night(rules: &str) -> Workplace {
    let work = Workplace::with_incidents();
    write_job(&work, rules);
    work.succeed(&["run", "-q"]);
    work
}

fn write_job(work: &Workplace, rules: &str) {
    work.write(
        "job.toml",
        format!("[[logs]]\npaths = [\"example/logs\"]\n{rules}"),
    );
}

fn ids(work: &Workplace, arguments: &[&str]) -> Vec<String> {
    let listed = work.succeed(&[&["incidents", "--json"], arguments].concat());
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let incidents = listed["incidents"].as_array().unwrap().iter();
    incidents
        .map(|incident| incident["incident_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn suppressed_incidents_are_kept_and_not_told() {
    let work = night("");
    let all = ids(&work, &[]);
    assert!(all.len() >= 3, "{all:?}");
    // A rule holds from the next run on, for incidents of the past, too.
    write_job(
        &work,
        "[[suppress]]\nreason = 'the <b>shop</b> is known'\nsite = 'sh*'\n",
    );
    assert_eq!(ids(&work, &[]), all);
    insta::assert_snapshot!(work.run(&["run"]), @"
    --- stderr
    nothing new: 12 logs found, all known, and every table is up to date
    report: warehouse/report.html
    ");
    let told = ids(&work, &[]);
    assert!(told.len() < all.len() && !told.is_empty(), "{told:?}");
    assert_eq!(ids(&work, &["--all"]), all);
    let listed = work.run(&["incidents", "--site", "shop"]);
    insta::assert_snapshot!(listed, @"
    --- stderr
    no incident
    2 more are suppressed by rules of the job file: `--all` lists them
    ");
    let page = std::fs::read_to_string(work.path().join("warehouse/report.html")).unwrap();
    assert!(
        page.contains("suppressed by a rule: the &#60;b&#62;shop&#60;/b&#62; is known"),
        "no reason"
    );
    let stored = work.succeed(&[
        "sql",
        "--format",
        "csv",
        "SELECT count(*) AS n FROM incidents",
    ]);
    assert_eq!(stored, format!("n\n{}\n", all.len()));
    // One that was labelled true is told whatever the rules say.
    let hidden = all.iter().find(|id| !told.contains(id)).unwrap();
    work.succeed(&["incidents", "label", hidden, "true"]);
    assert!(ids(&work, &[]).contains(hidden));
    // Without rules, all are.
    write_job(&work, "");
    work.succeed(&["run", "-q"]);
    assert_eq!(ids(&work, &[]), all);
}

#[test]
fn what_is_suppressed_is_no_alert() {
    let work = night("[[suppress]]\nsite = '*'\n");
    assert!(ids(&work, &[]).is_empty());
    let summary = work.succeed(&["sql", "--format", "csv", "SELECT incidents FROM runs"]);
    assert_eq!(summary.lines().nth(1), Some("0"), "{summary}");
    // A new warehouse: all incidents are new, and none is told.
    let again = work.run(&["--warehouse", "again", "run", "--fail-on", "low"]);
    assert!(!again.contains("--- exit"), "{again}");
    assert!(again.contains("suppressed"), "{again}");
    write_job(&work, "");
    let told = work.run(&["--warehouse", "other", "run", "--fail-on", "low", "-q"]);
    assert_eq!(told, "--- exit 5\n");
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    let work = Workplace::new();
    write_job(&work, "[[suppress]]\nreason = 'all'\n");
    insta::assert_snapshot!(work.run(&["run", "--check"]), @"
    --- stderr
    error: `job.toml` line 3, `[[suppress]]`: a rule without a condition would suppress every incident
    --- exit 1
    ");
    write_job(&work, "[[suppress]]\nsite = 'shop'\nmin_requests = -1\n");
    insta::assert_snapshot!(work.run(&["run", "--check"]), @"
    --- stderr
    error: `job.toml` line 3, `[[suppress]]`: expected a number above 0
    --- exit 1
    ");
    write_job(&work, "[[suppress]]\nbetween = 'night'\n");
    insta::assert_snapshot!(work.run(&["run", "--check"]), @"
    --- stderr
    error: `job.toml` line 4, `between = 'night'`: expected two times of day, such as `01:30-04:00`
    --- exit 1
    ");
}
