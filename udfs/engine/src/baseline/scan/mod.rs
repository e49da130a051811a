//! Scan statistics: sums over runs of windows, which see what no single window shows.
//!
//! Where chance moves a series more than its season does, as in counts of requests or in latency
//! quantiles of few requests, one window says little and an hour much. So sums over the last 1, 5,
//! 15, 30 and 60 windows ([`SPANS`]) are held against what was to be expected: the mean at that
//! time of day (`seasonal`) and a level that follows the series robustly and has not seen the windows
//! that it is to judge. A **z-score** says how far a sum is from that, signed and about standard
//! normal while nothing happens. Multiscale scan statistics (Glaz, Naus & Wallenstein, "Scan
//! Statistics", 2001) about a Kalman filter with clipped innovations (Masreliez & Martin 1977).
//!
//! Two rules keep an anomaly from outliving itself. When the last five windows no longer support a
//! long sum that stands out, the long sums begin anew with them (**cut**). And windows of a sum
//! that stands out do not move the level (**quarantine**).
//!
//! What stands out for five hours, or 24 windows where these are longer, is taken for the new **base**
//! about which the level moves, and the sums begin anew: a lasting change is one incident. Less than a
//! tenth of what was to be expected is no base but an outage, for however long. For a week, the way back
//! to the base before is no anomaly. An hour back there, and it is the base again.

mod counts;
mod history;
mod logs;
mod model;
mod profile;
mod seasonal;
mod span;
mod state;
mod statistic;
#[cfg(test)]
mod tests;

pub use profile::{ScanProfile, ZScores};
pub use span::SPANS;
pub use state::ScanState;
