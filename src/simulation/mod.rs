//! A seeded generator of access logs with labelled anomalies.
//!
//! ```text
//! <out>/
//!   simulation.json                          what made the folder
//!   labels.parquet                           one row per anomaly
//!   logs/<site>/access-YYYY-MM-DD.log[.gz|.zst]
//! ```
//!
//! Invariants: the same [`Simulation`] makes the same bytes, on any platform and any number of
//! threads; a site's profile, and its traffic outside anomalies, depend neither on the number of
//! sites nor on that of days. Every client address lies in a range that is never routed.

mod anomalies;
mod counts;
mod format;
mod labels;
mod random;
mod site;
mod traffic;

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;

use chrono::{Datelike as _, Days, NaiveDate, NaiveTime};
use datafusion::parquet::errors::ParquetError;
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

pub use anomalies::AnomalyKind;
pub use counts::{COUNTED, CountedSite, count};
pub use format::Format;
pub use labels::{Label, read as read_labels, write as write_labels};

use anomalies::{Anomaly, schedule};
use format::{Compression, LineWriter};
use site::Site;
use traffic::Traffic;

use crate::explain::Explain;

/// File that says that, and from what, a folder was made.
const MANIFEST: &str = "simulation.json";

/// Name of the file of labels.
pub const LABELS: &str = "labels.parquet";

/// Name of the folder of logs.
pub const LOGS: &str = "logs";

/// Bytes of log text that are handed to the compressor at once.
const CHUNK: usize = 1 << 18;

/// Compression takes most of the time: gzip at 6 takes 1.6 times as long in all for 10 % less.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// Days of logs, 1 to 3660.
    pub days: u32,
    /// Sites, 1 to 10,000.
    pub sites: u32,
    /// Which of many worlds.
    pub seed: u64,
    /// First day, UTC.
    #[serde(with = "iso_date")]
    pub start: NaiveDate,
    /// Multiplier of the traffic of every site: 1 means 10 to 100 requests a minute.
    pub scale: f64,
}

/// Dates as ISO 8601, without chrono's serde feature.
mod iso_date {
    use chrono::NaiveDate;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(date: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveDate, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What was made.
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

/// What was made of one site.
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

/// Why nothing, or not everything, was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A setting is out of range.
    #[error("`{setting}` must be {expected}, found `{found}`")]
    Setting {
        /// The field of [`Simulation`].
        setting: &'static str,
        /// What would be valid.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// The folder holds something else.
    #[error("folder `{}` is not empty and was not made by the simulator", .folder.display())]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A file could not be read, written or removed.
    #[error("could not write `{}`", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The labels could not be written.
    #[error("could not write labels to `{}`", .path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
}

impl Explain for SimulationError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::FolderInUse { .. } => Some(
                "name a new folder, or one that an earlier simulation made, which is replaced"
                    .into(),
            ),
            Self::Setting { .. } | Self::Write { .. } | Self::Labels { .. } => None,
        }
    }
}

/// Simulates access logs into a folder; `progress` is told days done and days in all.
///
/// The folder may hold an earlier simulation, whose files are replaced.
///
/// # Errors
/// When a setting is out of range, the folder holds other things or cannot be written.
pub fn simulate(
    spec: &Simulation,
    out: &Path,
    progress: &mut dyn FnMut(u32, u32),
) -> Result<SimulationSummary, SimulationError> {
    validate(spec)?;
    prepare(spec, out)?;
    let world = World::new(spec);
    let path = out.join(LABELS);
    labels::write(&path, &world.labels()).map_err(|source| SimulationError::Labels {
        path: path.clone(),
        source,
    })?;
    let written = world.write(out, progress)?;
    Ok(world.summary(&written))
}

fn validate(spec: &Simulation) -> Result<(), SimulationError> {
    let check = |is_valid: bool, setting, expected, found: String| {
        if is_valid {
            return Ok(());
        }
        Err(SimulationError::Setting {
            setting,
            expected,
            found,
        })
    };
    check(
        (1..=3660).contains(&spec.days),
        "days",
        "from 1 to 3660",
        spec.days.to_string(),
    )?;
    check(
        (1..=10_000).contains(&spec.sites),
        "sites",
        "from 1 to 10000",
        spec.sites.to_string(),
    )?;
    check(
        spec.scale >= 0.001 && spec.scale <= 1000.0,
        "scale",
        "from 0.001 to 1000",
        spec.scale.to_string(),
    )?;
    // Log formats have four digits for the year.
    check(
        (1970..9900).contains(&spec.start.year()),
        "start",
        "a date from 1970-01-01 to 9899-12-31",
        spec.start.to_string(),
    )
}

/// Makes the folder ready: empty of an earlier simulation, and marked as made by this one.
fn prepare(spec: &Simulation, out: &Path) -> Result<(), SimulationError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SimulationError::Write { path, source }
    };
    fs::create_dir_all(out).map_err(failed(out))?;
    let manifest = out.join(MANIFEST);
    let is_empty = fs::read_dir(out).map_err(failed(out))?.next().is_none();
    if !is_empty {
        let earlier = fs::read(&manifest)
            .ok()
            .and_then(|text| serde_json::from_slice::<Simulation>(&text).ok())
            .ok_or_else(|| SimulationError::FolderInUse {
                folder: out.to_owned(),
            })?;
        remove_logs(&earlier, out)?;
    }
    let mut text = serde_json::to_vec_pretty(spec).expect("a simulation has a JSON form");
    text.push(b'\n');
    fs::write(&manifest, text).map_err(failed(&manifest))
}

