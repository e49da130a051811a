//! The tables and plots of a study, as Markdown and SVG: figures, and no conclusion.
//!
//! How they are to be read, and what follows from them, stands in `docs/study.md`.

mod alarms;
mod cost;
mod differences;
mod error;
mod markdown;
mod overview;
mod results;
mod series;
mod source;

use super::lines::StudyLines;
use super::plan::Plan;
use super::records::Line;
use super::views;

pub(crate) use error::TablesError;
use source::Study;

/// Tables and plots.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Markdown.
    pub(crate) markdown: String,
    /// File name and SVG of each plot.
    pub(crate) plots: Vec<(String, String)>,
}

/// Makes both of complete lines.
///
/// # Errors
/// When lines are missing, or a plot cannot be drawn.
pub(crate) fn make_tables(lines: &StudyLines) -> Result<Tables, TablesError> {
    let first = lines.all().find_map(|line| match line {
        Line::Study {
            plan,
            machine,
            absent,
            ..
        } => Some((plan, machine, absent)),
        _ => None,
    });
    let Some((plan, machine, absent)) = first.filter(|_| lines.is_complete()) else {
        return Err(TablesError::Incomplete);
    };
    let views = views::all(lines);
    let study = Study {
        lines,
        plan,
        views: &views,
        untouched: views::untouched(lines),
    };
    let mut drawn = Vec::new();
    let mut text = head(&study, machine);
    text.push_str(&series::section(&study, absent));
    text.push_str(&overview::section(&study));
    text.push_str("## Results\n\n");
    for view in &views {
        text.push_str(&results::part(view, &mut drawn)?);
    }
    text.push_str(&alarms::section(&study, &mut drawn)?);
    text.push_str(&cost::section(&study));
    text.push_str(&differences::section(&study));
    Ok(Tables {
        markdown: text.trim_end().to_owned() + "\n",
        plots: drawn,
    })
}

fn head(study: &Study<'_>, machine: &str) -> String {
    let seconds = study.lines.all().filter_map(|line| match line {
        Line::Done { seconds, .. } => Some(*seconds),
        _ => None,
    });
    let warning = if *study.plan == Plan::quick() {
        "**Made with `--quick`: the figures mean nothing.**\n\n"
    } else {
        ""
    };
    format!(
        "# Tables of the study\n\n{warning}\
         Made by `anomalog-lab study` in {:.0} minutes on {machine}, from {} results; not edited by \
         hand. [The study](../study.md) says how to read them.\n\n",
        seconds.sum::<f64>() / 60.0,
        study.lines.records().count()
    )
}
