//! Tells from many lines what the fields around those of the common log format hold.
//!
//! A field is read only where its form leaves one reading in every line that was looked at:
//!
//! - Seconds have three decimals, as nginx writes `$request_time`, or six; of several such fields
//!   the one that is never shorter than another, as no request is shorter than its upstream's. A
//!   number near the time of its own line is a clock.
//! - A value may say its unit (`12ms`) or its name (`rt=0.123`).
//! - Whole seconds beside microseconds that round to them (`2/2126669`, or two fields of which some
//!   are not 0) are Apache's `%T` and `%D`.
//! - A host name with a dot is the site, if one field alone holds such names, and not nearly every
//!   line another.
//!
//! All other fields are left out: a whole number may be a count of requests or bytes, a port, or a
//! latency in any unit; and a word may be a router, a cache state, or a site.

use std::collections::HashMap;

use super::absolute_url::Urls;
use super::access_layout::{AccessLayout, TailUse, Unread};
use super::access_line::{AccessLine, is_seconds, seconds};
use super::client::{address, is_host_name, without_port};
use super::duration;
use super::request::{present, split_request};
use super::tokens::{Token, Tokens};

/// Tells the layout from lines.
pub(super) fn layout_of(lines: &[AccessLine<'_>]) -> AccessLayout {
    let between = Columns::of(lines.iter().map(|line| (line.time, line.between)));
    let tail = Columns::of(lines.iter().map(|line| (line.time, line.tail)));
    let mut tail_uses = tail.agents();
    let mut between_uses = vec![TailUse::Nothing; between.fields.len()];
    tail.addresses(&mut tail_uses);
    let hosts_behind = tail.hosts(&tail_uses);
    let hosts_between = between.hosts(&between_uses);
    // One field alone can be the site.
    match (&hosts_between[..], &hosts_behind[..]) {
        ([host], _) => between_uses[*host] = TailUse::Host,
        ([], [host]) => tail_uses[*host] = TailUse::Host,
        _ => {}
    }
    tail.keyed_hosts(&mut tail_uses);
    tail.latency(&mut tail_uses);
    if !tail_uses.iter().any(|held| held.is_latency()) {
        between.latency(&mut between_uses);
    }
    let unread = between
        .unread(&between_uses, true)
        .chain(tail.unread(&tail_uses, false))
        .collect();
    trim(&mut between_uses);
    trim(&mut tail_uses);
    let requests = lines.iter().map(|line| {
        let (method, path, ..) = split_request(line.request);
        (method, path)
    });
    AccessLayout {
        between: between_uses,
        tail: tail_uses,
        urls: Urls::told(requests),
        unread,
    }
}

/// Leaves out what is not read at the end.
fn trim(uses: &mut Vec<TailUse>) {
    while uses.last() == Some(&TailUse::Nothing) {
        uses.pop();
    }
}

/// The values of each field, by its place, with the number of their line.
#[derive(Debug, Default)]
struct Columns<'a> {
    fields: Vec<Vec<(usize, Token<'a>)>>,
    times: Vec<i64>,
}

/// How many fields are looked at; no server writes more.
const FIELDS: usize = 64;
/// How many lines must have a whole number for two of them to be compared.
const LINES_TO_COMPARE: usize = 10;
/// How many lines must have a host name for their number to say something.
const LINES_TO_COUNT: usize = 20;

impl<'a> Columns<'a> {
    fn of(lines: impl Iterator<Item = (i64, &'a str)>) -> Self {
        let mut columns = Self::default();
        for (number, (time, text)) in lines.enumerate() {
            columns.times.push(time);
            for (place, token) in Tokens::new(text).take(FIELDS).enumerate() {
                if columns.fields.len() <= place {
                    columns.fields.push(Vec::new());
                }
                columns.fields[place].push((number, token));
            }
        }
        columns
    }

    /// The values of a field that say something.
    fn values(&self, place: usize) -> impl Iterator<Item = (usize, &'a str)> + Clone {
        self.fields[place]
            .iter()
            .filter_map(|(line, token)| Some((*line, present(token.text)?)))
    }

    fn is_quoted(&self, place: usize) -> bool {
        // Some servers write what is absent without quotes.
        let mut tokens = self.fields[place].iter().map(|(_, token)| token);
        self.fields[place].iter().any(|(_, token)| token.is_quoted)
            && tokens.all(|token| token.is_quoted || token.text == "-")
    }

    /// Whether there are values and all are so.
    fn all(&self, place: usize, is_so: impl Fn(&str) -> bool) -> bool {
        let mut values = self.values(place).peekable();
        values.peek().is_some() && values.all(|(_, value)| is_so(value))
    }

    /// Whether no value is not so; there may be none.
    fn none_but(&self, place: usize, is_so: impl Fn(&str) -> bool) -> bool {
        self.values(place).all(|(_, value)| is_so(value))
    }

    /// Finds referer and user agent: the first two fields in quotes, in this order, unless their
    /// values say otherwise.
    fn agents(&self) -> Vec<TailUse> {
        let mut uses = vec![TailUse::Nothing; self.fields.len()];
        let quoted: Vec<usize> = (0..self.fields.len())
            .filter(|place| self.is_quoted(*place))
            .collect();
        let can_be_agent = |place: &usize| {
            !self.all(*place, is_host)
                && !self.all(*place, |value| duration::number(value).is_some())
                && !self.all(*place, is_address_list)
                && !self.all(*place, is_url)
        };
        let looks_like_agent = |place: &usize| self.all(*place, is_agent);
        match &quoted[..] {
            [] => {}
            // A lone field is whatever it looks like; a referer comes first.
            [only] if looks_like_agent(only) => uses[*only] = TailUse::UserAgent,
            [only] if self.all(*only, is_url) => uses[*only] = TailUse::Referer,
            [_] => {}
            // The user agent may come first.
            [first, second, ..]
                if looks_like_agent(first)
                    && self.none_but(*second, is_url)
                    && self.values(*second).next().is_some() =>
            {
                uses[*first] = TailUse::UserAgent;
                uses[*second] = TailUse::Referer;
            }
            [first, others @ ..] => {
                uses[*first] = TailUse::Referer;
                // Something may stand between the two, or the user agent is always missing.
                let agent = others
                    .iter()
                    .find(|place| can_be_agent(place))
                    .or(others.first());
                if let Some(agent) = agent {
                    uses[*agent] = TailUse::UserAgent;
                }
            }
        }
        uses
    }

    /// Finds lists of forwarded addresses: fields in quotes, since their values have blanks.
    fn addresses(&self, uses: &mut [TailUse]) {
        let forwarded = (0..uses.len()).find(|place| {
            uses[*place] == TailUse::Nothing
                && self.is_quoted(*place)
                && self.all(*place, is_address_list)
        });
        if let Some(place) = forwarded {
            uses[place] = TailUse::ForwardedFor;
        }
    }

    /// Whether values are host names, or what clients send in their place: at least half of them
    /// are names.
    fn are_hosts(&self, place: usize) -> bool {
        let is_stand_in = |value: &str| {
            matches!(value, "_" | "localhost") || address(without_port(value)).is_some()
        };
        let hosts = self
            .values(place)
            .filter(|(_, value)| is_host(value))
            .count();
        hosts > 0
            && hosts * 2 >= self.values(place).count()
            && self.all(place, |value| is_host(value) || is_stand_in(value))
    }

    /// The fields that hold host names.
    fn hosts(&self, uses: &[TailUse]) -> Vec<usize> {
        (0..self.fields.len())
            .filter(|place| uses[*place] == TailUse::Nothing && self.are_hosts(*place))
            .filter(|place| {
                let mut names: Vec<&str> = self.values(*place).map(|(_, name)| name).collect();
                let lines = names.len();
                names.sort_unstable();
                names.dedup();
                lines < LINES_TO_COUNT || names.len() * 2 <= lines
            })
            .collect()
    }

    /// Finds host names behind a key.
    fn keyed_hosts(&self, uses: &mut [TailUse]) {
        if uses.contains(&TailUse::Host) {
            return;
        }
        let keys = ["host", "vhost", "server_name", "http_host"];
        let keyed = (0..uses.len()).find(|place| {
            uses[*place] == TailUse::Nothing
                && self.all(*place, |value| {
                    value.split_once('=').is_some_and(|(key, host)| {
                        keys.contains(&key) && is_host_name(without_port(host.trim_matches('"')))
                    })
                })
        });
        if let Some(place) = keyed {
            uses[place] = TailUse::KeyedHost;
        }
    }

    /// Finds the latency.
    fn latency(&self, uses: &mut [TailUse]) {
        let free: Vec<usize> = (0..uses.len())
            .filter(|place| uses[*place] == TailUse::Nothing)
            .collect();
        let of_kind = |is_so: &dyn Fn(&str) -> bool| {
            free.iter()
                .copied()
                .filter(|place| self.all(*place, is_so))
                .collect::<Vec<_>>()
        };
        let keyed = of_kind(&|value| {
            value.split_once('=').is_some_and(|(key, value)| {
                matches!(key, "rt" | "request_time" | "reqtime") && is_seconds(value)
            })
        });
        let with_unit = of_kind(&|value| {
            let value = value.split_once('=').map_or(value, |(key, value)| {
                if matches!(key, "duration" | "latency" | "time" | "took" | "rt") {
                    value
                } else {
                    ""
                }
            });
            duration::with_unit(value).is_some()
        });
        let slashed = of_kind(&|value| value.split_once('/').is_some_and(|(s, us)| agree(s, us)));
        let seconds_fields: Vec<usize> = of_kind(&is_seconds)
            .into_iter()
            .filter(|place| !self.is_clock(*place))
            .collect();
        if let [place] = keyed[..] {
            uses[place] = TailUse::KeyedSeconds;
        } else if let [place] = with_unit[..] {
            uses[place] = TailUse::WithUnit;
        } else if let [place] = slashed[..] {
            uses[place] = TailUse::Micros;
        } else if let Some(place) = self.longest(&seconds_fields) {
            uses[place] = TailUse::Seconds;
        } else if let Some(place) = self.micros(&free) {
            uses[place] = TailUse::Micros;
        }
    }

    /// Whether the values of a field are the times of their lines.
    fn is_clock(&self, place: usize) -> bool {
        self.values(place).all(|(line, value)| {
            let clock = value.parse::<f64>().unwrap_or(0.0);
            let time = self.times[line] as f64 / 1e6;
            (clock - time).abs() < 86_400.0
        })
    }

    /// The values of two fields in the lines that have both.
    fn pairs(&self, one: usize, other: usize) -> Vec<(&'a str, &'a str)> {
        let others: HashMap<usize, &str> = self.values(other).collect();
        self.values(one)
            .filter_map(|(line, value)| Some((value, *others.get(&line)?)))
            .collect()
    }

    /// Of several fields of seconds, the one that is never shorter than another.
    fn longest(&self, places: &[usize]) -> Option<usize> {
        let (first, others) = places.split_first()?;
        let mut longest = *first;
        for place in others {
            let mut longer = 0;
            let mut shorter = 0;
            for (this, that) in self.pairs(*place, longest) {
                let (Some(this), Some(that)) = (seconds(this), seconds(that)) else {
                    continue;
                };
                // Both are rounded to the millisecond.
                longer += usize::from(this > that + 1.0);
                shorter += usize::from(this + 1.0 < that);
            }
            match (longer, shorter) {
                (0, _) => {}
                (_, 0) => longest = *place,
                _ => return None,
            }
        }
        Some(longest)
    }

    /// A field of whole numbers that are microseconds, since another one holds their seconds.
    fn micros(&self, free: &[usize]) -> Option<usize> {
        let whole: Vec<usize> = free
            .iter()
            .copied()
            .filter(|place| {
                self.all(*place, |value| {
                    value.bytes().all(|byte| byte.is_ascii_digit())
                }) && self.values(*place).count() >= LINES_TO_COMPARE
            })
            .collect();
        whole.iter().copied().find(|micros| {
            whole.iter().any(|seconds| {
                let pairs = self.pairs(*seconds, *micros);
                seconds != micros
                    && pairs.len() >= LINES_TO_COMPARE
                    && pairs.iter().all(|(seconds, micros)| agree(seconds, micros))
                    && pairs.iter().any(|(seconds, _)| *seconds != "0")
            })
        })
    }

    fn unread<'s>(
        &'s self,
        uses: &'s [TailUse],
        is_between: bool,
    ) -> impl Iterator<Item = Unread> + 's {
        let fields = uses.iter().enumerate();
        fields.filter_map(move |(place, held)| {
            let (_, example) = self.values(place).next()?;
            (*held == TailUse::Nothing).then(|| Unread {
                place: place + 1,
                is_between,
                example: example.chars().take(40).collect(),
            })
        })
    }
}

