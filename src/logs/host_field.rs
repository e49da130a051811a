//! Whether a field named `host` is the client, as Apache's `%h` is, or the site, as HTTP's `Host` is.
//!
//! It is the site where another field names the client. Otherwise it is the client where what stands
//! beside it is Apache's, or where most of its values are addresses: few clients ask for a site by one.
//! Host names alone may be both, so that nothing is read of them.

use std::collections::HashSet;

use super::client::{address, without_port};

/// The name of the field.
pub(super) const HOST: &str = "host";

/// Names of `%l`, which Apache's formats have behind `%h` and others have not.
const BESIDE_CLIENT: [&str; 4] = ["logname", "ident", "remote_logname", "rfc931"];

/// What the field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostHolds {
    Client,
    Site,
    /// It cannot be told; with a value, if there is one.
    Untold(Option<String>),
}

impl HostHolds {
    /// Tells it from whether another field names the client, from the names of all fields, in lower
    /// case, and from values.
    pub(super) fn told(
        has_client: bool,
        names: &HashSet<String>,
        values: impl FnOnce() -> Vec<String>,
    ) -> Self {
        if has_client {
            return Self::Site;
        }
        if BESIDE_CLIENT.iter().any(|name| names.contains(*name)) {
            return Self::Client;
        }
        let values = values();
        let addresses = values
            .iter()
            .filter(|value| address(without_port(value)).is_some())
            .count();
        if addresses > 0 && addresses * 2 >= values.len() {
            Self::Client
        } else {
            Self::Untold(values.into_iter().next())
        }
    }
}
