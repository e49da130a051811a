//! Queries to go on with: what was asked for during an incident, and what its windows were.

use crate::incidents::ListedIncident;
use crate::units::rfc_3339;

/// The queries of an incident, whose series are named by an SQL expression over requests.
pub(super) fn queries(incident: &ListedIncident, series_key: &str) -> Vec<String> {
    vec![requests(incident, series_key), windows(incident)]
}

/// The requests, of whoever explains the incident best if anybody does.
fn requests(incident: &ListedIncident, series_key: &str) -> String {
    let time = incident.incident.time();
    let (first, last) = (rfc_3339(time.start), rfc_3339(time.end - 1));
    let mut conditions = vec![
        format!("date BETWEEN '{}' AND '{}'", &first[..10], &last[..10]),
        format!(
            "timestamp >= '{first}' AND timestamp < '{}'",
            rfc_3339(time.end)
        ),
        format!("{series_key} = {}", quoted(&incident.incident.site)),
    ];
    let narrowed = incident.causes.first().and_then(|cause| {
        let value = &cause.value;
        Some(match cause.dimension.as_str() {
            "client_network" => format!("client_network(client_ip) = {}", quoted(value)),
            "path_folder" => format!("path_folder(path) = {}", quoted(value)),
            "status" => format!("status = {}", value.parse::<u16>().ok()?),
            name @ ("client_ip" | "path" | "user_agent" | "method") => {
                format!("{name} = {}", quoted(value))
            }
            _ => return None,
        })
    });
    conditions.extend(narrowed);
    format!(
        "SELECT timestamp, client_ip, method, path, status, user_agent\nFROM   access_logs\n\
         WHERE  {}\nORDER  BY timestamp\nLIMIT  100",
        conditions.join("\n  AND  ")
    )
}

fn windows(incident: &ListedIncident) -> String {
    let time = incident.incident.time();
    format!(
        "SELECT window_start, {}, anomaly_score, top_metric, direction, expected_value\n\
         FROM   scored_windows\nWHERE  site = {}\n  AND  window_start >= '{}' AND window_start < '{}'\n\
         ORDER  BY window_start",
        columns(&incident.incident.top_metric),
        quoted(&incident.incident.site),
        rfc_3339(time.start),
        rfc_3339(time.end)
    )
}

/// Requests, and the metric of the incident if that is another.
fn columns(top_metric: &str) -> String {
    if top_metric == "requests" {
        "requests".to_owned()
    } else {
        format!("requests, \"{}\"", top_metric.replace('"', "\"\""))
    }
}

/// Text as a literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::{IncidentCause, IncidentKind, NamedIncident, SeverityRule};

    fn incident(dimension: &str, value: &str) -> ListedIncident {
        ListedIncident {
            incident: NamedIncident {
                incident_id: "5c2b91e000000000".to_owned(),
                site: "o'shop".to_owned(),
                started_at: "2026-03-04T23:40:00Z".to_owned(),
                ended_at: "2026-03-05T00:10:00Z".to_owned(),
                severity: SeverityRule::High,
                kind: IncidentKind::Flood,
                kind_evidence: String::new(),
                direction: "spike".to_owned(),
                top_metric: "client_errors".to_owned(),
                expected_total: 10.0,
                actual_total: 100.0,
                requests: None,
                impact_minutes: 20.0,
                cause: None,
            },
            group_id: "5c2b91e000000000".to_owned(),
            windows: 30,
            peak_score: 0.9999,
            causes: vec![IncidentCause {
                dimension: dimension.to_owned(),
                value: value.to_owned(),
                share_during: 0.9,
                share_before: 0.1,
                excess: 80.0,
                explanatory_power: 0.8,
            }],
        }
    }

    #[test]
    fn texts_of_the_logs_are_literals() {
        let hostile = incident("path", "/'; DROP TABLE access_logs; --");
        insta::assert_snapshot!(queries(&hostile, "site").join("\n\n"), @r#"
        SELECT timestamp, client_ip, method, path, status, user_agent
        FROM   access_logs
        WHERE  date BETWEEN '2026-03-04' AND '2026-03-05'
          AND  timestamp >= '2026-03-04T23:40:00Z' AND timestamp < '2026-03-05T00:10:00Z'
          AND  site = 'o''shop'
          AND  path = '/''; DROP TABLE access_logs; --'
        ORDER  BY timestamp
        LIMIT  100

        SELECT window_start, requests, "client_errors", anomaly_score, top_metric, direction, expected_value
        FROM   scored_windows
        WHERE  site = 'o''shop'
          AND  window_start >= '2026-03-04T23:40:00Z' AND window_start < '2026-03-05T00:10:00Z'
        ORDER  BY window_start
        "#);
        let condition = |dimension, value| {
            let text = queries(&incident(dimension, value), "site").remove(0);
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len() - 3].trim().to_owned()
        };
        assert_eq!(condition("status", "404"), "AND  status = 404");
        assert_eq!(condition("status", "0 OR 1=1"), "AND  site = 'o''shop'");
        assert_eq!(
            condition("client_network", "192.0.2.0/24"),
            "AND  client_network(client_ip) = '192.0.2.0/24'"
        );
    }
}
