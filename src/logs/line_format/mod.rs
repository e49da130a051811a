//! Formats of lines as servers are told them: nginx' `log_format`, Apache's `LogFormat`, and the
//! access log formats of Envoy and HAProxy.
//!
//! A format is compiled once into [`LineFormat`]: the fields of a line in their order, each with
//! the text that follows it. Fields that a column of `access_logs` can hold are read; all others
//! are skipped by their grammar.
//!
//! | dialect | how a field is written | source |
//! |---|---|---|
//! | nginx | `$request_time`, `${status}` | <https://nginx.org/en/docs/varindex.html>, `ngx_http_log_module` |
//! | Apache | `%D`, `%{Referer}i`, `%>s` | <https://httpd.apache.org/docs/2.4/mod/mod_log_config.html> |
//! | Envoy | `%DURATION%`, `%REQ(:PATH)%` | <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage> |
//! | HAProxy | `%Ta`, `%[capture…]`, `%{+Q}r` | <https://docs.haproxy.org/2.8/configuration.html#8.2.6> |
//!
//! Names of usual formats ([`known`]) stand for what their servers write by default.

mod apache;
mod compile;
mod compiled;
mod configuration;
mod envoy;
mod error;
mod field;
mod haproxy;
mod hint;
mod known;
mod nginx;
mod read;
mod single;
mod strftime;

#[cfg(test)]
mod tests;

use std::str::FromStr;

pub use compiled::LineFormat;
pub use error::{FormatError, FormatFault};
pub(super) use known::{KNOWN, KnownFormat, Telling};

impl FromStr for LineFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match known::named(text.trim()) {
            Some(format) => Ok(format.clone()),
            None => compile::compile(text, None),
        }
    }
}
