//! `anomalog report`, and the page that `anomalog run` writes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::Workplace;
use crate::incidents::scored;

/// What a log may hold: a path, a user agent and a site that would be markup.
const HOSTILE_PATH: &str = "/<script>alert(1)</script>&<img/src=x/onerror=alert(2)>";
const HOSTILE_AGENT: &str = "</script><svg/onload=alert(3)>'`${alert(4)}";
const HOSTILE_SITE: &str = "<b>shop</b>";

fn page(work: &Workplace, name: &str) -> String {
    std::fs::read_to_string(work.path().join(name)).unwrap()
}

/// The texts between two others, in order.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    let pieces = text.split(from).skip(1);
    pieces.filter_map(|piece| piece.split(to).next()).collect()
}

#[test]
fn a_page_has_the_incidents_and_is_the_same_again() {
    let work = scored(4, "0.5", 7);
    work.succeed(&["incidents", "build"]);
    work.succeed(&["report"]);
    let html = page(&work, "warehouse/report.html");
    // Structure: one heading of the first rank, landmarks, and words for every table and picture.
    assert_eq!(html.matches("<h1>").count(), 1);
    for landmark in [
        "<main ",
        "<nav aria-label=",
        "<footer>",
        "<html lang=\"en\">",
    ] {
        assert_eq!(html.matches(landmark).count(), 1, "{landmark}");
    }
    assert_eq!(
        html.matches("<table").count(),
        html.matches("<caption").count()
    );
    let pictures = between(&html, "role=\"img\" aria-label=\"", "\"");
    assert!(pictures.len() > 5 && pictures.iter().all(|label| !label.is_empty()));
    let incidents = work.succeed(&["incidents", "--json"]);
    let incidents: serde_json::Value = serde_json::from_str(&incidents).unwrap();
    let incidents = incidents["incidents"].as_array().unwrap();
    assert_eq!(html.matches("<article ").count(), incidents.len());
    // Worst first, as in the list.
    let ids: Vec<&str> = between(&html, "id=\"i-", "\"");
    let listed: Vec<&str> = (incidents.iter())
        .map(|incident| incident["incident_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, listed);
    // The policy names the sheet and the script that are there, and nothing else may run.
    let policy =
        between(&html, "Content-Security-Policy\" content=\"", "\"")[0].replace("&#39;", "'");
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let style = between(&html, "<style>", "</style>")[0];
    let script = between(&html, "<script>", "</script>")[0];
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(
        policy.contains(&format!("style-src {}", digest(style))),
        "{policy}"
    );
    assert!(
        policy.contains(&format!("script-src {}", digest(script))),
        "{policy}"
    );
    assert_eq!(html.matches("<script").count(), 2);
    assert!(!html.contains(" style=") && !html.contains(" onclick="));
    assert_eq!(
        html.matches("http").count(),
        html.matches("http-equiv").count() + html.matches("http://www.w3.org/2000/svg").count()
    );
    // The same tables give the same bytes.
    work.succeed(&["report", "-o", "again.html", "--threads", "1"]);
    assert!(page(&work, "again.html") == html, "written again otherwise");
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
    // A part of it.
    work.succeed(&[
        "report",
        "--site",
        "shop",
        "--since",
        "2026-03-05",
        "-o",
        "shop.html",
    ]);
    let part = page(&work, "shop.html");
    assert!(part.contains("5 March 2026") && part.len() < html.len());
    insta::assert_snapshot!(work.run(&["report", "--site", "shopp"]), @"
    --- stderr
    error: no series `shopp` was scored, only `api`, `blog`, `shop`
    hint: series are named as the column `site` of `scored_windows` does
    --- exit 1
    ");
    no_fault_in_a_browser(&work, "warehouse/report.html");
}

#[test]
fn queries_to_go_on_with_run() {
    let work = scored(4, "0.5", 7);
    work.succeed(&["incidents", "build"]);
    let listed = work.succeed(&["incidents", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    for incident in listed["incidents"].as_array().unwrap() {
        let id = incident["incident_id"].as_str().unwrap();
        let shown = work.succeed(&["incidents", "show", &id[..8], "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        for query in shown["queries"].as_array().unwrap() {
            let rows = work.succeed(&["sql", "--format", "ndjson", query.as_str().unwrap()]);
            assert!(rows.lines().count() > 0, "no rows of {query}");
        }
    }
}

/// Three days of a quiet site, and then one client who asks for what would be markup.
fn hostile() -> Workplace {
    let work = Workplace::new();
    let mut log = String::new();
    for minute in 0..4_320 {
        let (day, hour, minute_of_hour) = (2 + minute / 1_440, minute / 60 % 24, minute % 60);
        let mut line = |client: &str, path: &str, agent: &str| {
            let _ = writeln!(
                log,
                "{client} - - [{day:02}/Mar/2026:{hour:02}:{minute_of_hour:02}:07 +0000] \
                 \"GET {path} HTTP/1.1\" 200 512 \"-\" \"{agent}\""
            );
        };
        for visitor in 0..8 + minute % 3 {
            line(&format!("192.0.2.{visitor}"), "/", "Mozilla/5.0");
        }
        if (4_200..4_230).contains(&minute) {
            for _ in 0..150 {
                line("203.0.113.7", HOSTILE_PATH, HOSTILE_AGENT);
            }
        }
    }
    work.write("access.log", log);
    work.succeed(&["ingest", "access.log", "--site", HOSTILE_SITE]);
    work.succeed(&["score"]);
    work.succeed(&["incidents", "build"]);
    work
}

#[test]
fn texts_of_the_logs_stay_text() {
    let work = hostile();
    work.succeed(&["report"]);
    let html = page(&work, "warehouse/report.html");
    for text in [HOSTILE_PATH, HOSTILE_AGENT, HOSTILE_SITE] {
        assert!(!html.contains(text), "{text} is markup");
        assert!(!html.contains("<img"), "there is no picture of others");
    }
    // And yet are there to be read.
    let escaped = |text: &str| {
        text.replace('&', "&#38;")
            .replace('<', "&#60;")
            .replace('>', "&#62;")
    };
    assert!(html.contains(&escaped("<img/src=x/onerror=alert(2)>")));
    assert!(html.contains(&escaped(HOSTILE_SITE)));
    let shown = work.succeed(&["incidents", "--min-severity", "high"]);
    assert!(
        shown.contains("flood") && shown.contains("203.0.113.7"),
        "{shown}"
    );
    no_fault_in_a_browser(&work, "warehouse/report.html");
}

#[test]
fn a_run_writes_the_page_unless_told_not_to() {
    let work = Workplace::with_logs();
    work.succeed(&["init", "--logs", "example/logs"]);
    let said = work.run(&["run"]);
    assert!(
        said.contains("report: ./warehouse/report.html")
            || said.contains("report: warehouse/report.html"),
        "{said}"
    );
    assert!(page(&work, "warehouse/report.html").contains("Nothing to report"));
    let quiet = Workplace::with_logs();
    quiet.succeed(&["init", "--logs", "example/logs"]);
    quiet.succeed(&["run", "--set", "report.write=false"]);
    assert!(!quiet.path().join("warehouse/report.html").exists());
}

#[test]
fn there_is_nothing_to_report_of() {
    let work = Workplace::with_windows();
    insta::assert_snapshot!(work.run(&["report"]), @"
    --- stderr
    error: no table `scored_windows`
    hint: run `anomalog score` first
    --- exit 1
    ");
}

/// Opens a page in Chromium, if there is one: it must have no fault to tell, and its script must have run.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn no_fault_in_a_browser(work: &Workplace, name: &str) {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let browser = names.iter().find(|name| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    });
    let Some(browser) = browser else {
        eprintln!("no browser looked at `{name}`: there is none of {names:?}");
        return;
    };
    let profile = work.path().join("profile");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("file://{}", absolute(work.path(), name)))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let faults: Vec<&str> = errors
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
    let dom = String::from_utf8_lossy(&output.stdout);
    assert!(
        dom.contains("aria-pressed=\"true\""),
        "the script did not run"
    );
    assert!(
        dom.contains("class=\"cursor\""),
        "the pictures do not answer"
    );
    assert!(
        !dom.contains("<img") && !dom.contains("<svg/") && !dom.contains("<script>alert"),
        "markup of the logs"
    );
}

fn absolute(folder: &Path, name: &str) -> String {
    folder
        .canonicalize()
        .unwrap()
        .join(name)
        .display()
        .to_string()
}
