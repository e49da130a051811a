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
mod anomaly_kind;
mod clients;
mod counts;
mod error;
mod formats;
mod labels;
mod lines;
mod log_file;
pub mod random;
mod site;
mod spec;
mod traffic;
mod world;

use std::fs;
use std::io;
use std::path::Path;

pub use anomaly_kind::{AnomalyKind, ramp_height};
pub use counts::{COUNTED, CountedSite, count};
pub use error::SimulationError;
pub use formats::SiteFormat;
pub use labels::{SimulatedLabel, read as read_labels, write as write_labels};
pub use log_file::LOGS;
pub use spec::Simulation;
pub use world::{SimulationSummary, SiteSummary};

use log_file::log_path;
use spec::validate;
use world::World;

/// File that says that, and from what, a folder was made.
const MANIFEST: &str = "simulation.json";

/// Name of the file of labels.
pub const LABELS: &str = "labels.parquet";

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

#[cfg(test)]
mod tests;
