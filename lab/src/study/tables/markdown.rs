//! Parts of a Markdown document.

use anomalog::evaluation::bootstrap::Interval;

use crate::study::figures::{Figures, interval, mean};

/// What there is no figure of.
const NOTHING: &str = "–";

/// A row of a table.
pub(super) fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells
        .into_iter()
        .map(|cell| cell.replace('|', "\\|"))
        .collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The heading of a table.
pub(super) fn header(names: &[&str]) -> String {
    let rule = "---|".repeat(names.len());
    row(names.iter().map(|name| (*name).to_owned())) + &format!("|{rule}\n")
}

/// A mean with its interval.
pub(super) fn cell(interval: Option<&Interval>) -> String {
    match interval {
        None => NOTHING.to_owned(),
        Some(interval) => match interval.low.zip(interval.high) {
            Some((low, high)) => format!("{:.3} [{low:.2}, {high:.2}]", interval.mean),
            None => format!("{:.3}", interval.mean),
        },
    }
}

/// The mean of a figure with its interval.
pub(super) fn cell_of(figures: &Figures) -> String {
    cell(interval(figures).as_ref())
}

/// A mean rate with its interval.
pub(super) fn rate(interval: &Interval) -> String {
    let mean = interval.mean;
    let ends = interval.low.zip(interval.high);
    ends.map_or_else(
        || format!("{mean:.2}"),
        |(low, high)| format!("{mean:.2} [{low:.2}, {high:.2}]"),
    )
}

/// A number with so many digits after the point.
pub(super) fn number(figure: Option<f64>, digits: usize) -> String {
    figure.map_or(NOTHING.to_owned(), |figure| format!("{figure:.digits$}"))
}

/// The mean of a figure alone.
pub(super) fn mean_of(figures: &Figures, digits: usize) -> String {
    number(mean(figures), digits)
}

/// A title as a file name.
pub(super) fn slug(title: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    title
        .chars()
        .map(plain)
        .collect::<String>()
        .replace("--", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_columns() {
        assert_eq!(row(["a|b".to_owned(), String::new()]), "| a\\|b |  |\n");
        assert_eq!(header(&["a", "b"]), "| a | b |\n|---|---|\n");
        let pair = mean_of(
            &Figures::from([("x".to_owned(), 0.25), ("y".to_owned(), 0.75)]),
            2,
        );
        assert_eq!((pair.as_str(), number(None, 1).as_str()), ("0.50", "–"));
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(slug("web services, pooled"), "web-services-pooled");
    }
}
