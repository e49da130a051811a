//! Dates in words.

use std::collections::BTreeSet;

/// How many dates there are, with the first and the last.
pub(super) fn span(dates: &BTreeSet<String>) -> String {
    match (dates.first(), dates.last()) {
        (Some(first), Some(last)) if first == last => format!("1 date, {first}"),
        (Some(first), Some(last)) => format!("{} dates, {first} to {last}", dates.len()),
        _ => "none".to_owned(),
    }
}
