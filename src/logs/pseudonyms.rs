//! Pseudonyms in the place of clients' addresses: nobody without the key can tell whose they are.
//!
//! Addresses that share a prefix have pseudonyms that share one of the same length, so that networks
//! still are networks: Crypto-PAn (Xu, Fan, Ammar & Moon, "Prefix-Preserving IP Address Anonymization",
//! ICNP 2002), with AES-128 as its function, over the 32 bits of IPv4 and the 128 of IPv6. An address
//! is one address in all ways to write it. What is no address, a host name, becomes a keyed digest.
//!
//! Such pseudonyms are no anonymity: who knows some addresses and their pseudonyms knows the prefixes
//! of others, which the authors work out.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use super::client::{address, without_port};

/// Hexadecimal digits of a host's pseudonym: among a million hosts two are alike with a chance of 3 in
/// 100 million.
const HOST_DIGITS: usize = 16;

/// Bytes of a key, each of two digits.
const KEY_BYTES: usize = 32;

/// The bytes of a key, which are shown nowhere.
pub(super) struct Secret([u8; KEY_BYTES]);

impl From<[u8; KEY_BYTES]> for Secret {
    fn from(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }
}

impl Secret {
    const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// 16 digits that tell the key from others, and nothing else of it.
    fn fingerprint(&self) -> String {
        let digest = blake3::derive_key(
            "anomalog 2026-11-29 fingerprint of a pseudonym key",
            &self.0,
        );
        blake3::Hash::from_bytes(digest).to_hex()[..16].to_owned()
    }

    /// The key of 64 hexadecimal digits; what is wrong with the text otherwise.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().as_bytes();
        if text.len() != 2 * KEY_BYTES {
            return Err(format!("{} characters", text.len()));
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                return Err("other characters among them".to_owned());
            };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(bytes))
    }
}

/// Gives clients their pseudonyms.
pub struct Pseudonyms {
    cipher: Aes128,
    /// The padding of Crypto-PAn, encrypted.
    pad: u128,
    host_key: [u8; 32],
    fingerprint: String,
}

impl Pseudonyms {
    /// The pseudonyms of a key: 16 bytes for the cipher, and 16 for the padding.
    pub(super) fn new(secret: &Secret) -> Self {
        let bytes = secret.bytes();
        let (key, padding) = bytes.split_at(16);
        let mut first = [0; 16];
        first.copy_from_slice(key);
        let cipher = Aes128::new(&Array::from(first));
        first.copy_from_slice(padding);
        let mut pad = Array::from(first);
        cipher.encrypt_block(&mut pad);
        Self {
            cipher,
            pad: u128::from_be_bytes(pad.into()),
            host_key: blake3::derive_key("anomalog 2026-11-29 pseudonyms of host names", bytes),
            fingerprint: secret.fingerprint(),
        }
    }

    /// What tells the key from others, and nothing else of it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The pseudonym of a client as a log has it, an address or a host name. Where there is none,
    /// nothing or `-`, there is still none.
    #[must_use]
    pub fn of<'a>(&self, client: &'a str) -> Cow<'a, str> {
        if client.is_empty() || client == "-" {
            return Cow::Borrowed(client);
        }
        Cow::Owned(match address(without_port(client)) {
            Some(address) => self.of_address(address).to_string(),
            None => self.of_host(client),
        })
    }

    fn of_address(&self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                // The bits are the first ones of a block.
                let bits = u128::from(u32::from(address)) << 96;
                let flips = self.flips::<32>(bits);
                Ipv4Addr::from(((bits ^ flips) >> 96) as u32).into()
            }
            IpAddr::V6(address) => {
                let bits = u128::from(address);
                Ipv6Addr::from(bits ^ self.flips::<128>(bits)).into()
            }
        }
    }

    /// Which of the first bits are turned over: each by what the cipher makes of those before it.
    fn flips<const BITS: usize>(&self, bits: u128) -> u128 {
        let mut blocks = [Array::from([0; 16]); BITS];
        for (before, block) in blocks.iter_mut().enumerate() {
            let kept = u128::MAX.checked_shr(before as u32).unwrap_or(0);
            *block = Array::from((bits & !kept | self.pad & kept).to_be_bytes());
        }
        self.cipher.encrypt_blocks(&mut blocks);
        let first_bits = blocks.iter().map(|block| u128::from(block[0] >> 7));
        first_bits
            .enumerate()
            .fold(0, |flips, (at, bit)| flips | bit << (127 - at))
    }

    fn of_host(&self, name: &str) -> String {
        // Names of hosts have no cases (RFC 4343).
        let digest = blake3::keyed_hash(&self.host_key, name.to_ascii_lowercase().as_bytes());
        format!("host-{}", &digest.to_hex()[..HOST_DIGITS])
    }
}

