//! The job file as text: keys that `--set` overrides, and the line of a fault.

use std::path::Path;

use super::error::ConfigError;

/// Sets a key, such as `windows.step` or `logs.0.site`. A value that is no TOML is text.
pub(super) fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<(), String> {
    let parsed: Result<toml::Table, _> = toml::from_str(&format!("value = {value}"));
    let value = parsed
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let (path, last) = match key.rsplit_once('.') {
        Some((path, last)) => (path.split('.').collect(), last),
        None => (Vec::new(), key),
    };
    let mut place = table;
    let mut steps = path.into_iter().peekable();
    while let Some(step) = steps.next() {
        let entry = place
            .entry(step)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = match entry {
            toml::Value::Table(inner) => inner,
            toml::Value::Array(items) => {
                let number = steps.next().unwrap_or_default();
                let item = number
                    .parse()
                    .ok()
                    .and_then(|place: usize| items.get_mut(place));
                match item {
                    Some(toml::Value::Table(inner)) => inner,
                    _ => return Err(format!("`{step}` has no entry `{number}`")),
                }
            }
            _ => return Err(format!("`{step}` is no section")),
        };
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// A fault with the line that it is in.
pub(super) fn line_error(text: &str, file: &Path, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text[..start];
    let begin = before.rfind('\n').map_or(0, |end| end + 1);
    ConfigError::Line {
        path: file.to_owned(),
        line: before.matches('\n').count() + 1,
        text: text[begin..]
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned(),
        message: error.message().trim().replace('\n', ", "),
    }
}
