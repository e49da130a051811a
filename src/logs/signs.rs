//! Signs that a log is read wrongly, gathered row by row.

use std::collections::HashMap;

use super::client::is_client;
use super::request::Request;

/// A request that takes longer is none that a client waited for.
const LONGEST_MS: f64 = 86_400_000.0;
/// How many clients are told apart.
const CLIENTS: usize = 64;
/// Among so few, all requests of a site behind a proxy have their client.
const PROXIES: usize = 3;

/// Signs that a log is read wrongly.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// Rows.
    rows: u64,
    /// Rows whose latency is no duration; it is left out.
    odd_latencies: u64,
    /// Rows with a latency above a day.
    long_latencies: u64,
    /// Rows with a list of forwarded addresses that is not used.
    unused_lists: u64,
    /// Rows by client, as long as there are few.
    clients: HashMap<String, u64>,
    /// Whether there are more clients than are told apart.
    is_crowded: bool,
}

impl Signs {
    /// Adds a row, given its client as it is stored and whether forwarded addresses were of no use.
    pub(super) fn add(&mut self, request: &Request<'_>, client: &str, is_list_unused: bool) {
        self.rows += 1;
        self.odd_latencies += u64::from(request.has_odd_latency);
        self.long_latencies += u64::from(request.latency_ms.is_some_and(|ms| ms > LONGEST_MS));
        self.unused_lists += u64::from(is_list_unused);
        if self.is_crowded {
            return;
        }
        if let Some(rows) = self.clients.get_mut(client) {
            *rows += 1;
        } else if self.clients.len() < CLIENTS {
            self.clients.insert(client.to_owned(), 1);
        } else {
            self.crowd();
        }
    }

    fn crowd(&mut self) {
        self.is_crowded = true;
        self.clients.clear();
    }

    /// Adds those of another piece of the log.
    pub(super) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.odd_latencies += other.odd_latencies;
        self.long_latencies += other.long_latencies;
        self.unused_lists += other.unused_lists;
        if other.is_crowded {
            self.crowd();
        }
        if self.is_crowded {
            return;
        }
        for (client, rows) in other.clients {
            *self.clients.entry(client).or_default() += rows;
        }
        if self.clients.len() > CLIENTS {
            self.crowd();
        }
    }

    /// What the signs say, given how many sites the rows have.
    pub(super) fn warnings(&self, sites: usize) -> Vec<String> {
        let mut warnings = Vec::new();
        let rows = self.rows;
        if self.odd_latencies > 0 {
            let count = self.odd_latencies;
            warnings.push(format!(
                "{count} rows have a latency that is no duration: it is left out"
            ));
        }
        if self.long_latencies > 0 {
            let count = self.long_latencies;
            warnings.push(format!(
                "{count} rows have a latency above a day: check its unit, as in \
                 `--format '… $request_time'` or `--columns latency_us=FIELD`"
            ));
        }
        if rows >= 20 && sites as u64 * 2 > rows {
            warnings.push(format!(
                "{sites} sites in {rows} rows: the field read as site may be none; say one with \
                 `--site`, or the format with `--format`"
            ));
        }
        let mut counts: Vec<u64> = self.clients.values().copied().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        let most: u64 = counts.iter().take(PROXIES).sum();
        let is_behind_proxies = !self.is_crowded && most * 20 >= rows * 19;
        if self.unused_lists * 2 > rows && rows >= 20 && is_behind_proxies {
            let clients = counts.len().min(PROXIES);
            warnings.push(format!(
                "nearly all requests come from {clients} address{}, and a list of forwarded \
                 addresses is there: name the networks of your proxies with `--trusted-proxies`",
                if clients == 1 { "" } else { "es" }
            ));
        }
        if let [(client, _)] = self.clients.iter().collect::<Vec<_>>()[..]
            && !client.is_empty()
            && rows >= 2
            && !is_client(client)
        {
            warnings.push(format!(
                "all requests come from `{}`, which is no address: say the format with `--format`",
                client.escape_debug()
            ));
        }
        warnings
    }
}