// The key itself must not be shown.
impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Pseudonyms {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Pseudonyms {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key of the sample that comes with Crypto-PAn 1.0.
    const PUBLISHED: [u8; 32] = [
        21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131,
        121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
    ];

    fn published() -> Pseudonyms {
        Pseudonyms::new(&Secret::from(PUBLISHED))
    }

    /// IPv4 is from the sample trace of Crypto-PAn 1.0, IPv6 from the package `yacryptopan` 1.0.2.
    #[test]
    fn addresses_have_their_published_pseudonyms() {
        let pseudonyms = published();
        for (address, pseudonym) in [
            ("128.11.68.132", "135.242.180.132"),
            ("129.118.74.4", "134.136.186.123"),
            ("130.132.252.244", "133.68.164.234"),
            ("141.223.7.43", "141.167.8.160"),
            ("141.233.145.108", "141.129.237.235"),
            ("152.163.225.39", "151.140.114.167"),
            ("156.29.3.236", "147.225.12.42"),
            ("165.247.96.84", "162.9.99.234"),
            ("166.107.77.190", "160.132.178.185"),
            ("192.102.249.13", "252.138.62.131"),
            ("0.0.0.0", "120.255.240.1"),
            ("255.255.255.255", "206.120.97.255"),
            ("::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"),
            ("::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef"),
            ("2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"),
            ("2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"),
            ("2001:db8:7:1::9", "4401:2bc:6039:3e2:fc70:3000:1ef8:11d"),
            ("ff00::", "cef0:f003:e03c:700:9c70:5e0e:f6fb:c1ef"),
        ] {
            assert_eq!(pseudonyms.of(address), pseudonym, "{address}");
        }
    }

    #[test]
    fn an_address_is_one_however_it_is_written() {
        let pseudonyms = published();
        for (written, alike) in [
            ("::ffff:128.11.68.132", "128.11.68.132"),
            ("128.11.68.132:4711", "128.11.68.132"),
            ("[::1]", "::1"),
            ("[::1]:80", "::1"),
            ("2001:0DB8:0:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("PPP.example", "ppp.example"),
        ] {
            assert_eq!(pseudonyms.of(written), pseudonyms.of(alike), "{written}");
        }
        assert_eq!([pseudonyms.of(""), pseudonyms.of("-")], ["", "-"]);
    }

    #[test]
    fn hosts_are_digests_that_depend_on_the_key() {
        let of = |key: u8| {
            Pseudonyms::new(&Secret::from([key; 32]))
                .of("ppp.example")
                .into_owned()
        };
        assert!(of(1).starts_with("host-") && of(1).len() == 5 + HOST_DIGITS);
        assert_ne!(of(1), of(2));
        let shown = format!(
            "Pseudonyms {{ fingerprint: {:?}, .. }}",
            published().fingerprint()
        );
        assert_eq!(format!("{:?}", published()), shown);
    }

    proptest! {
        #[test]
        fn prefixes_stay_as_long_as_they_are(a: u32, b: u32, c: u128, d: u128, shared in 0_u32..128) {
            let pseudonyms = published();
            let common4 = |a: IpAddr, b: IpAddr| match (a, b) {
                (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
                (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
                _ => 999,
            };
            let of = |address: IpAddr| pseudonyms.of(&address.to_string()).parse::<IpAddr>().unwrap();
            // Two that share a beginning.
            let b = b ^ (a ^ b) & !u32::MAX.checked_shr(shared % 32).unwrap();
            let d = d ^ (c ^ d) & !u128::MAX.checked_shr(shared).unwrap();
            let pairs = [
                (Ipv4Addr::from(a).into(), Ipv4Addr::from(b).into()),
                (Ipv6Addr::from(c | 1 << 127).into(), Ipv6Addr::from(d | 1 << 127).into()),
            ];
            for (one, other) in pairs {
                prop_assert_eq!(common4(one, other), common4(of(one), of(other)));
            }
        }

        #[test]
        fn no_text_shows_through(client in "\\PC{1,60}") {
            let found = published().of(&client).into_owned();
            prop_assert!(client == "-" || found.starts_with("host-") || found.parse::<IpAddr>().is_ok());
        }
    }
}
