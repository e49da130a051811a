//! What the queries of incidents need beside SQL.
//!
//! | function | result |
//! |---|---|
//! | `incident_id(series, started_at)` | STRING: names an incident, the same in every run |
//! | `client_network(client_ip)` | STRING: the /24 of an IPv4, the /48 of an IPv6 address; NULL for what is no address |
//! | `path_folder(path)` | STRING: the path up to its last slash; empty for one without |
//! | `value_bucket(value)` | INT in [0, 4096): where a value is counted while there may be too many values |
//!
//! NULL in gives NULL out. Values come from whoever sends requests: they are hashed or parsed as an
//! address, and never interpreted otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, StringViewArray, StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use twox_hash::XxHash64;

use crate::schema::timestamp_type;

/// Buckets of [`value_bucket`].
const BUCKET_BITS: u32 = 12;

/// Hexadecimal digits of an identity: 64 bits, so that among a million incidents two are alike with
/// a chance of 3 in 100 million.
const ID_DIGITS: usize = 16;

/// Registers every function.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in Function::ALL {
        let function = ScalarUDF::new_from_impl(IncidentFunction {
            function,
            signature: Signature::user_defined(Volatility::Immutable),
        });
        registry.register_udf(Arc::new(function))?;
    }
    Ok(())
}

/// Names the incident of a series that starts at a time, in microseconds since the epoch.
#[must_use]
pub fn incident_id(series: &str, started_at: i64) -> String {
    let mut digest = blake3::Hasher::new();
    // Fixed length first, so that no other series and time make the same bytes.
    digest.update(&started_at.to_le_bytes());
    digest.update(series.as_bytes());
    digest.finalize().to_hex()[..ID_DIGITS].to_owned()
}

/// The network of a client: /24 for IPv4, also where it is written as IPv6, and /48 for IPv6, the
/// least that a site is given (RFC 6177 calls a /48 the upper end); `None` for what is no address.
#[must_use]
pub fn client_network(client: &str) -> Option<String> {
    match client.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Some(format!("{}/24", Ipv4Addr::new(a, b, c, 0)))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
        }
    }
}

/// The path up to and with its last slash: what `/orders/1` and `/orders/2` have in common.
#[must_use]
pub fn path_folder(path: &str) -> &str {
    &path[..path.rfind('/').map_or(0, |slash| slash + 1)]
}

/// Where a value is counted.
#[must_use]
pub fn value_bucket(value: &str) -> i32 {
    (XxHash64::oneshot(0, value.as_bytes()) >> (u64::BITS - BUCKET_BITS)) as i32
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    IncidentId,
    ClientNetwork,
    PathFolder,
    ValueBucket,
}

impl Function {
    const ALL: [Self; 4] = [
        Self::IncidentId,
        Self::ClientNetwork,
        Self::PathFolder,
        Self::ValueBucket,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::IncidentId => "incident_id",
            Self::ClientNetwork => "client_network",
            Self::PathFolder => "path_folder",
            Self::ValueBucket => "value_bucket",
        }
    }

    fn argument_types(self) -> Vec<DataType> {
        match self {
            Self::IncidentId => vec![DataType::Utf8View, timestamp_type()],
            Self::ClientNetwork | Self::PathFolder | Self::ValueBucket => vec![DataType::Utf8View],
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::IncidentId => "incident_id(site, started_at)",
            Self::ClientNetwork => "client_network(client_ip)",
            Self::PathFolder => "path_folder(path)",
            Self::ValueBucket => "value_bucket(path)",
        }
    }

    fn of(self, arguments: &[ArrayRef]) -> ArrayRef {
        let texts = arguments[0].as_string_view();
        match self {
            Self::IncidentId => {
                let times = arguments[1].as_primitive::<TimestampMicrosecondType>();
                let rows = texts.iter().zip(times);
                let ids = rows.map(|(series, time)| Some(incident_id(series?, time?)));
                Arc::new(ids.collect::<StringViewArray>())
            }
            // Clients share networks, and paths folders.
            Self::ClientNetwork => Arc::new(deduplicated(texts, client_network)),
            Self::PathFolder => Arc::new(deduplicated(texts, |path| Some(path_folder(path)))),
            Self::ValueBucket => {
                let buckets = texts.iter().map(|value| value.map(value_bucket));
                Arc::new(buckets.collect::<Int32Array>())
            }
        }
    }
}

/// What a function makes of texts, each result kept once.
fn deduplicated<'a, T: AsRef<str>>(
    texts: &'a StringViewArray,
    function: impl Fn(&'a str) -> Option<T>,
) -> StringViewArray {
    let mut results = StringViewBuilder::with_capacity(texts.len()).with_deduplicate_strings();
    for text in texts {
        results.append_option(text.and_then(&function));
    }
    results.finish()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct IncidentFunction {
    function: Function,
    signature: Signature,
}

impl ScalarUDFImpl for IncidentFunction {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let expected = self.function.argument_types();
        let is_text = |found: &DataType| found.is_string() || found.is_null();
        let is_time =
            |found: &DataType| matches!(found, DataType::Timestamp(..)) || found.is_null();
        let fits =
            expected.len() == found.len() && is_text(&found[0]) && found.get(1).is_none_or(is_time);
        if !fits {
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            return plan_err!(
                "`{}` expects text{}, found ({})\nhint: `{}`",
                self.name(),
                if expected.len() > 1 {
                    " and a timestamp"
                } else {
                    ""
                },
                found.join(", "),
                self.function.example()
            );
        }
        Ok(expected)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(match self.function {
            Function::IncidentId | Function::ClientNetwork | Function::PathFolder => {
                DataType::Utf8View
            }
            Function::ValueBucket => DataType::Int32,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(self.function.of(&arrays)))
    }
}

#[cfg(test)]
mod tests {
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
            ("203.0.113.77:80", None),
            ("010.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(client_network(client).as_deref(), network, "{client}");
        }
    }

    #[test]
    fn folders_of_paths() {
        for (path, folder) in [
            ("/v1/orders/17", "/v1/orders/"),
            ("/v1/orders/", "/v1/orders/"),
            ("/", "/"),
            ("/é/ü", "/é/"),
            ("*", ""),
            ("", ""),
        ] {
            assert_eq!(path_folder(path), folder);
        }
    }

    #[test]
    fn identities_depend_on_series_and_time_alone() {
        let id = incident_id("shop", 1_772_000_000_000_000);
        assert_eq!(id.len(), ID_DIGITS);
        assert_eq!(id, incident_id("shop", 1_772_000_000_000_000));
        assert_ne!(id, incident_id("shop", 1_772_000_060_000_000));
        assert_ne!(id, incident_id("blog", 1_772_000_000_000_000));
        // Written down, so that an update of the program cannot rename stored incidents.
        assert_eq!(id, "1edd7265fe434ffd");
    }

    #[test]
    fn buckets_are_spread() {
        let mut counts = [0_u32; 1 << BUCKET_BITS];
        for number in 0..40_960 {
            counts[value_bucket(&format!("/path/{number}")) as usize] += 1;
        }
        // Ten each on average; Poisson has more than 40 in one of 4096 with a chance of 1 in 10^9.
        assert!(counts.iter().all(|count| *count < 40));
    }
}
