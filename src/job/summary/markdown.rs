//! What a run did, as Markdown.

use std::fmt::Write as _;

use super::dates::span;
use super::run::RunSummary;

impl RunSummary {
    /// The summary as Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "# Run {}\n\n{} UTC, {}\n\n| | |\n|---|---|\n",
            self.run_id.as_deref().unwrap_or("-"),
            self.started.format("%Y-%m-%d %H:%M:%S"),
            self.outcome.name(),
        );
        let rows = [
            (
                "logs read",
                format!("{} of {}", self.logs_read, self.logs_found),
            ),
            ("lines", self.lines.to_string()),
            ("requests", self.requests.to_string()),
            ("lines rejected", self.rejected.to_string()),
            ("windows", span(&self.windows_built)),
            ("scores", span(&self.dates_scored)),
            ("incidents", span(&self.incidents_built)),
            ("windows scored", self.scores.windows.to_string()),
            ("of them anomalous", self.scores.anomalies.to_string()),
            ("detector", self.detector.clone()),
            ("new incidents", self.new_incidents.to_string()),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        if !self.new_incidents.worst.is_empty() {
            text.push_str("\n## The worst new incidents\n\n");
            text.push_str("| severity | kind | site | from | to | change | first cause |\n");
            text.push_str("|---|---|---|---|---|---|---|\n");
            for incident in &self.new_incidents.worst {
                let cells = [
                    incident.severity.to_string(),
                    incident.kind.to_string(),
                    incident.site.clone(),
                    incident.started_at.clone(),
                    incident.ended_at.clone(),
                    incident.change(),
                    incident
                        .cause
                        .as_ref()
                        .map_or_else(String::new, ToString::to_string),
                ];
                for cell in cells {
                    let _ = write!(text, "| {} ", escape_markdown(&cell));
                }
                text.push_str("|\n");
            }
        }
        for (title, lines) in [
            ("Detectors", self.decision_lines()),
            ("Could not be read", self.fault_lines()),
            ("Warnings", self.warnings()),
        ] {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n## {title}\n");
                for line in lines {
                    let _ = writeln!(text, "- {}", escape_markdown(&line));
                }
            }
        }
        text
    }
}

/// Text without markup and line breaks: others write the paths and the lines of logs.
fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '[' | ']' | '|' | '*' | '_' | '!' | '#' => {
                escaped.push('\\');
                escaped.push(character);
            }
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}
