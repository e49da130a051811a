//! Log formats: which site writes which, and how its files are compressed.

/// The format in which a site logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteFormat {
    /// Combined, then the seconds that the request took; gzip.
    CombinedTimed,
    /// Combined, as Apache and nginx have it by default; gzip.
    Combined,
    /// The virtual host, combined, then the seconds that the request took; zstd.
    VhostTimed,
    /// One JSON object per line with the names of nginx's variables.
    Json,
    /// Apache's common format, which has neither referer, user agent nor latency.
    Common,
}

/// How a log file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogCompression {
    None,
    Gzip,
    Zstd,
}

impl SiteFormat {
    /// Every format, in the order in which sites take them.
    pub const ALL: [Self; 5] = [
        Self::CombinedTimed,
        Self::Combined,
        Self::VhostTimed,
        Self::Json,
        Self::Common,
    ];

    /// The format of the site with this number (from 0).
    #[must_use]
    pub const fn of_site(index: u32) -> Self {
        Self::ALL[index as usize % Self::ALL.len()]
    }

    /// A name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CombinedTimed => "combined with request time",
            Self::Combined => "combined",
            Self::VhostTimed => "vhost combined with request time",
            Self::Json => "json lines",
            Self::Common => "common",
        }
    }

    /// Whether a line says how long the request took.
    #[must_use]
    pub const fn has_latency(self) -> bool {
        matches!(self, Self::CombinedTimed | Self::VhostTimed | Self::Json)
    }

    pub(super) const fn compression(self) -> LogCompression {
        match self {
            Self::CombinedTimed | Self::Combined => LogCompression::Gzip,
            Self::VhostTimed => LogCompression::Zstd,
            Self::Json | Self::Common => LogCompression::None,
        }
    }

    /// The end of a file name, after the date.
    pub(super) const fn extension(self) -> &'static str {
        match self.compression() {
            LogCompression::None => "log",
            LogCompression::Gzip => "log.gz",
            LogCompression::Zstd => "log.zst",
        }
    }
}
