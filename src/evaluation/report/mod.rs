//! What an evaluation says: for people, as Markdown, as one HTML page.

pub mod charts;
mod contents;
mod html;
mod page;
mod tables;

use std::fmt;

pub use contents::Report;
pub use page::{PageError, html_page};

use tables::{Table, tables};

impl Report {
    /// Its tables as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.conditions);
        for table in tables(self) {
            text.push_str(&format!("\n{}", table.markdown()));
        }
        text
    }
}

/// The tables for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.conditions)?;
        for table in tables(self) {
            write!(f, "\n\n{}", Table::text(&table))?;
        }
        Ok(())
    }
}
