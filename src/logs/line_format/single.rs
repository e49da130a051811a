//! The values of a line of which every column has one field, as the combined format and most of what
//! servers are told beside it. No field has to wait for a better one, so each goes to its place in the
//! request at once: this halves the time of a line.

use std::borrow::Cow;

use super::compiled::Step;
use super::field::{Holds, Span};
use crate::logs::column::LogColumn;
use crate::logs::duration::LatencyUnit;
use crate::logs::fields::Use;
use crate::logs::request::{
    Reject, Request, host_site, plausible, present, size, split_request, status,
};
use crate::logs::values::{Value, Values, slice};

/// Takes the values of a line, and makes a request of them.
pub(super) trait Taker<'a>: Default {
    /// Takes the text of a field.
    fn take_text(&mut self, held: Use, text: Cow<'a, str>);

    /// Takes the time that a field holds, in microseconds since the Unix epoch.
    fn take_time(&mut self, held: Use, time: i64);

    /// Takes a latency that several values make, with the rank of its field.
    fn take_seconds(&mut self, rank: u8, seconds: f64);

    /// The request that the values describe.
    fn request(self) -> Result<Request<'a>, Reject>;
}

impl<'a> Taker<'a> for Values<'a> {
    fn take_text(&mut self, held: Use, text: Cow<'a, str>) {
        self.set(held, Value::Text(text));
    }

    fn take_time(&mut self, held: Use, time: i64) {
        self.set(held, Value::Instant(time));
    }

    fn take_seconds(&mut self, rank: u8, seconds: f64) {
        self.set((LogColumn::LatencyS, rank), Value::Float(seconds));
    }

    fn request(self) -> Result<Request<'a>, Reject> {
        Self::request(self)
    }
}

/// Values of which every column has one field.
#[derive(Debug)]
pub(super) struct Single<'a> {
    request: Request<'a>,
    time: Option<i64>,
    status: Result<i32, Reject>,
    bytes: Result<Option<i64>, Reject>,
    line: Option<Cow<'a, str>>,
}

impl Single<'_> {
    /// Whether every column that the steps fill has one field, and is one that is taken here.
    pub(super) fn can_take(steps: &[Step]) -> bool {
        let mut columns = Vec::new();
        let all = steps.iter().all(|step| match step.field.holds {
            Holds::Nothing => true,
            Holds::Column((column, _)) => {
                columns.push(if is_latency(column) {
                    LogColumn::LatencyMs
                } else {
                    column
                });
                match column {
                    LogColumn::Timestamp => !matches!(step.field.span, Span::Number),
                    LogColumn::ClientIp
                    | LogColumn::ForwardedFor
                    | LogColumn::Request
                    | LogColumn::Status
                    | LogColumn::Bytes
                    | LogColumn::Host
                    | LogColumn::Referer
                    | LogColumn::UserAgent => true,
                    column => is_latency(column),
                }
            }
            Holds::UpstreamSeconds(_) | Holds::PartOfSeconds => false,
        });
        let fields = columns.len();
        columns.sort_unstable();
        columns.dedup();
        all && columns.len() == fields && columns.contains(&LogColumn::Request)
    }
}

/// Whether a column is a latency in some unit.
const fn is_latency(column: LogColumn) -> bool {
    matches!(
        column,
        LogColumn::LatencyMs | LogColumn::LatencyS | LogColumn::LatencyUs | LogColumn::LatencyNs
    )
}

impl Default for Single<'_> {
    fn default() -> Self {
        Self {
            request: Request::default(),
            time: None,
            status: Err(Reject::NoStatus),
            bytes: Ok(None),
            line: None,
        }
    }
}

impl<'a> Taker<'a> for Single<'a> {
    #[inline]
    fn take_text(&mut self, (column, _): Use, text: Cow<'a, str>) {
        if column == LogColumn::Request {
            self.line = Some(text);
            return;
        }
        if column == LogColumn::Status {
            // `-` where nothing was answered.
            if !text.is_empty() {
                self.status = status(&text).ok_or(Reject::BadStatus);
            }
            return;
        }
        if present(&text).is_none() {
            return;
        }
        let request = &mut self.request;
        match column {
            LogColumn::ClientIp => request.client_ip = text,
            LogColumn::ForwardedFor => request.forwarded_for = Some(text),
            LogColumn::Bytes => self.bytes = size(&text),
            LogColumn::Host => request.site = host_site(text),
            LogColumn::Referer => request.referer = Some(text),
            LogColumn::UserAgent => request.user_agent = Some(text),
            column => {
                request.latency_ms = Value::Text(text).latency_ms(column);
                request.has_odd_latency = request.latency_ms.is_none();
            }
        }
    }

    #[inline]
    fn take_time(&mut self, _: Use, time: i64) {
        self.time = Some(time);
    }

    fn take_seconds(&mut self, _: u8, seconds: f64) {
        self.request.latency_ms = LatencyUnit::Seconds.millis(seconds);
    }

    #[inline]
    fn request(self) -> Result<Request<'a>, Reject> {
        let timestamp = plausible(self.time.ok_or(Reject::NoTimestamp)?)?;
        let status = self.status?;
        let bytes = self.bytes?;
        let line = self.line.ok_or(Reject::NoPath)?;
        let (method, path, query, protocol) = split_request(&line);
        Ok(Request {
            timestamp,
            status,
            bytes,
            method: slice(&line, method),
            path: slice(&line, path),
            query: slice(&line, query),
            protocol: slice(&line, protocol),
            ..self.request
        })
    }
}