/// Whether whole seconds are those of microseconds; Apache cuts off, others round.
fn agree(seconds: &str, micros: &str) -> bool {
    match (seconds.parse::<u64>(), micros.parse::<u64>()) {
        (Ok(seconds), Ok(micros)) => {
            micros / 1_000_000 == seconds || (micros + 500_000) / 1_000_000 == seconds
        }
        _ => false,
    }
}

/// Endings of file names that look like host names.
const FILES: [&str; 8] = ["php", "html", "htm", "js", "css", "jsp", "aspx", "log"];

/// Whether text is a host name with a dot, with a port of the web if any. Addresses are none, and
/// a name with another port is a server that was asked.
fn is_host(text: &str) -> bool {
    let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let Some((rest, last)) = name.rsplit_once('.') else {
        return false;
    };
    matches!(port, "" | "80" | "443")
        && !rest.is_empty()
        && is_host_name(name)
        && last.len() >= 2
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !FILES.contains(&last)
}

fn is_address_list(text: &str) -> bool {
    text.split(',')
        .all(|entry| address(without_port(entry.trim_ascii())).is_some())
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// Whether text is a user agent by its form: a product and its version come first.
fn is_agent(text: &str) -> bool {
    let product = text.split([' ', '(']).next().unwrap_or_default();
    !is_url(text)
        && product.split_once('/').is_some_and(|(name, version)| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && version.starts_with(|c: char| c.is_ascii_digit())
        })
}
