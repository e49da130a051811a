//! What a run did, for a terminal.

use std::fmt;

use super::dates::span;
use super::run::RunSummary;

/// So many new incidents are shown on a terminal.
const MOST_SHOWN: usize = 5;

impl fmt::Display for RunSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run_id {
            None => write!(
                f,
                "nothing new: {} logs found, all known, and every table is up to date",
                self.logs_found
            )?,
            Some(id) => {
                write!(
                    f,
                    "run {id}: {} of {} logs are new, with {} requests, {} lines rejected",
                    self.logs_read, self.logs_found, self.requests, self.rejected
                )?;
                if self.logs_linked > 0 {
                    write!(f, "; {} logs are linked", self.logs_linked)?;
                }
                write!(f, "\nwindows: {}", span(&self.windows_built))?;
                write!(f, "\nscores: {}", span(&self.dates_scored))?;
                write!(f, "\nincidents: {}", span(&self.incidents_built))?;
                if self.scores.windows > 0 {
                    write!(
                        f,
                        "\n{} windows scored, {} of them anomalous by {}",
                        self.scores.windows, self.scores.anomalies, self.detector
                    )?;
                }
                if !self.incidents_built.is_empty() {
                    write!(f, "\nnew incidents: {}", self.new_incidents)?;
                }
                for incident in self.new_incidents.worst.iter().take(MOST_SHOWN) {
                    write!(f, "\n  {incident}")?;
                }
            }
        }
        if self.dates_removed > 0 {
            write!(
                f,
                "\n{} partitions removed, since there are no logs of their dates any more",
                self.dates_removed
            )?;
        }
        if self.dates_left > 0 {
            write!(
                f,
                "\n{} partitions of other dates are out of date: a run without `--since` and \
                 `--until` builds them",
                self.dates_left
            )?;
        }
        for decision in self.decision_lines() {
            write!(f, "\ndetector {decision}")?;
        }
        write!(f, "{}", self.after)?;
        for warning in self.warnings() {
            write!(f, "\nwarning: {warning}")?;
        }
        for fault in self.fault_lines() {
            write!(f, "\nwarning: {fault}")?;
        }
        Ok(())
    }
}
