//! What happened, for people: a page with pictures, and an incident on the terminal.
//!
//! ```text
//! scored_windows, incidents, incident_causes, labels, logs, runs ─▶ overview ─▶ markup ─▶ report.html
//!                                                                     │  ▲
//!                                                       pictures ─▶ drawing (SVG), terminal (text)
//! ```
//!
//! The page is a function of the tables alone: no clock is read, so that the same warehouse gives the same
//! bytes.

mod cards;
mod drawing;
mod error;
mod further;
mod markup;
mod overview;
mod pictures;
mod scored;
mod sections;
mod terminal;
mod wording;

pub use error::{Error, Result};
pub use overview::ReportRange;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::incidents::feedback::{IncidentLabel, IncidentLabels};
use crate::incidents::{ListedIncident, incidents_of};
use crate::session::Session;
use crate::units::time_range;
use crate::warehouse::settings::WindowSettings;
use crate::warehouse::{Warehouse, publish};
use overview::Overview;

/// The name of the page in a warehouse.
pub const FILE: &str = "report.html";

/// Where the page of a warehouse lies.
#[must_use]
pub fn path(warehouse: &Warehouse) -> PathBuf {
    warehouse.root().join(FILE)
}

/// What a page was written of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// Incidents on it.
    pub incidents: usize,
    /// Series on it.
    pub series: usize,
}

/// Writes the page to a file.
///
/// # Errors
/// When nothing was scored, a series that is asked for is not there, a table cannot be read or the file
/// not be written.
pub async fn write(session: &Session, range: &ReportRange, path: &Path) -> Result<Written> {
    let overview = Overview::read(session, range).await?;
    let page = markup::page(&overview)?;
    publish::write(path, &page)?;
    Ok(Written {
        path: path.to_owned(),
        bytes: page.len(),
        incidents: overview.incidents.len(),
        series: overview.series.len(),
    })
}

/// An incident as it is shown on the terminal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownIncident {
    /// All that is stored of it.
    #[serde(flatten)]
    pub incident: ListedIncident,
    /// What was said of it, if anything.
    pub label: Option<IncidentLabel>,
    /// A picture of its metric, in lines of text.
    #[serde(skip)]
    pub picture: String,
    /// Queries to go on with.
    pub queries: Vec<String>,
}

/// Finds an incident by its id, or by as many of its first digits as it takes.
///
/// # Errors
/// When there is none, or more than one, or a table cannot be read.
pub fn find(warehouse: &Warehouse, asked: &str) -> Result<ListedIncident> {
    let all = incidents_of(warehouse, &time_range(None, None))?;
    let asked = asked.trim().to_ascii_lowercase();
    let mut found: Vec<ListedIncident> = (all.into_iter())
        .filter(|incident| !asked.is_empty() && incident.incident.incident_id.starts_with(&asked))
        .collect();
    match (found.len(), found.pop()) {
        (1, Some(incident)) => Ok(incident),
        (count, _) => Err(Error::NoIncident {
            asked,
            found: count,
        }),
    }
}

/// All that is known of an incident.
///
/// # Errors
/// As [`find`], and when its windows cannot be read.
pub async fn show(session: &Session, asked: &str) -> Result<ShownIncident> {
    let warehouse = session.warehouse();
    let incident = find(warehouse, asked)?;
    let settings = WindowSettings::load(warehouse)?;
    let scored = scored::ScoredDates::of(session).await?;
    let step = settings.step.micros();
    let pictures = pictures::pictures(session, &scored, &[&incident.incident], step).await?;
    let labels = IncidentLabels::load(warehouse)?;
    Ok(ShownIncident {
        label: labels.of(&incident.incident.incident_id).cloned(),
        picture: pictures.first().map(terminal::draw).unwrap_or_default(),
        queries: further::queries(&incident, settings.series_key.as_sql()),
        incident,
    })
}
