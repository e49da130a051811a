//! What speaks for and against an anomaly: inputs of a gating network.
//!
//! Each window of a series is held, alone and with those before it, against the same time of the last
//! days, of the same weekdays, and against the level just before. Nothing looks ahead, every input is a
//! number of standard deviations, a share or a logarithm, and none depends on the unit of the metric.
//!
//! With `m` the mean of the last 1, 5, 15, 30 or 60 windows (a *span*):
//!
//! | input | per | what |
//! |---|---|---|
//! | `day` | span | `m` against the median of the same time on the 7 days before |
//! | `week` | span | against that of the 4 same weekdays before |
//! | `level` | span | against the mean of the windows before: 30, or 4 spans |
//! | `day-now`, `week-now` | span | as `day` and `week`, each day times the level of the last day over that of its day |
//! | `change` | span | against the level before, times the median over 7 days of `m` over the level before it |
//! | `excess` | span | the smallest of these six if all are on one side, else 0 |
//! | `around-days`, `around-any-day` | 1, 5, 15 | `m` beyond the highest (or lowest) within a quarter of an hour of this time: the median, and the most, of 7 days |
//! | `around-weeks`, `around-any-week` | 1, 5, 15 | the same of 4 same weekdays |
//! | `reach-usual-day`, `reach-all-days` | 1, 5, 15, 60 | `m` beyond the highest (or lowest) of a day: the median, and the second, of 28 |
//! | `came-back-typical`, `-most`, `-share` | days, weeks | `level:5` within a quarter of an hour of this time on 7 days, and 4 same weekdays, on the side where it is now: median, most, and the share beyond 3 |
//! | `known-days`, `-weeks`, `-today` | | shares of these, and of the last day, that are known |
//! | `spread-1`, `spread-5` | | logarithm of the scale of `level` |
//! | `level` | | logarithm of the level over the smallest change that the metric can show; 8 where any can |
//! | `hour-by-level`, `day-by-level`, `day-by-week` | | logarithms of shares of levels |
//! | `like-yesterday`, `like-last-week` | | correlation of yesterday with the day before, and a week before |
//! | `since-excursion` | | logarithm of the windows since `excess:5` was beyond 4 |
//!
//! **Standard deviations** are `scale · √(expected · level)`, at least half of the smallest change over
//! √span and 0.2 % of the level. The scale is the median over 21 days of a clipped root mean square of
//! the same residuals, so that neither a job nor a wild week sets it; the level is the median over 7
//! days of the mean magnitude. `z` standard deviations enter as `z / (1 + |z| / 10)`. What is not known
//! is 0.
//!
//! Days and weeks are times, local where the zone is known; spans are windows. A window costs the same
//! however long the series is, and nothing older than five weeks is remembered.

mod daily_scale;
mod days;
mod deviations;
mod expected;
mod extractor;
mod lags;
mod slots;
mod sums;
#[cfg(test)]
mod tests;
mod usual;
mod vector;

pub use extractor::EvidenceExtractor;
pub use vector::{INPUTS, SPANS, names};
