//! What the fields around those of the common log format hold.

use super::absolute_url::Urls;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TailUse {
    Nothing,
    Referer,
    UserAgent,
    /// A host name with an optional port.
    Host,
    /// A host name behind its key.
    KeyedHost,
    ForwardedFor,
    /// Seconds with a decimal point.
    Seconds,
    /// Seconds behind their key.
    KeyedSeconds,
    /// A duration that says its unit.
    WithUnit,
    /// Microseconds, behind a slash if there is one.
    Micros,
}

impl TailUse {
    pub(super) const fn is_latency(self) -> bool {
        matches!(
            self,
            Self::Seconds | Self::KeyedSeconds | Self::WithUnit | Self::Micros
        )
    }
}

/// What the fields hold that are not those of the common log format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccessLayout {
    /// Between the time and the request.
    pub(super) between: Vec<TailUse>,
    /// Behind the size.
    pub(super) tail: Vec<TailUse>,
    /// What becomes of URLs in the place of paths.
    pub(super) urls: Urls,
    /// Fields of which nothing is read, as they were in a line.
    pub(super) unread: Vec<Unread>,
}

/// A field of which nothing is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// Its place behind the user agent or the size, from 1.
    pub(super) place: usize,
    /// Whether it stands between the time and the request.
    pub(super) is_between: bool,
    /// A value of it.
    pub(super) example: String,
}

impl AccessLayout {
    /// Referer and user agent behind the size, as in the combined log format.
    pub(super) fn combined() -> Self {
        Self {
            tail: vec![TailUse::Referer, TailUse::UserAgent],
            ..Self::common()
        }
    }

    /// Nothing behind the size, as in the common log format.
    pub(super) const fn common() -> Self {
        Self {
            between: Vec::new(),
            tail: Vec::new(),
            urls: Urls::Paths,
            unread: Vec::new(),
        }
    }
}
