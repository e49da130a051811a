//! The `anomalog` command.

fn main() {}
