//! A format, and lines read by it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anomalog_fuzz::logs::format(bytes));
