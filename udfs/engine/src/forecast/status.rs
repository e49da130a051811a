//! The status of a window.

/// Why a forecast, and so a score, is missing or weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// All the history that can be used is there.
    Ok,
    /// Not scored: too little history before the window.
    Warmup,
    /// Not scored: every metric is NULL.
    NoData,
    /// Some metric is NULL, NaN or infinite: scored by the others, if any.
    NullInput,
    /// Not scored: there is no detector for the series.
    NoDetector,
    /// Scored without some of the longer history: the scale's day or the same time yesterday.
    ShortHistory,
}

impl Status {
    /// The value in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warmup => "warmup",
            Self::NoData => "no_data",
            Self::NullInput => "null_input",
            Self::NoDetector => "no_detector",
            Self::ShortHistory => "short_history",
        }
    }
}
