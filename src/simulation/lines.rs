//! How a request becomes a line of a log.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::{Datelike as _, NaiveDate};

use super::clients::{AGENTS, Address};
use super::formats::SiteFormat;
use super::site::{Method, SimulatedSite};
use super::traffic::{Referer, SimulatedRequest};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Writes the lines of one site and day.
#[derive(Debug)]
pub(super) struct LineWriter<'a> {
    site: &'a SimulatedSite,
    /// The date as the format has it, before the time of day.
    date: String,
    /// The second whose text `time` holds.
    second: u32,
    time: [u8; 8],
}

impl<'a> LineWriter<'a> {
    pub(super) fn new(site: &'a SimulatedSite, date: NaiveDate) -> Self {
        let date = match site.format {
            SiteFormat::Json => format!("{date}T"),
            _ => format!(
                "{:02}/{}/{}:",
                date.day(),
                MONTHS[date.month0() as usize],
                date.year()
            ),
        };
        Self {
            site,
            date,
            second: u32::MAX,
            time: *b"00:00:00",
        }
    }

    /// Appends one line.
    pub(super) fn write(&mut self, line: &mut Vec<u8>, request: &SimulatedRequest) {
        let second = request.at / 1000;
        if second != self.second {
            self.second = second;
            self.time = time_of_day(second);
        }
        match self.site.format {
            SiteFormat::Json => self.write_json(line, request),
            SiteFormat::VhostTimed => {
                line.extend_from_slice(self.site.name.as_bytes());
                line.push(b' ');
                self.write_combined(line, request);
                line.push(b' ');
                push_seconds(line, request.latency);
            }
            SiteFormat::CombinedTimed => {
                self.write_combined(line, request);
                line.push(b' ');
                push_seconds(line, request.latency);
            }
            SiteFormat::Combined => self.write_combined(line, request),
            SiteFormat::Common => self.write_common(line, request),
        }
        line.push(b'\n');
    }

    fn write_common(&self, line: &mut Vec<u8>, request: &SimulatedRequest) {
        push_address(line, request.address);
        line.extend_from_slice(b" - - [");
        line.extend_from_slice(self.date.as_bytes());
        line.extend_from_slice(&self.time);
        line.extend_from_slice(b" +0000] \"");
        line.extend_from_slice(self.method(request));
        line.push(b' ');
        self.push_target(line, request.route, request.argument);
        line.push(b' ');
        line.extend_from_slice(protocol(request));
        line.extend_from_slice(b"\" ");
        push_number(line, u32::from(request.status));
        line.push(b' ');
        if request.bytes == 0 && self.site.format == SiteFormat::Common {
            line.push(b'-'); // what Apache's %b writes
        } else {
            push_number(line, request.bytes);
        }
    }

    fn write_combined(&self, line: &mut Vec<u8>, request: &SimulatedRequest) {
        self.write_common(line, request);
        line.extend_from_slice(b" \"");
        if !self.push_referer(line, request.referer) {
            line.push(b'-');
        }
        line.extend_from_slice(b"\" \"");
        line.extend_from_slice(AGENTS[usize::from(request.agent)].as_bytes());
        line.push(b'"');
    }

    fn write_json(&self, line: &mut Vec<u8>, request: &SimulatedRequest) {
        line.extend_from_slice(b"{\"time_iso8601\":\"");
        line.extend_from_slice(self.date.as_bytes());
        line.extend_from_slice(&self.time);
        line.extend_from_slice(b"+00:00\",\"remote_addr\":\"");
        push_address(line, request.address);
        line.extend_from_slice(b"\",\"request_method\":\"");
        line.extend_from_slice(self.method(request));
        line.extend_from_slice(b"\",\"request_uri\":\"");
        self.push_target(line, request.route, request.argument);
        line.extend_from_slice(b"\",\"server_protocol\":\"");
        line.extend_from_slice(protocol(request));
        line.extend_from_slice(b"\",\"status\":");
        push_number(line, u32::from(request.status));
        line.extend_from_slice(b",\"body_bytes_sent\":");
        push_number(line, request.bytes);
        line.extend_from_slice(b",\"request_time\":");
        push_seconds(line, request.latency);
        line.extend_from_slice(b",\"http_referer\":\"");
        self.push_referer(line, request.referer);
        line.extend_from_slice(b"\",\"http_user_agent\":\"");
        line.extend_from_slice(AGENTS[usize::from(request.agent)].as_bytes());
        line.extend_from_slice(b"\",\"host\":\"");
        line.extend_from_slice(self.site.name.as_bytes());
        line.extend_from_slice(b"\"}");
    }

