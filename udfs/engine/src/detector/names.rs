//! The names that detectors can have.

/// The name by which calls mean the baseline, which is no detector.
pub const BASELINE: &str = "baseline";

/// Whether a name can be a folder and an SQL literal on every system: ASCII letters, digits,
/// `_`, `-` and `.`, not starting with a dot.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}
