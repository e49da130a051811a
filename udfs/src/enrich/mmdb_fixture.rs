//! Writes small files in MaxMind's format (MaxMind DB 2.0), for tests.

use std::net::{IpAddr, Ipv6Addr};

/// A value of a record.
pub(crate) enum Value {
    Text(&'static str),
    Number(u32),
    Map(Vec<(&'static str, Value)>),
}

/// A file of a kind that knows the records of some networks, such as `203.0.113.0/24`.
pub(crate) fn mmdb(kind: &'static str, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut tree = vec![[Target::Nothing; 2]];
    let mut data = Vec::new();
    for (network, record) in networks {
        let (bits, length) = prefix(network);
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                tree[node][side] = Target::Data(data.len() as u32);
            } else if let Target::Node(next) = tree[node][side] {
                node = next as usize;
            } else {
                tree[node][side] = Target::Node(tree.len() as u32);
                node = tree.len();
                tree.push([Target::Nothing; 2]);
            }
        }
        value(&mut data, record);
    }
    let nodes = tree.len() as u32;
    let mut file = Vec::new();
    for target in tree.into_iter().flatten() {
        let number = match target {
            Target::Nothing => nodes,
            Target::Node(node) => node,
            // Behind the tree are 16 zeros.
            Target::Data(offset) => nodes + 16 + offset,
        };
        file.extend(number.to_be_bytes());
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    metadata(&mut file, kind, nodes);
    file
}

#[derive(Clone, Copy)]
enum Target {
    Nothing,
    Node(u32),
    Data(u32),
}

/// The bits of a network and how many count; IPv4 lies in the first 2^32 addresses of IPv6.
fn prefix(network: &str) -> (u128, u32) {
    let (address, length) = network.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    match address.parse().unwrap() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 96 + length),
        IpAddr::V6(address) => (u128::from(Ipv6Addr::from(address.octets())), length),
    }
}

fn metadata(file: &mut Vec<u8>, kind: &'static str, nodes: u32) {
    let short = |file: &mut Vec<u8>, number: u16| {
        control(file, 5, 2);
        file.extend(number.to_be_bytes());
    };
    control(file, 7, 9);
    text(file, "node_count");
    value(file, &Value::Number(nodes));
    text(file, "record_size");
    short(file, 32);
    text(file, "ip_version");
    short(file, 6);
    text(file, "database_type");
    text(file, kind);
    text(file, "languages");
    // An array without elements, and a number of eight bytes: their kinds have a byte of their own.
    file.extend([0, 11 - 7]);
    text(file, "binary_format_major_version");
    short(file, 2);
    text(file, "binary_format_minor_version");
    short(file, 0);
    text(file, "build_epoch");
    file.extend([8, 9 - 7]);
    file.extend(1_772_000_000_u64.to_be_bytes());
    text(file, "description");
    control(file, 7, 0);
}

fn value(out: &mut Vec<u8>, written: &Value) {
    match written {
        Value::Text(content) => text(out, content),
        Value::Number(number) => {
            control(out, 6, 4);
            out.extend(number.to_be_bytes());
        }
        Value::Map(entries) => {
            control(out, 7, entries.len());
            for (key, entry) in entries {
                text(out, key);
                value(out, entry);
            }
        }
    }
}

fn text(out: &mut Vec<u8>, content: &str) {
    control(out, 2, content.len());
    out.extend(content.as_bytes());
}

/// The kind of a value and its size, which must be short.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    assert!(size < 29, "longer values are not needed in tests");
    out.push(kind << 5 | size as u8);
}