/// Removes the log files of an earlier simulation, and nothing else.
fn remove_logs(earlier: &Simulation, out: &Path) -> Result<(), SimulationError> {
    for site in 0..earlier.sites {
        for day in 0..earlier.days {
            let path = log_path(out, earlier, site, day);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(SimulationError::Write { path, source });
                }
                _ => (),
            }
        }
        // Fails where someone else's file lies in the folder, which then stays.
        let _ = fs::remove_dir(out.join(LOGS).join(site::name(site)));
    }
    Ok(())
}

fn date(spec: &Simulation, day: u32) -> NaiveDate {
    spec.start + Days::new(u64::from(day))
}

fn log_path(out: &Path, spec: &Simulation, site: u32, day: u32) -> PathBuf {
    let extension = Format::of_site(site).extension();
    out.join(LOGS)
        .join(site::name(site))
        .join(format!("access-{}.{extension}", date(spec, day)))
}

/// Lines and bytes of text of a log.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    lines: u64,
    bytes: u64,
}

/// All sites with their anomalies.
#[derive(Debug)]
struct World<'a> {
    spec: &'a Simulation,
    sites: Vec<(Site, Vec<Anomaly>)>,
}

impl<'a> World<'a> {
    fn new(spec: &'a Simulation) -> Self {
        let weekday = spec.start.weekday().num_days_from_monday();
        let sites = (0..spec.sites)
            .map(|index| {
                let site = Site::new(spec.seed, index, spec.scale, weekday);
                let anomalies = schedule(spec.seed, &site, spec.days);
                (site, anomalies)
            })
            .collect();
        Self { spec, sites }
    }

    /// The labels, by site and time.
    fn labels(&self) -> Vec<Label> {
        let midnight = self.spec.start.and_time(NaiveTime::MIN).and_utc();
        let time = |minute: u32| midnight.timestamp_micros() + i64::from(minute) * 60_000_000;
        let labels = self.sites.iter().flat_map(|(site, anomalies)| {
            anomalies.iter().map(move |anomaly| Label {
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
    fn write(
        &self,
        out: &Path,
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Vec<Written>, SimulationError> {
        let tasks = self.spec.days * self.spec.sites;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicU32::new(0);
        let is_stopped = AtomicBool::new(false);
        let (results, finished) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..threads.min(tasks as usize) {
                let (results, next, is_stopped) = (results.clone(), &next, &is_stopped);
                scope.spawn(move || {
                    let mut text = Vec::with_capacity(CHUNK + CHUNK / 4);
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
        finished: &mpsc::Receiver<(u32, Result<Written, SimulationError>)>,
        progress: &mut dyn FnMut(u32, u32),
    ) -> Result<Vec<Written>, SimulationError> {
        let Simulation { days, sites, .. } = *self.spec;
        let mut written = vec![Written::default(); (days * sites) as usize];
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
    ) -> Result<Written, SimulationError> {
        let (day, site) = (task / self.spec.sites, task % self.spec.sites);
        let path = log_path(out, self.spec, site, day);
        let (site, anomalies) = &self.sites[site as usize];
        let mut traffic = Traffic::new(self.spec.seed, site, anomalies, i64::from(day));
        let mut lines = LineWriter::new(site, date(self.spec, day));
        let compression = site.format.compression();
        write_requests(&path, compression, &mut traffic, &mut lines, text)
            .map_err(|source| SimulationError::Write { path, source })
    }

    fn summary(&self, written: &[Written]) -> SimulationSummary {
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

/// Writes a day of requests to a new file; `text` is a buffer to use.
fn write_requests(
    path: &Path,
    compression: Compression,
    traffic: &mut Traffic,
    lines: &mut LineWriter,
    text: &mut Vec<u8>,
) -> io::Result<Written> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut sink = Sink::create(path, compression)?;
    let mut written = Written::default();
    text.clear();
    while let Some(requests) = traffic.next_minute() {
        for request in requests {
            lines.write(text, request);
        }
        written.lines += requests.len() as u64;
        if text.len() >= CHUNK {
            written.bytes += text.len() as u64;
            sink.write(text)?;
            text.clear();
        }
    }
    written.bytes += text.len() as u64;
    sink.write(text)?;
    sink.finish()?;
    Ok(written)
}

/// A log file being written.
enum Sink {
    Plain(File),
    Gzip(GzEncoder<File>),
    Zstd(zstd::Encoder<'static, File>),
}

impl Sink {
    fn create(path: &Path, compression: Compression) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(match compression {
            Compression::None => Self::Plain(file),
            // The builder's header has neither a name nor a time, so equal text has equal bytes.
            Compression::Gzip => {
                Self::Gzip(GzBuilder::new().write(file, flate2::Compression::new(GZIP_LEVEL)))
            }
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(text),
            Self::Gzip(encoder) => encoder.write_all(text),
            Self::Zstd(encoder) => encoder.write_all(text),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(encoder) => encoder.finish().map(drop),
            Self::Zstd(encoder) => encoder.finish().map(drop),
        }
    }
}

#[cfg(test)]
mod tests;
