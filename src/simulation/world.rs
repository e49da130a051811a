//! All sites of a simulation with their anomalies, and what is written of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;

use chrono::{Datelike as _, NaiveTime};
use serde::Serialize;

use super::anomalies::{Anomaly, schedule};
use super::error::SimulationError;
use super::labels::SimulatedLabel;
use super::lines::LineWriter;
use super::log_file::{LogSize, log_path, text_buffer, write_requests};
use super::site::SimulatedSite;
use super::spec::{Simulation, date};
use super::traffic::Traffic;

/// The files and lines that a simulation wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationSummary {
    /// Log files.
    pub files: u64,
    /// Lines in all of them.
    pub lines: u64,
    /// Bytes of log text before compression.
    pub bytes: u64,
    /// Labelled anomalies.
    pub anomalies: u64,
    /// The sites, in order.
    pub sites: Vec<SiteSummary>,
}

/// The lines and anomalies of one site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteSummary {
    /// Its name, in the paths and the labels.
    pub site: String,
    /// The log format, in words.
    pub format: &'static str,
    /// Requests.
    pub lines: u64,
    /// Labelled anomalies.
    pub anomalies: u64,
}

/// All sites with their anomalies.
#[derive(Debug)]
pub(super) struct World<'a> {
    spec: &'a Simulation,
    pub(super) sites: Vec<(SimulatedSite, Vec<Anomaly>)>,
}

impl<'a> World<'a> {
    pub(super) fn new(spec: &'a Simulation) -> Self {
        let weekday = spec.start.weekday().num_days_from_monday();
        let sites = (0..spec.sites)
            .map(|index| {
                let site = SimulatedSite::new(spec.seed, index, spec.scale, weekday);
                let anomalies = schedule(spec.seed, &site, spec.days);
                (site, anomalies)
            })
            .collect();
        Self { spec, sites }
    }

    /// The labels, by site and time.
    pub(super) fn labels(&self) -> Vec<SimulatedLabel> {
        let midnight = self.spec.start.and_time(NaiveTime::MIN).and_utc();
        let time = |minute: u32| midnight.timestamp_micros() + i64::from(minute) * 60_000_000;
        let labels = self.sites.iter().flat_map(|(site, anomalies)| {
            anomalies.iter().map(move |anomaly| SimulatedLabel {
                site: site.name.clone(),
                start: time(anomaly.start),
                end: time(anomaly.end),
                kind: anomaly.kind.name().to_owned(),
                metric: anomaly.kind.metric().to_owned(),
                culprit: anomaly.culprit(site),
            })
        });
        labels.collect()
    }

    /// Writes every log on all cores; what was written is by day, then site.
    pub(super) fn write(
        &self,
        out: &Path,
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Vec<LogSize>, SimulationError> {
        let tasks = self.spec.days * self.spec.sites;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicU32::new(0);
        let is_stopped = AtomicBool::new(false);
        let (results, finished) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..threads.min(tasks as usize) {
                let (results, next, is_stopped) = (results.clone(), &next, &is_stopped);
                scope.spawn(move || {
                    let mut text = text_buffer();
                    while !is_stopped.load(Ordering::Relaxed) {
                        let task = next.fetch_add(1, Ordering::Relaxed);
                        if task >= tasks {
                            break;
                        }
                        let written = self.write_log(out, task, &mut text);
                        if results.send((task, written)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(results);
            let collected = self.collect(&finished, progress);
            // After a failure, what is not begun need not be.
            is_stopped.store(true, Ordering::Relaxed);
            collected
        })
    }

    fn collect(
        &self,
        finished: &mpsc::Receiver<(u32, Result<LogSize, SimulationError>)>,
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Vec<LogSize>, SimulationError> {
        let Simulation { days, sites, .. } = *self.spec;
        let mut written = vec![LogSize::default(); (days * sites) as usize];
        let mut sites_left = vec![sites; days as usize];
        let mut days_done = 0;
        for (task, result) in finished {
            written[task as usize] = result?;
            let left = &mut sites_left[(task / sites) as usize];
            *left -= 1;
            if *left == 0 {
                days_done += 1;
                progress(days_done, days);
            }
        }
        Ok(written)
    }

    /// Writes the log of one site and day.
    fn write_log(
        &self,
        out: &Path,
        task: u32,
        text: &mut Vec<u8>,
    ) -> Result<LogSize, SimulationError> {
        let (day, site) = (task / self.spec.sites, task % self.spec.sites);
        let path = log_path(out, self.spec, site, day);
        let (site, anomalies) = &self.sites[site as usize];
        let mut traffic = Traffic::new(self.spec.seed, site, anomalies, i64::from(day));
        let mut lines = LineWriter::new(site, date(self.spec, day));
        let compression = site.format.compression();
        write_requests(&path, compression, &mut traffic, &mut lines, text)
            .map_err(|source| SimulationError::Write { path, source })
    }

    pub(super) fn summary(&self, written: &[LogSize]) -> SimulationSummary {
        let sites = self
            .sites
            .iter()
            .enumerate()
            .map(|(index, (site, anomalies))| SiteSummary {
                site: site.name.clone(),
                format: site.format.name(),
                lines: written
                    .iter()
                    .skip(index)
                    .step_by(self.sites.len())
                    .map(|log| log.lines)
                    .sum(),
                anomalies: anomalies.len() as u64,
            });
        let sites: Vec<SiteSummary> = sites.collect();
        SimulationSummary {
            files: written.len() as u64,
            lines: written.iter().map(|log| log.lines).sum(),
            bytes: written.iter().map(|log| log.bytes).sum(),
            anomalies: sites.iter().map(|site| site.anomalies).sum(),
            sites,
        }
    }
}
