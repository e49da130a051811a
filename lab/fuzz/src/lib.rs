//! What is fuzzed: the files of `src/logs` that read lines, compiled without DataFusion, which would
//! take half an hour.
//!
//! ```text
//! cargo install cargo-fuzz
//! mkdir -p corpus && cp data/*.log corpus/
//! cargo +nightly fuzz run --fuzz-dir lab/fuzz --sanitizer none log corpus -- -max_len=4096 -max_total_time=1800
//! ```
//!
//! The targets are `format` (a format, and a line read by it), `log` (the beginning of a log, told and
//! read) and `line` (one line, by every reader).

// What reads lines takes its tables and errors from here in place of DataFusion.
extern crate self as datafusion;
pub use {arrow, parquet};

#[allow(dead_code)]
#[path = "../../../src/explain.rs"]
pub mod explain;
#[allow(dead_code)]
#[path = "../../../src/schema.rs"]
pub mod schema;

/// The readers of lines.
#[allow(dead_code, unused_imports)]
pub mod logs {
    mod fuzzed;

    #[path = "../../../../src/logs/absolute_url.rs"]
    mod absolute_url;
    #[path = "../../../../src/logs/access_evidence.rs"]
    mod access_evidence;
    #[path = "../../../../src/logs/access_format.rs"]
    mod access_format;
    #[path = "../../../../src/logs/access_layout.rs"]
    mod access_layout;
    #[path = "../../../../src/logs/access_line.rs"]
    mod access_line;
    #[path = "../../../../src/logs/aliases.rs"]
    mod aliases;
    #[path = "../../../../src/logs/block.rs"]
    mod block;
    #[path = "../../../../src/logs/client.rs"]
    mod client;
    #[path = "../../../../src/logs/column.rs"]
    mod column;
    #[path = "../../../../src/logs/cri.rs"]
    mod cri;
    #[path = "../../../../src/logs/delimited_line.rs"]
    mod delimited_line;
    #[path = "../../../../src/logs/detect.rs"]
    mod detect;
    #[path = "../../../../src/logs/duration.rs"]
    mod duration;
    #[path = "../../../../src/logs/field_map.rs"]
    mod field_map;
    #[path = "../../../../src/logs/fields.rs"]
    mod fields;
    #[path = "../../../../src/logs/host_field.rs"]
    mod host_field;
    #[path = "../../../../src/logs/json_line.rs"]
    mod json_line;
    #[path = "../../../../src/logs/layout.rs"]
    mod layout;
    #[path = "../../../../src/logs/line_format/mod.rs"]
    mod line_format;
    #[path = "../../../../src/logs/lines.rs"]
    mod lines;
    #[path = "../../../../src/logs/log_format.rs"]
    mod log_format;
    #[path = "../../../../src/logs/ltsv_line.rs"]
    mod ltsv_line;
    #[path = "../../../../src/logs/prefix.rs"]
    mod prefix;
    #[path = "../../../../src/logs/pseudonyms.rs"]
    mod pseudonyms;
    #[path = "../../../../src/logs/read_as.rs"]
    mod read_as;
    #[path = "../../../../src/logs/request.rs"]
    mod request;
    #[path = "../../../../src/logs/rows.rs"]
    mod rows;
    #[path = "../../../../src/logs/signs.rs"]
    mod signs;
    #[path = "../../../../src/logs/timestamp.rs"]
    mod timestamp;
    #[path = "../../../../src/logs/tokens.rs"]
    mod tokens;
    #[path = "../../../../src/logs/undetected.rs"]
    mod undetected;
    #[path = "../../../../src/logs/values.rs"]
    mod values;
    #[path = "../../../../src/logs/w3c_line.rs"]
    mod w3c_line;
    #[path = "../../../../src/logs/w3c_said.rs"]
    mod w3c_said;

    pub use client::{TrustedNetwork, TrustedProxies};
    pub use column::LogColumn;
    pub use field_map::FieldMap;
    pub use fuzzed::{format, line, log};
    pub use line_format::{FormatError, LineFormat};
    pub use log_format::{Format, LogFormat};
    pub use pseudonyms::Pseudonyms;
    pub use read_as::Reading;
    pub use timestamp::Timestamp;
}
