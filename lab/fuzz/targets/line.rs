//! One line.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anomalog_fuzz::logs::line(bytes));
