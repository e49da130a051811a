//! Who the client of a request is.
//!
//! A proxy's own address is that of its peer, and it may tell whom it speaks for in a list such as
//! `X-Forwarded-For`, to which every proxy appends the address of its own peer. Everything in the
//! list left of what a trusted proxy wrote may be made up by the client. So the client is the
//! right-most address that is no trusted proxy.
//!
//! - With networks that are trusted, peers outside them are clients themselves.
//! - Without, the peer is the client. Only where a list stands in the place of the client, before
//!   the time or without any peer, private addresses (RFC 1918, RFC 4193, RFC 6598, loopback and
//!   link-local) are taken for proxies.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use super::request::{Request, is_port, present};

/// The networks whose proxies are trusted to tell whom they speak for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Proxies in these networks, in whatever order they are named.
    #[must_use]
    pub fn of(networks: impl IntoIterator<Item = TrustedNetwork>) -> Self {
        let mut networks: Vec<IpNet> = networks.into_iter().map(|network| network.0).collect();
        networks.sort_unstable();
        networks.dedup();
        Self(networks)
    }

    /// The networks as text.
    pub fn networks(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request.
    pub(super) fn client<'r>(&self, request: &'r Request<'_>) -> &'r str {
        let peer = without_port(present(&request.client_ip).unwrap_or_default());
        // A list may stand in the place of the peer.
        let (list, peer) = match (&request.forwarded_for, peer.contains(',')) {
            (None, false) => return peer,
            (None, true) => (peer, ""),
            // A list in the place of the peer was written by the server itself.
            (Some(_), true) => (peer, ""),
            (Some(list), false) => (&**list, peer),
        };
        if self.is_empty() && !request.is_forwarded_first && !peer.is_empty() {
            return peer;
        }
        let is_proxy = |name: &str| {
            address(name).is_some_and(|address| {
                if self.is_empty() {
                    is_private(address)
                } else {
                    self.has(address)
                }
            })
        };
        let mut client = peer;
        if peer.is_empty() || is_proxy(peer) {
            for entry in list.rsplit(',') {
                let Some(name) = forwarded_name(entry) else {
                    break;
                };
                client = name;
                if !is_proxy(name) {
                    break;
                }
            }
        }
        client
    }
}

/// A network in which proxies are trusted, such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedNetwork(IpNet);

impl FromStr for TrustedNetwork {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, UnknownNetwork> {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network
            .map(|network| Self(network.trunc()))
            .map_err(|_| UnknownNetwork {
                text: text.to_owned(),
            })
    }
}

/// Text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a network such as `10.0.0.0/8` or an address, found `{text}`")]
pub struct UnknownNetwork {
    /// The text.
    pub text: String,
}

/// The address or name that an entry of a list tells; nothing for `-`, `unknown` and hidden ones.
fn forwarded_name(entry: &str) -> Option<&str> {
    let mut entry = entry.trim_ascii();
    // RFC 7239: `for="[2001:db8::1]:4711";proto=https`.
    if let Some(pair) = entry.split(';').map(str::trim_ascii).find(|pair| {
        pair.get(..4)
            .is_some_and(|key| key.eq_ignore_ascii_case("for="))
    }) {
        entry = &pair[4..];
    }
    let name = without_port(entry.trim_matches('"'));
    (present(name).is_some() && address(name).is_some()).then_some(name)
}

/// An address or host name without the port behind it and the brackets around it.
pub(super) fn without_port(text: &str) -> &str {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split_once(']').map_or(inner, |(address, _)| address);
    }
    match memchr::memchr(b':', text.as_bytes()) {
        // Two colons make an address of IPv6, which has no port without brackets.
        Some(colon) if is_port(&text[colon + 1..]) => &text[..colon],
        Some(_) if text.starts_with("unix:") => "",
        _ => text,
    }
}

/// Reads an address, with or without zone.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let plain = text.split_once('%').map_or(text, |(address, _)| address);
    let address: IpAddr = plain.parse().ok()?;
    Some(address.to_canonical())
}

/// Whether text is an address or, by its form, a host name.
pub(super) fn is_client(text: &str) -> bool {
    address(text).is_some() || is_host_name(text)
}

