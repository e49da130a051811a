//! Posting new incidents to a webhook.
//!
//! One message a run, as JSON. It has a `text` for people, which Slack, Mattermost and the like show,
//! and the incidents for programs. Faults that may pass are tried again after growing pauses, and all
//! of it together takes no longer than it may.

use std::time::{Duration, Instant};

use backon::{BlockingRetryable, ExponentialBuilder};
use serde::Serialize;
use ureq::Agent;

use super::ledger::Alert;
use crate::job::config::outputs::WebhookUrl;

/// The first pause, which doubles until the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// So many incidents are named in the text for people.
const NAMED_IN_TEXT: usize = 5;
/// A cause is shown up to here in the text for people: it may be as long as a request.
const MOST_CHARACTERS: usize = 100;

/// Why a webhook was not told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("`{host}` did not take the new incidents: {reason} (attempts: {attempts})")]
    Refused {
        host: String,
        attempts: usize,
        reason: String,
    },
}

/// The document that is posted.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    /// For people.
    pub(crate) text: String,
    /// The folder of the tables.
    pub(crate) warehouse: String,
    /// The worst new incidents, worst first.
    pub(crate) incidents: &'a [Alert],
}

/// The text for people.
pub(crate) fn text(incidents: &[Alert]) -> String {
    let mut lines = vec![match incidents.len() {
        1 => "anomalog: 1 new incident".to_owned(),
        count => format!("anomalog: {count} new incidents"),
    }];
    for alert in incidents.iter().take(NAMED_IN_TEXT) {
        let mut line = format!(
            "{}: {}, {} of {} at {}, {} to {}",
            alert.severity,
            alert.kind,
            alert.direction,
            alert.top_metric,
            alert.site,
            alert.started_at,
            alert.ended_at
        );
        if let Some(cause) = &alert.cause {
            line.push_str(", ");
            // Line ends would look like further incidents.
            let characters = cause.chars().filter(|character| !character.is_control());
            line.extend(characters.take(MOST_CHARACTERS));
        }
        lines.push(line);
    }
    if incidents.len() > NAMED_IN_TEXT {
        lines.push(format!("and {} more", incidents.len() - NAMED_IN_TEXT));
    }
    lines.join("\n")
}

/// Posts a message, again and again until it is taken or the time is over.
pub(crate) fn post(url: &WebhookUrl, body: &[u8], timeout: Duration) -> Result<(), WebhookError> {
    let deadline = Instant::now() + timeout;
    let left = move || deadline.saturating_duration_since(Instant::now());
    let mut attempts = 0;
    let attempt = || {
        attempts += 1;
        let config = Agent::config_builder()
            // None at all would mean no limit.
            .timeout_global(Some(left().max(Duration::from_millis(1))))
            .user_agent(concat!("anomalog/", env!("CARGO_PKG_VERSION")))
            .build();
        Agent::new_with_config(config)
            .post(url.as_str())
            .header("Content-Type", "application/json")
            .send(body)
            .map(|_| ())
    };
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LAST_PAUSE)
        .without_max_times();
    let sent = attempt
        .retry(pauses)
        .sleep(move |pause: Duration| std::thread::sleep(pause.min(left())))
        .when(|error| may_pass(error) && !left().is_zero())
        .call();
    sent.map_err(|error| WebhookError::Refused {
        host: url.host().to_owned(),
        attempts,
        reason: error.to_string(),
    })
}

/// Whether a fault may be gone a moment later.
const fn may_pass(error: &ureq::Error) -> bool {
    use ureq::Error;
    match error {
        Error::StatusCode(status) => matches!(status, 408 | 425 | 429 | 500..),
        Error::Io(_)
        | Error::Timeout(_)
        | Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Protocol(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::incidents::{IncidentKind, SeverityRule};

    fn alert(number: usize) -> Alert {
        Alert {
            incident_id: format!("id{number}"),
            site: "shop".to_owned(),
            started_at: "2026-03-02T10:00:00Z".to_owned(),
            ended_at: "2026-03-02T10:20:00Z".to_owned(),
            severity: SeverityRule::High,
            kind: IncidentKind::Flood,
            kind_evidence: "4.0 times the usual requests".to_owned(),
            direction: "spike".to_owned(),
            top_metric: "requests".to_owned(),
            expected_total: 100.0,
            actual_total: 900.0,
            requests: None,
            impact_minutes: 160.0,
            cause: Some("path /a\nhigh: dip".to_owned()),
        }
    }

    /// Answers each request with the next status, then no more; returns the bodies.
    fn serve(statuses: Vec<&'static str>) -> (WebhookUrl, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hook?secret", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            statuses
                .into_iter()
                .map(|status| {
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
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    );
                    reader.get_mut().write_all(answer.as_bytes()).unwrap();
                    String::from_utf8(body).unwrap()
                })
                .collect()
        });
        (WebhookUrl::try_from(address).unwrap(), server)
    }

    #[test]
    fn faults_that_may_pass_are_tried_again() {
        let (url, server) = serve(vec!["503 Busy", "429 Slow", "200 OK"]);
        post(&url, b"{\"a\":1}", Duration::from_secs(30)).unwrap();
        assert_eq!(server.join().unwrap(), ["{\"a\":1}"; 3]);
    }

    #[test]
    fn other_faults_are_not_and_name_no_secret() {
        let (url, server) = serve(vec!["404 Gone"]);
        let error = post(&url, b"{}", Duration::from_secs(30)).unwrap_err();
        server.join().unwrap();
        insta::assert_snapshot!(error, @"`127.0.0.1` did not take the new incidents: http status: 404 (attempts: 1)");
        assert!(!format!("{url:?}{error:?}").contains("secret"));
    }

    #[test]
    fn it_takes_no_longer_than_it_may() {
        // Accepts connections, and never answers.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let url = WebhookUrl::try_from(address).unwrap();
        let started = Instant::now();
        post(&url, b"{}", Duration::from_millis(700)).unwrap_err();
        let silent = started.elapsed();
        drop(listener);
        // Refuses connections.
        let started = Instant::now();
        post(&url, b"{}", Duration::from_millis(700)).unwrap_err();
        let refused = started.elapsed();
        for elapsed in [silent, refused] {
            assert!(elapsed >= Duration::from_millis(600), "{elapsed:?}");
            assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
        }
    }

    #[test]
    fn the_text_has_one_line_per_incident() {
        let alerts: Vec<Alert> = (0..7).map(alert).collect();
        insta::assert_snapshot!(text(&alerts[..1]), @r"
        anomalog: 1 new incident
        high: flood, spike of requests at shop, 2026-03-02T10:00:00Z to 2026-03-02T10:20:00Z, path /ahigh: dip
        ");
        let all = text(&alerts);
        assert_eq!(all.lines().count(), 7);
        assert!(all.ends_with("and 2 more"), "{all}");
    }
}
