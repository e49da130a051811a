//! From a series to what a forecaster reads and predicts.
//!
//! Everything is relative to a causal rolling median and divided by a scale of the series' own
//! recent past, so one set of weights serves every series, whatever its level or unit. With
//! `m11`, `m61` the trailing medians of 11 and 61 windows, `c` and `s` the level and scale of the
//! history before the block, and `slog v = sign v · ln(1 + |v|)`, the inputs at window `t` are,
//! per metric:
//!
//! | # | input |
//! |---|---|
//! | 1 | `slog((x_t − m11_t) / s)` |
//! | 2 | `slog((x_t − x_{t−1}) / s)` |
//! | 3 | `slog((m11_t − m61_t) / s)` |
//! | 4 | `slog((m61_t − c) / s)` |
//! | one per horizon `h` | `slog((x̃_{t+h−day} − m11_{t−day}) / s)`, `x̃` a centred median of 5 |
//! | next | `slog((m61_t − m61_{t−day}) / s)` |
//! | next | 1 where the day before is known, else 0 |
//! | next | 1 where `x_t` is known, else 0 |
//!
//! followed by sine and cosine of the time of day and of the week. Both are local, as is the day
//! before: `t − day` is the same [local time](crate::series::time_zone::TimeZone) yesterday, and of
//! `t + h − day` that of `t + h`. A missing value contributes 0. The target at horizon `h` is
//! `(x_{t+h} − m11_t) / s`: a forecaster whose head is zero predicts the trailing median, and
//! training can only improve on that.
//!
//! A classifier reads less: see [`write_window`].
//!
//! Invariant: what is written for a block depends on the `reach` windows before the block and on
//! the block itself, never on anything later or earlier, so a score is the same in any query that
//! holds that much history.

mod inputs;
mod median;
mod scale;
mod scale_cache;
mod series_features;
#[cfg(test)]
mod tests;
mod window;

pub use inputs::InputWriter;
pub use scale::Scale;
pub use scale_cache::ScaleCache;
pub use series_features::SeriesFeatures;
pub use window::write_window;
