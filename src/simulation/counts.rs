//! Counts the traffic of simulated sites without writing their logs.

use std::collections::HashSet;

use chrono::NaiveTime;
use rayon::prelude::*;

use super::error::SimulationError;
use super::spec::{Simulation, validate};
use super::traffic::{SimulatedRequest, Traffic};
use super::world::World;

/// Microseconds in a minute.
const MINUTE_MICROS: i64 = 60_000_000;

/// The metrics of [`count`], in order.
pub const COUNTED: [&str; 5] = [
    "requests",
    "client_errors",
    "server_errors",
    "unique_clients",
    "latency_p95",
];

/// Minutes of one site.
#[derive(Debug, Clone, PartialEq)]
pub struct CountedSite {
    /// Name of the site.
    pub site: String,
    /// Start of each minute, microseconds since the epoch.
    pub window_start: Vec<i64>,
    /// One vector per metric of [`COUNTED`], one value per minute; the latency, in milliseconds, is
    /// NaN where nothing was requested.
    pub metrics: [Vec<f64>; COUNTED.len()],
}

/// Counts the traffic of all sites per minute, as `traffic_windows` of their logs would.
///
/// # Errors
/// When a setting is out of range.
pub fn count(spec: &Simulation) -> Result<Vec<CountedSite>, SimulationError> {
    validate(spec)?;
    let world = World::new(spec);
    let midnight = spec.start.and_time(NaiveTime::MIN).and_utc();
    let first = midnight.timestamp_micros();
    let sites = world.sites.par_iter().map(|(site, anomalies)| {
        let mut metrics: [Vec<f64>; COUNTED.len()] = Default::default();
        for day in 0..i64::from(spec.days) {
            let mut traffic = Traffic::new(spec.seed, site, anomalies, day);
            while let Some(requests) = traffic.next_minute() {
                for (values, value) in metrics.iter_mut().zip(minute(requests)) {
                    values.push(value);
                }
            }
        }
        let minutes = 0..metrics[0].len() as i64;
        CountedSite {
            site: site.name.clone(),
            window_start: minutes
                .map(|minute| first + minute * MINUTE_MICROS)
                .collect(),
            metrics,
        }
    });
    Ok(sites.collect())
}

/// The metrics of one minute.
fn minute(requests: &[SimulatedRequest]) -> [f64; COUNTED.len()] {
    let with_status = |hundreds: u16| {
        let is_one = |request: &&SimulatedRequest| request.status / 100 == hundreds;
        requests.iter().filter(is_one).count() as f64
    };
    let clients: HashSet<_> = requests.iter().map(|request| request.address).collect();
    let mut latencies: Vec<u32> = requests.iter().map(|request| request.latency).collect();
    latencies.sort_unstable();
    let rank = (latencies.len() as f64 * 0.95) as usize;
    let latency = latencies.get(rank).or(latencies.last());
    [
        requests.len() as f64,
        with_status(4),
        with_status(5),
        clients.len() as f64,
        latency.map_or(f64::NAN, |latency| f64::from(*latency)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_logs() {
        let spec = Simulation {
            days: 2,
            sites: 2,
            seed: 3,
            start: chrono::NaiveDate::from_ymd_opt(2026, 1, 5).unwrap(),
            scale: 0.2,
        };
        let counted = count(&spec).unwrap();
        assert_eq!(counted, count(&spec).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let written = super::super::simulate(&spec, folder.path(), &mut |_, _| {}).unwrap();
        for (counted, written) in counted.iter().zip(&written.sites) {
            assert_eq!(counted.site, written.site);
            let requests: f64 = counted.metrics[0].iter().sum();
            assert_eq!(requests as u64, written.lines);
            assert_eq!(counted.window_start.len(), 2 * 1_440);
            let mut minutes = (0..2 * 1_440).map(|minute| {
                let [all, client, server, clients, latency] =
                    std::array::from_fn(|metric| counted.metrics[metric][minute]);
                client + server <= all && clients <= all && latency.is_nan() == (all < 1.0)
            });
            assert!(minutes.all(|is_sound| is_sound));
        }
    }
}
