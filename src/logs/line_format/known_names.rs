//! The names of formats, for messages.

use crate::explain::backticked;

/// Those that are compiled from a text, the most telling first.
pub(super) const KNOWN: [&str; 15] = [
    "alb",
    "elb",
    "s3",
    "haproxy",
    "haproxy-clf",
    "istio",
    "envoy",
    "traefik",
    "ingress-nginx",
    "squid",
    "main",
    "tomcat",
    "vhost_combined",
    "vhost_common",
    "combinedio",
];

/// Those that are read in ways of their own.
const OTHERS: [&str; 9] = [
    "auto", "common", "combined", "json", "ltsv", "w3c", "tsv", "csv", "parquet",
];

/// All names, in backticks.
pub(super) fn all() -> String {
    backticked(OTHERS.into_iter().chain(KNOWN))
}
