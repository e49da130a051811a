//! `anomalog run --every`: rounds beside logs that grow and rotate.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Workplace;

/// So long a state is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

fn line(hour: u32, minute: u32, second: u32) -> String {
    format!(
        "192.0.2.1 - - [02/Mar/2026:{hour:02}:{minute:02}:{second:02} +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n"
    )
}

fn append(work: &Workplace, name: &str, text: &str) {
    let path = work.path().join(name);
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Waits until so many requests are counted.
fn wait_for(work: &Workplace, requests: usize) {
    let begun = Instant::now();
    loop {
        let query = "SELECT coalesce(sum(requests), 0) AS n FROM traffic_windows";
        let output = work.command(&["sql", "--format", "csv", query]).output();
        let found = String::from_utf8(output.unwrap().stdout).unwrap();
        if found == format!("n\n{requests}\n") {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{requests} requests never came: {found}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn stop(child: &mut Child) {
    let status = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("it did not stop");
}

#[cfg(unix)]
#[test]
fn rounds_follow_a_log_that_grows_and_rotates() {
    let work = Workplace::new();
    fs::create_dir(work.path().join("logs")).unwrap();
    let hours = |hours: std::ops::Range<u32>| -> String {
        let minutes = hours.flat_map(|hour| (0..60).map(move |minute| (hour, minute)));
        minutes
            .map(|(hour, minute)| line(hour, minute, 7))
            .collect()
    };
    append(&work, "logs/access.log", &hours(0..2));
    work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\nsite = \"shop\"\n",
    );
    let mut command = work.command(&["run", "--every", "1s"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // A window is counted once the log goes beyond it.
    wait_for(&work, 120);
    append(&work, "logs/access.log", &hours(2..3));
    wait_for(&work, 180);
    fs::rename(
        work.path().join("logs/access.log"),
        work.path().join("logs/access.log.1"),
    )
    .unwrap();
    append(&work, "logs/access.log", &hours(3..4));
    wait_for(&work, 240);
    // A line that comes late, and a job file that has a fault for a while.
    work.write("job.toml", "[[logs]\n");
    std::thread::sleep(Duration::from_millis(1_500));
    work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\nsite = \"shop\"\n",
    );
    append(&work, "logs/access.log.1", &line(1, 30, 9));
    wait_for(&work, 241);
    stop(&mut child);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("error: `job.toml` line 1"), "{said}");
    assert!(
        said.matches("run ").count() < 9,
        "quiet rounds said something: {said}"
    );
    // The same as one night over the same logs.
    work.succeed(&["--warehouse", "night", "run", "-q"]);
    for table in [
        "access_logs",
        "traffic_windows",
        "scored_windows",
        "incidents",
    ] {
        let columns = match table {
            "access_logs" => "timestamp, site, client_ip, path, status",
            "incidents" => "incident_id, started_at, ended_at",
            "traffic_windows" => "*",
            _ => "site, window_start, anomaly_score, is_anomaly",
        };
        let query = format!("SELECT {columns} FROM {table} ORDER BY 1, 2, 3");
        let rows = |warehouse: &str| {
            work.succeed(&["--warehouse", warehouse, "sql", "--format", "csv", &query])
        };
        assert!(rows("warehouse") == rows("night"), "{table} is another");
    }
}

#[test]
fn no_time_is_no_interval() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["run", "--every", "0s"]), @"
    --- stderr
    error: invalid value '0s' for '--every <DURATION>': expected a whole number and a unit, such as `90s`, `10m`, `2h` or `7d`

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(work.run(&["run", "--every", "1m", "--check"]), @"
    --- stderr
    error: the argument '--every <DURATION>' cannot be used with '--check'

    Usage: anomalog run --every <DURATION>

    For more information, try '--help'.
    --- exit 2
    ");
}
