//! What a scheduler and those on call see of `anomalog run`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Job;

/// A job whose tables are up to date, with incidents, which no run has seen yet.
fn with_incidents() -> Job {
    let job = Job::new(3);
    job.in_one_go();
    fs::remove_file(job.work.path().join("warehouse/.alerts.json")).unwrap();
    job
}

fn severities(job: &Job) -> Vec<String> {
    let query = "SELECT severity FROM incidents ORDER BY severity";
    let said = job.work.succeed(&["sql", "--format", "csv", query]);
    said.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn new_incidents_have_an_exit_status_of_their_own() {
    let job = with_incidents();
    let all = severities(&job);
    assert!(!all.is_empty(), "there are incidents");
    let said = job.run(&["--fail-on", "low"]);
    let expected = format!(
        "warning: {} new incidents of severity `low` or above",
        all.len()
    );
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("--- exit 5"), "{said}");
    // They are new once.
    let said = job.run(&["--fail-on", "low"]);
    assert!(
        said.contains("nothing new") && !said.contains("exit"),
        "{said}"
    );
    // Less severe ones than asked for do not count.
    fs::remove_file(job.work.path().join("warehouse/.alerts.json")).unwrap();
    let high = all.iter().filter(|severity| *severity == "high").count();
    let said = job.run(&["--fail-on", "high"]);
    assert_eq!(said.contains("--- exit 5"), high > 0, "{said}");
    insta::assert_snapshot!(job.run(&["--fail-on", "severe"]), @"
    --- stderr
    error: invalid value 'severe' for '--fail-on <SEVERITY>'
      [possible values: low, medium, high]

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn metrics_are_written_after_every_run() {
    let job = Job::new(1);
    job.deliver(&job.all());
    let set = "metrics.prometheus=anomalog.prom";
    job.work.succeed(&["run", "--set", set]);
    let path = job.work.path().join("anomalog.prom");
    let text = fs::read_to_string(&path).unwrap();
    let value = |text: &str, name: &str| -> Option<f64> {
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(name))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    // Every figure of the row of `runs`.
    let row = job
        .work
        .succeed(&["sql", "--format", "json", "SELECT * FROM runs"]);
    let row: Value = serde_json::from_str(&row).unwrap();
    for (name, expected) in row[0].as_object().unwrap() {
        let expected = match (name.as_str(), expected) {
            (_, Value::Number(number)) => number.as_f64().unwrap(),
            _ => continue,
        };
        let found = value(&text, &format!("anomalog_run_{name}"));
        assert_eq!(found, Some(expected), "{name}: {text}");
    }
    assert_eq!(
        value(&text, "anomalog_run_outcome{outcome=\"success\"}"),
        Some(1.0)
    );
    assert_eq!(
        value(&text, "anomalog_run_outcome{outcome=\"failure\"}"),
        Some(0.0)
    );
    let started = value(&text, "anomalog_run_started_timestamp_seconds").unwrap();
    let ended = value(&text, "anomalog_run_ended_timestamp_seconds").unwrap();
    assert!(started > 1.7e9 && ended >= started && ended < started + 600.0);
    // Each metric is introduced once, and each line is a comment or a metric.
    for line in text.lines() {
        let is_metric = line.starts_with("anomalog_run_");
        assert!(
            is_metric || line.starts_with("# HELP ") || line.starts_with("# TYPE "),
            "{line}"
        );
    }
    let introduced: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let unique: BTreeSet<&str> = introduced.iter().copied().collect();
    assert_eq!(introduced.len(), unique.len(), "{text}");

    // Nothing new, and a failure.
    job.work.succeed(&["run", "--set", set]);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(value(&text, "anomalog_run_logs_read"), Some(0.0));
    let said = job.run(&["--set", set, "--set", "windows.series_key=nonsense"]);
    assert!(said.contains("--- exit 1"), "{said}");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        value(&text, "anomalog_run_outcome{outcome=\"failure\"}"),
        Some(1.0)
    );
    assert_eq!(value(&text, "anomalog_run_logs_read"), None);
    // A file that cannot be written is a warning.
    let said = job.run(&["--set", "metrics.prometheus=none/anomalog.prom"]);
    insta::assert_snapshot!(said, @"
    --- stderr
    warning: cannot write `none/anomalog.prom`: No such file or directory (os error 2)
    nothing new: 2 logs found, all known, and every table is up to date
    ");
}

/// Writes a job file with a hook that is a shell script.
fn hook(job: &Job, script: &str, rest: &str) {
    job.work.write("hook.sh", script);
    let text = format!(
        "[[logs]]\npaths = [\"logs\"]\n[hooks]\ncommand = [\"sh\", \"hook.sh\", \"an argument\"]\n{rest}"
    );
    job.work.write("job.toml", text);
}

#[cfg(unix)]
#[test]
fn a_hook_learns_what_was_done_and_changes_nothing() {
    let job = Job::new(1);
    job.deliver(&job.all());
    hook(
        &job,
        "cat > summary.json\n\
         echo \"$1|$ANOMALOG_OUTCOME|$ANOMALOG_NEW_INCIDENTS|$ANOMALOG_WORST_SEVERITY|$ANOMALOG_JOB\" > told\n\
         echo \"$ANOMALOG_RUN_ID\" > run_id\necho to the log\n",
        "",
    );
    let told = |name: &str| fs::read_to_string(job.work.path().join(name)).unwrap();
    let output = job.work.command(&["run", "--json"]).output().unwrap();
    assert!(output.status.success());
    // What it writes is no part of the data.
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "to the log\n");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&told("summary.json")).unwrap(),
        summary
    );
    let new = &summary["new_incidents"]["severities"];
    let count: u64 = new
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    let mut severities = ["high", "medium", "low"].into_iter();
    let worst = severities.find(|severity| new[*severity].as_u64() > Some(0));
    let worst = worst.unwrap();
    let expected = format!("an argument|success|{count}|{worst}|job.toml\n");
    assert_eq!(told("told"), expected);
    assert_eq!(told("run_id").trim(), summary["run_id"].as_str().unwrap());

    // A run that fails is told too.
    let said = job.run(&["--set", "windows.series_key=nonsense"]);
    assert!(said.contains("--- exit 1"), "{said}");
    assert_eq!(told("told"), "an argument|failure|0||job.toml\n");
    let failure: Value = serde_json::from_str(&told("summary.json")).unwrap();
    assert!(
        failure["error"].as_str().unwrap().contains("nonsense"),
        "{failure}"
    );

    // One that fails, that reads nothing, and that does not exist.
    hook(&job, "exit 7\n", "");
    insta::assert_snapshot!(job.run(&[]), @"
    --- stderr
    warning: the hook `sh` ended with exit status: 7
    nothing new: 2 logs found, all known, and every table is up to date
    ");
    job.work.write(
        "job.toml",
        "[[logs]]\npaths = [\"logs\"]\n[hooks]\ncommand = [\"./no-such-program\"]\n",
    );
    insta::assert_snapshot!(job.run(&[]), @"
    --- stderr
    warning: the hook `./no-such-program` cannot be started: No such file or directory (os error 2)
    nothing new: 2 logs found, all known, and every table is up to date
    ");

    // One that does not end.
    hook(&job, "exec sleep 600\n", "command_timeout = \"1s\"\n");
    let started = Instant::now();
    insta::assert_snapshot!(job.run(&[]), @"
    --- stderr
    warning: the hook `sh` was ended after 1s
    nothing new: 2 logs found, all known, and every table is up to date
    ");
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// Answers requests with a status each, and hands on their bodies.
fn serve(statuses: Vec<&'static str>) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (bodies, received) = mpsc::channel();
    std::thread::spawn(move || {
        for status in statuses {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            bodies.send(serde_json::from_slice(&body).unwrap()).unwrap();
        }
    });
    (address, received)
}

#[test]
fn a_webhook_is_told_of_new_incidents_until_it_listens() {
    let job = with_incidents();
    let all = severities(&job);
    let run = |address: &str, timeout: &str, severity: &str| {
        job.run(&[
            "--set",
            &format!("hooks.webhook={address}"),
            "--set",
            &format!("hooks.webhook_timeout={timeout}"),
            "--set",
            &format!("hooks.webhook_severity={severity}"),
        ])
    };
    // It is down: the run is what it is, and takes no longer than it may.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let started = Instant::now();
    let said = run(&format!("http://{free}/"), "1s", "low");
    assert!(
        said.contains("warning: `127.0.0.1` did not take the new incidents"),
        "{said}"
    );
    assert!(
        said.contains("the next run tries again") && !said.contains("exit"),
        "{said}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
    // It is up again, at the second attempt.
    let (address, received) = serve(vec!["503 Busy", "200 OK"]);
    let said = run(&address, "20s", "low");
    assert!(!said.contains("warning"), "{said}");
    let (first, second) = (received.recv().unwrap(), received.recv().unwrap());
    assert_eq!(first, second);
    let incidents = first["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), all.len());
    let stored = job.work.succeed(&[
        "sql",
        "--format",
        "json",
        "SELECT incident_id, site, top_metric, impact_minutes FROM incidents",
    ]);
    let stored: Value = serde_json::from_str(&stored).unwrap();
    for expected in stored.as_array().unwrap() {
        let told = incidents
            .iter()
            .find(|told| told["incident_id"] == expected["incident_id"]);
        let told = told.unwrap();
        for column in ["site", "top_metric", "impact_minutes"] {
            assert_eq!(told[column], expected[column]);
        }
    }
    assert!(
        first["text"].as_str().unwrap().starts_with("anomalog: "),
        "{first}"
    );
    // It is told once, and of severe ones only, if asked so.
    let said = run(&address, "1s", "low");
    assert!(!said.contains("warning"), "{said}");
    fs::remove_file(job.work.path().join("warehouse/.alerts.json")).unwrap();
    let high = all.iter().filter(|severity| *severity == "high").count();
    let (address, received) = serve(vec!["200 OK"]);
    let said = run(&address, "20s", "high");
    assert!(!said.contains("warning"), "{said}");
    let told = received.recv_timeout(Duration::from_secs(1)).ok();
    assert_eq!(
        told.map_or(0, |told| told["incidents"].as_array().unwrap().len()),
        high
    );
}

#[test]
fn logs_are_json_lines_where_asked_for() {
    let job = Job::new(1);
    job.deliver(&job.all());
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let output = job.work.command(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let said = lines(&["run", "--message-format", "json"]);
    for line in &said {
        assert!(
            line["time"].is_string() && line["level"].is_string(),
            "{line}"
        );
    }
    let steps: Vec<&str> = said
        .iter()
        .filter(|line| line["level"] == "progress" && line["finished"] == false)
        .map(|line| line["step"].as_str().unwrap())
        .collect();
    for step in [
        "reading log bytes",
        "building traffic_windows",
        "scoring windows",
    ] {
        assert!(steps.contains(&step), "{steps:?}");
    }
    let told = said.iter().find(|line| line["level"] == "info").unwrap();
    assert_eq!(told["summary"]["logs_read"], 2);
    let said = lines(&["run", "--message-format", "json", "--job", "other.toml"]);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["level"], "error");
    assert!(said[0]["hint"].as_str().unwrap().contains("anomalog init"));
    assert!(lines(&["run", "--message-format", "json", "--quiet"]).is_empty());
}

/// What a checker of files says, if it is there.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn check(program: &Path, arguments: &[&str], files: &[&str]) -> Option<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let files = files.iter().map(|name| folder.join(name));
    let output = std::process::Command::new(program)
        .args(arguments)
        .args(files)
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no `{}`", program.display());
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some(said.lines().map(str::to_owned).collect())
}

#[test]
fn files_for_a_scheduler_are_in_order() {
    let units = ["anomalog.service", "anomalog.timer"];
    if let Some(said) = check(
        Path::new("systemd-analyze"),
        &["verify", "--man=no"],
        &units,
    ) {
        // The program need not be installed where the tests run.
        let is_fault = |line: &&String| !line.contains("is not executable");
        let faults: Vec<&String> = said.iter().filter(is_fault).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
    let Ok(python) = std::env::var("ANOMALOG_READERS") else {
        eprintln!("skipped: ANOMALOG_READERS names no Python beside `kubernetes-validate`");
        return;
    };
    let program = Path::new(&python).with_file_name("kubernetes-validate");
    if let Some(said) = check(&program, &["--strict"], &["cronjob.yaml"]) {
        let passed = said
            .iter()
            .filter(|line| line.contains(" passed for resource "));
        assert_eq!(passed.count(), 3, "{said:?}");
    }
}

/// The arguments that a file has a scheduler start the program with.
fn started(name: &str, text: &str) -> Vec<String> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let after = |mark: &str| -> Vec<String> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        words(lines.find_map(|line| line.split_once(mark)).unwrap().1)
    };
    match name {
        "anomalog.cron" | "anomalog.service" => after("/usr/bin/anomalog "),
        "Dockerfile" => serde_json::from_str(&after("CMD ").join(" ")).unwrap(),
        _ => {
            let of_job = text.split_once("args:").unwrap().1;
            let items = of_job.lines().skip(1).map(str::trim);
            let items = items.take_while(|line| line.starts_with("- "));
            items.map(|item| item[2..].to_owned()).collect()
        }
    }
}

#[test]
fn what_schedulers_start_is_understood() {
    let job = Job::new(1);
    job.deliver(&job.all());
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for name in [
        "anomalog.cron",
        "anomalog.service",
        "Dockerfile",
        "cronjob.yaml",
    ] {
        let text = fs::read_to_string(deploy.join(name)).unwrap();
        let mut arguments = started(name, &text);
        for argument in &mut arguments {
            for path in ["/etc/anomalog/job.toml", "/data/job.toml"] {
                *argument = argument.replace(path, "job.toml");
            }
        }
        assert_eq!(arguments[0], "run", "{name}");
        arguments.push("--check".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = job.work.run(&arguments);
        assert!(
            !said.contains("error") && !said.contains("exit"),
            "{name}: {said}"
        );
    }
    // Minute, hour, day, month and day of the week, then who starts it.
    let cron = fs::read_to_string(deploy.join("anomalog.cron")).unwrap();
    let lines = cron
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<&str> = lines
        .filter(|line| !line.contains('=') || line.contains(' '))
        .collect();
    let fields: Vec<&str> = lines[0].split(' ').take(6).collect();
    assert_eq!(
        (lines.len(), fields),
        (1, vec!["30", "0", "*", "*", "*", "anomalog"])
    );
}

/// What is put into the Debian package is there, and the image is made of that package.
#[test]
fn packages_are_made_of_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"]
        .as_array()
        .unwrap();
    let sources = assets.iter().map(|asset| asset[0].as_str().unwrap());
    // What is built is not there yet.
    let sources = sources.filter(|source| !source.starts_with("target/"));
    let mut checked = 0;
    for source in sources {
        let pattern = root.join(source);
        let found = glob::glob(pattern.to_str().unwrap()).unwrap();
        assert!(found.count() > 0, "`{source}` is nowhere");
        checked += 1;
    }
    assert!(checked > 2, "{assets:?}");
    let copied = "target/package/*.deb";
    let kept = read("deploy/Dockerfile.dockerignore");
    assert!(
        kept.lines()
            .any(|line| line.strip_prefix('!') == Some(copied)),
        "{kept}"
    );
    assert!(read("deploy/Dockerfile").contains(&format!("COPY {copied} ")));
    assert!(read("deploy/package").contains("out=\"$PWD/target/package\""));
}