/// Whether text can be a host name: letters, digits, `-`, `_` and dots, and a letter among them.
pub(super) fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether an address is none of the public Internet.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6 == Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logs::request::Request;

    fn trusted(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::of(networks.iter().map(|network| network.parse().unwrap()))
    }

    fn client(proxies: &TrustedProxies, peer: &str, list: Option<&str>, first: bool) -> String {
        let request = Request {
            client_ip: peer.into(),
            forwarded_for: list.map(Into::into),
            is_forwarded_first: first,
            ..Request::default()
        };
        proxies.client(&request).to_owned()
    }

    #[test]
    fn without_trust_the_peer_is_the_client() {
        let none = TrustedProxies::default();
        for (peer, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:42918", "203.0.113.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("client7.example.net", "client7.example.net"),
            ("unix:", ""),
            ("-", ""),
        ] {
            assert_eq!(client(&none, peer, None, false), expected);
            // What a client makes up counts only where no peer is written.
            let with_list = client(&none, peer, Some("192.0.2.1"), false);
            let expected = if expected.is_empty() {
                "192.0.2.1"
            } else {
                expected
            };
            assert_eq!(with_list, expected, "{peer}");
        }
        assert_eq!(
            client(&none, "10.0.0.2", Some("203.0.113.7"), false),
            "10.0.0.2"
        );
    }

    #[test]
    fn a_list_in_the_place_of_the_client_names_it() {
        let none = TrustedProxies::default();
        assert_eq!(
            client(&none, "203.0.113.7, 10.0.0.1", None, false),
            "203.0.113.7"
        );
        assert_eq!(
            client(&none, "10.0.0.2", Some("203.0.113.7"), true),
            "203.0.113.7"
        );
        assert_eq!(client(&none, "10.0.0.2", Some("-"), true), "10.0.0.2");
        assert_eq!(
            client(&none, "", Some("192.0.2.66, 203.0.113.7, 10.0.0.1"), false),
            "203.0.113.7"
        );
        // The peer is no proxy.
        assert_eq!(
            client(&none, "198.51.100.1", Some("203.0.113.7"), true),
            "198.51.100.1"
        );
    }

    #[test]
    fn the_right_most_address_that_is_not_trusted_is_the_client() {
        let proxies = trusted(&["10.0.0.0/8", "2001:db8:1::/48", "198.51.100.7"]);
        for (peer, list, expected) in [
            ("10.0.0.2", "203.0.113.7", "203.0.113.7"),
            ("10.0.0.2", "192.0.2.66, 203.0.113.7", "203.0.113.7"),
            (
                "10.0.0.2",
                "192.0.2.66, 203.0.113.7, 198.51.100.7",
                "203.0.113.7",
            ),
            ("203.0.113.9", "192.0.2.66", "203.0.113.9"),
            ("10.0.0.2", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
            ("10.0.0.2", "203.0.113.7, unknown", "10.0.0.2"),
            (
                "10.0.0.2",
                "for=\"[2001:db8::7]:4711\";proto=https",
                "2001:db8::7",
            ),
            ("2001:db8:1::2", "203.0.113.7:9", "203.0.113.7"),
            ("::ffff:10.0.0.2", "203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(
                client(&proxies, peer, Some(list), false),
                expected,
                "{peer} {list}"
            );
        }
    }

    #[test]
    fn networks_are_read() {
        assert!("10.0.0.0/8".parse::<TrustedNetwork>().is_ok());
        assert!("::1".parse::<TrustedNetwork>().is_ok());
        let named = ["::1", "192.0.2.7", "10.0.0.0/8", "10.1.2.3/8", "::1/128"];
        assert_eq!(
            trusted(&named).networks().collect::<Vec<_>>(),
            ["10.0.0.0/8", "192.0.2.7/32", "::1/128"]
        );
        assert_eq!(
            trusted(&named),
            trusted(&["192.0.2.7", "::1", "10.0.0.0/8"])
        );
        let error = "10.0.0.0/99".parse::<TrustedNetwork>().unwrap_err();
        assert!(error.to_string().contains("`10.0.0.0/99`"), "{error}");
    }

    proptest! {
        #[test]
        fn a_made_up_beginning_never_changes_the_client(made_up in "[0-9a-f.:, ]{0,40}") {
            let proxies = trusted(&["10.0.0.0/8"]);
            let list = format!("{made_up}, 203.0.113.7, 10.0.0.9");
            prop_assert_eq!(client(&proxies, "10.0.0.2", Some(&list), false), "203.0.113.7");
            prop_assert_eq!(client(&TrustedProxies::default(), "", Some(&list), true), "203.0.113.7");
        }

        #[test]
        fn no_text_makes_it_panic(peer in "\\PC*", list in "\\PC*") {
            let _ = client(&trusted(&["10.0.0.0/8"]), &peer, Some(&list), true);
            let _ = is_client(&peer);
        }
    }
}