    fn method(&self, request: &SimulatedRequest) -> &'static [u8] {
        match self.site.routes[usize::from(request.route)].method {
            Method::Get => b"GET",
            Method::Post => b"POST",
        }
    }

    fn push_target(&self, line: &mut Vec<u8>, route: u16, argument: u32) {
        let route = &self.site.routes[usize::from(route)];
        line.extend_from_slice(route.prefix.as_bytes());
        if route.has_argument {
            push_number(line, argument);
        }
        line.extend_from_slice(route.suffix.as_bytes());
        if argument > 0 && !route.has_argument {
            line.extend_from_slice(b"?page=");
            push_number(line, argument);
        }
    }

    /// Appends the referer, if there is one.
    fn push_referer(&self, line: &mut Vec<u8>, referer: Referer) -> bool {
        match referer {
            Referer::None => return false,
            Referer::Search => line.extend_from_slice(b"https://www.google.com/"),
            Referer::Social => line.extend_from_slice(b"https://news.ycombinator.com/"),
            Referer::Page(route) => {
                line.extend_from_slice(b"https://");
                line.extend_from_slice(self.site.name.as_bytes());
                line.extend_from_slice(b".example.com");
                line.extend_from_slice(self.site.routes[usize::from(route)].prefix.as_bytes());
            }
        }
        true
    }
}

/// Browsers and programs of today speak HTTP/2, old tools HTTP/1.1.
const fn protocol(request: &SimulatedRequest) -> &'static [u8] {
    if request.agent < 15 {
        b"HTTP/2.0"
    } else {
        b"HTTP/1.1"
    }
}

fn time_of_day(second: u32) -> [u8; 8] {
    let digit = |value: u32| b'0' + (value % 10) as u8;
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    [
        digit(hours / 10),
        digit(hours),
        b':',
        digit(minutes / 10),
        digit(minutes),
        b':',
        digit(seconds / 10),
        digit(seconds),
    ]
}

fn push_number(line: &mut Vec<u8>, mut value: u32) {
    let mut digits = [0_u8; 10];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[start..]);
}

/// Milliseconds as seconds with three decimals, as nginx's `$request_time`.
fn push_seconds(line: &mut Vec<u8>, milliseconds: u32) {
    push_number(line, milliseconds / 1000);
    let rest = milliseconds % 1000;
    let digit = |value: u32| b'0' + (value % 10) as u8;
    line.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

fn push_address(line: &mut Vec<u8>, address: Address) {
    match address {
        Address::V4(bits) => {
            let [a, b, c, d] = Ipv4Addr::from_bits(bits).octets();
            for (position, octet) in [a, b, c, d].into_iter().enumerate() {
                if position > 0 {
                    line.push(b'.');
                }
                push_number(line, u32::from(octet));
            }
        }
        Address::V6(bits) => {
            let network = ((bits >> 16) & 0xffff_ffff) as u16;
            let site = (bits >> 40) as u16;
            let host = bits as u16;
            let address = Ipv6Addr::new(0x2001, 0xdb8, network, site, 0, 0, 0, host | 1);
            // Canonical text (RFC 5952) is worth the formatter's cost for a quarter of the lines.
            write!(line, "{address}").expect("writing to a Vec does not fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(index: u32, change: impl FnOnce(&mut SimulatedRequest)) -> String {
        let site = SimulatedSite::new(1, index, 1.0, 0);
        let mut request = SimulatedRequest {
            at: 3_723_004,
            address: Address::V4(0xc000_0201),
            route: site.login,
            argument: 0,
            referer: Referer::Search,
            agent: 23,
            status: 401,
            bytes: 1234,
            latency: 1042,
        };
        change(&mut request);
        let mut bytes = Vec::new();
        let date = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
        LineWriter::new(&site, date).write(&mut bytes, &request);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_format_has_its_line() {
        let common = "192.0.2.1 - - [02/Mar/2026:01:02:03 +0000] \"POST /login HTTP/1.1\" 401 1234";
        let combined = format!("{common} \"https://www.google.com/\" \"curl/8.11.1\"");
        assert_eq!(line(0, |_| ()), format!("{combined} 1.042\n"));
        assert_eq!(line(1, |_| ()), format!("{combined}\n"));
        let api = combined.replace("/login", "/v1/login");
        assert_eq!(line(2, |_| ()), format!("api {api} 1.042\n"));
        assert_eq!(line(4, |_| ()), format!("{common}\n"));
        assert!(line(4, |request| request.bytes = 0).ends_with(" 401 -\n"));
        assert!(line(1, |request| request.referer = Referer::None).contains("1234 \"-\" \"curl"));
    }

    #[test]
    fn json_lines_are_json() {
        let value: serde_json::Value = serde_json::from_str(&line(3, |_| ())).unwrap();
        assert_eq!(value["time_iso8601"], "2026-03-02T01:02:03+00:00");
        assert_eq!(value["request_time"], 1.042);
        assert_eq!(value["status"], 401);
        assert_eq!(value["host"], "docs");
    }

    #[test]
    fn ipv6_is_canonical() {
        let text = line(1, |request| request.address = Address::of_visitor(17));
        let address = text.split(' ').next().unwrap();
        let visitor = (0..100_u64)
            .map(Address::of_visitor)
            .filter(|address| matches!(address, Address::V6(_)))
            .count();
        assert!((10..45).contains(&visitor), "{visitor} of 100 are IPv6");
        assert_eq!(
            address.parse::<std::net::IpAddr>().unwrap().to_string(),
            address
        );
    }
}
