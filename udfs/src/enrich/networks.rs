//! The network that a client is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many leading bits of an address name its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefixLengths {
    /// Of IPv4, at most 32.
    pub v4: u8,
    /// Of IPv6, at most 128.
    pub v6: u8,
}

impl Default for PrefixLengths {
    /// A /24 for IPv4, the least that is routed, and a /48 for IPv6, the least that a site is given (RFC
    /// 6177 calls a /48 the upper end).
    fn default() -> Self {
        Self { v4: 24, v6: 48 }
    }
}

/// An address; of IPv4 also where it is written as IPv6.
pub(super) fn address(client: &str) -> Option<IpAddr> {
    // Nothing longer is one, and most names end here.
    let first = client.as_bytes().first()?;
    if !(first.is_ascii_hexdigit() || *first == b':') || client.len() > 45 {
        return None;
    }
    Some(client.parse::<IpAddr>().ok()?.to_canonical())
}

/// The network of a client, such as `203.0.113.0/24`; `None` for what is no address.
#[must_use]
pub fn client_network(client: &str, lengths: PrefixLengths) -> Option<String> {
    Some(match address(client)? {
        IpAddr::V4(address) => {
            let length = lengths.v4.min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            format!("{}/{length}", Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let length = lengths.v6.min(128);
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            format!("{}/{length}", Ipv6Addr::from(u128::from(address) & mask))
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_of_addresses() {
        for (client, network) in [
            ("203.0.113.77", Some("203.0.113.0/24")),
            ("::ffff:203.0.113.77", Some("203.0.113.0/24")),
            ("2001:db8:7:1::9", Some("2001:db8:7::/48")),
            ("2001:0DB8:0007:ffff:0:0:0:1", Some("2001:db8:7::/48")),
            ("::1", Some("::/48")),
            ("piweba3y.prodigy.com", None),
            ("fade.example", None),
            ("203.0.113.77:80", None),
            ("010.0.0.1", None),
            ("", None),
        ] {
            let found = client_network(client, PrefixLengths::default());
            assert_eq!(found.as_deref(), network, "{client}");
        }
    }

    #[test]
    fn prefixes_are_of_any_length() {
        for (v4, v6, expected) in [
            (0, 0, ["0.0.0.0/0", "::/0"]),
            (8, 1, ["255.0.0.0/8", "8000::/1"]),
            (
                32,
                128,
                [
                    "255.254.253.252/32",
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/128",
                ],
            ),
        ] {
            let lengths = PrefixLengths { v4, v6 };
            let clients = ["255.254.253.252", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc"];
            let found = clients.map(|client| client_network(client, lengths).unwrap());
            assert_eq!(found, expected);
        }
    }

    proptest! {
        #[test]
        fn what_lies_in_a_network_has_it(address: u32, host: u32, v4 in 0_u8..=32) {
            let mask = u32::MAX.checked_shr(u32::from(v4)).unwrap_or(0);
            let lengths = PrefixLengths { v4, v6: 48 };
            let network = |bits: u32| client_network(&Ipv4Addr::from(bits).to_string(), lengths);
            prop_assert_eq!(network(address), network(address & !mask | host & mask));
        }

        #[test]
        fn no_text_is_a_panic(client in "[0-9a-f:.%]{0,50}|\\PC{0,60}") {
            let _ = client_network(&client, PrefixLengths::default());
        }
    }
}
