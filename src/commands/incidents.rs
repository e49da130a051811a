//! `anomalog incidents`: lists incidents, shows one, labels one, and builds their tables.
//!
//! Building replaces whole UTC dates, so that a range built again leaves no row twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use serde::Serialize;

use super::error::Result;
use super::settings::Settings;
use crate::cli::{BuildArgs, IncidentsArgs, IncidentsCommand, LabelArgs, ListArgs};
use crate::incidents::feedback::{IncidentLabel, IncidentLabels, Verdict};
use crate::incidents::{
    Finder, IncidentRules, ListedIncident, NamedCause, NamedIncident, Untold, UntoldCounts,
    incidents_of,
};
use crate::incremental::Staged;
use crate::progress::Progress;
use crate::report::{self, ShownIncident};
use crate::schema::Table;
use crate::units::{time_range, whole_dates};
use crate::warehouse::commit::{Partition, Retired};
use crate::warehouse::settings::WindowSettings;

/// What `anomalog incidents build` found and wrote.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct IncidentsBuilt {
    /// Incidents written.
    pub incidents: usize,
    /// Incidents by severity.
    pub severities: BTreeMap<String, usize>,
    /// Incidents that have a cause.
    pub explained: usize,
}

impl fmt::Display for IncidentsBuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            incidents,
            severities,
            explained,
        } = self;
        write!(f, "found {incidents} incidents")?;
        let counts: Vec<_> = ["high", "medium", "low"]
            .iter()
            .filter_map(|name| Some(format!("{} {name}", severities.get(*name)?)))
            .collect();
        if counts.is_empty() {
            return Ok(());
        }
        write!(
            f,
            " ({}), and causes of {explained} of them",
            counts.join(", ")
        )
    }
}

/// Runs `anomalog incidents`.
///
/// # Errors
/// When there are no scored windows to build from, there is no such incident, or a table cannot be read or
/// written.
pub async fn run(settings: &Settings, args: IncidentsArgs) -> Result<()> {
    match args.command {
        None => list(settings, &args.list),
        Some(IncidentsCommand::Show { incident }) => {
            let session = settings.open().await?;
            let shown = report::show(&session, &incident).await?;
            Ok(settings.printer.answer(&Shown(shown))?)
        }
        Some(IncidentsCommand::Label(args)) => label(settings, args).await,
        Some(IncidentsCommand::Build(args)) => {
            let found = build(settings, args).await?;
            Ok(settings.printer.summary(&found)?)
        }
    }
}

/// The incidents that were asked for.
#[derive(Debug, Serialize)]
struct Listed {
    /// Worst first.
    incidents: Vec<NamedIncident>,
    /// How many are not among them, since they are not told.
    #[serde(flatten)]
    untold: UntoldCounts,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} incidents", self.incidents.len())
    }
}

/// Lists incidents, the worst first.
///
/// # Errors
/// When the tables cannot be read.
pub(super) fn list(settings: &Settings, args: &ListArgs) -> Result<()> {
    let filter = &args.filter;
    let range = time_range(filter.time.since, filter.time.until);
    let untold = Untold::load(&settings.warehouse)?;
    let mut listed = Listed {
        incidents: Vec::new(),
        untold: UntoldCounts::default(),
    };
    for ListedIncident { incident, .. } in incidents_of(&settings.warehouse, &range)? {
        let is_meant = (filter.site.is_empty() || filter.site.contains(&incident.site))
            && args
                .min_severity
                .is_none_or(|least| incident.severity >= least)
            && (args.kind.is_empty() || args.kind.contains(&incident.kind));
        if !is_meant {
            continue;
        }
        match untold.why(&incident) {
            Some(why) if !args.all => listed.untold.add(why),
            _ => listed.incidents.push(incident),
        }
    }
    if settings.printer.is_json() {
        return Ok(settings.printer.answer(&listed)?);
    }
    if !settings.warehouse.table(Table::Incidents).exists() {
        settings.printer.note(
            "no incident was looked for yet: `anomalog run` or `anomalog incidents build` does",
        );
    } else if listed.incidents.is_empty() {
        settings.printer.note("no incident");
    } else {
        settings.printer.table(&[list_rows(&listed.incidents)?])?;
    }
    let UntoldCounts {
        answered,
        suppressed,
    } = listed.untold;
    if answered > 0 {
        settings.printer.note(format_args!(
            "{answered} more were labelled false, or are like one that was: `--all` lists them"
        ));
    }
    if suppressed > 0 {
        settings.printer.note(format_args!(
            "{suppressed} more are suppressed by rules of the job file: `--all` lists them"
        ));
    }
    Ok(())
}

/// A line per incident.
fn list_rows(incidents: &[NamedIncident]) -> Result<RecordBatch> {
    let texts = |of: fn(&NamedIncident) -> String| -> ArrayRef {
        let texts = incidents.iter().map(of);
        Arc::new(StringArray::from_iter_values(texts))
    };
    let minutes = |incident: &NamedIncident| {
        let time = incident.time();
        (time.end - time.start) / 60_000_000
    };
    let minutes: Int64Array = incidents
        .iter()
        .map(|incident| Some(minutes(incident)))
        .collect();
    Ok(RecordBatch::try_from_iter([
        (
            "id",
            texts(|incident| incident.incident_id[..8.min(incident.incident_id.len())].to_owned()),
        ),
        ("severity", texts(|incident| incident.severity.to_string())),
        ("kind", texts(|incident| incident.kind.name().to_owned())),
        ("site", texts(|incident| incident.site.clone())),
        ("started_at", texts(|incident| incident.started_at.clone())),
        ("minutes", Arc::new(minutes)),
        ("change", texts(NamedIncident::change)),
        (
            "first_cause",
            texts(|incident| match &incident.cause {
                Some(cause) => cause.to_string(),
                None => "-".to_owned(),
            }),
        ),
    ])?)
}

/// An incident for the terminal.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown(ShownIncident);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ShownIncident {
            incident: listed,
            label,
            picture,
            queries,
        }) = self;
        let incident = &listed.incident;
        let words = |text: &str| text.replace('\n', "\\n");
        writeln!(
            f,
            "{} at {}, {} severity",
            incident.kind,
            words(&incident.site),
            incident.severity
        )?;
        writeln!(f, "  incident    {}", incident.incident_id)?;
        if listed.group_id != incident.incident_id {
            writeln!(f, "  group       {}", listed.group_id)?;
        }
        writeln!(
            f,
            "  time        {} to {}",
            incident.started_at, incident.ended_at
        )?;
        writeln!(
            f,
            "  windows     {} unusual, highest score {:.6}",
            listed.windows, listed.peak_score
        )?;
        writeln!(f, "  change      {}", incident.change())?;
        writeln!(
            f,
            "  impact      {:.0} minutes of usual traffic",
            incident.impact_minutes
        )?;
        if let Some(requests) = incident.requests {
            writeln!(f, "  requests    {requests}")?;
        }
        writeln!(f, "  why so      {}", incident.kind_evidence)?;
        if let Some(label) = label {
            write!(f, "  label       {}", label.verdict)?;
            match &label.note {
                Some(note) => writeln!(f, ": {}", words(note))?,
                None => writeln!(f)?,
            }
        }
        writeln!(
            f,
            "\n{} from three hours before to three hours after, UTC",
            incident.top_metric
        )?;
        writeln!(f, "{picture}")?;
        if listed.causes.is_empty() {
            writeln!(f, "\nnobody stands out: all traffic changed alike")?;
        } else {
            writeln!(f, "\nbefore  during  of the change")?;
        }
        for cause in &listed.causes {
            let [before, during, power] = [
                cause.share_before,
                cause.share_during,
                cause.explanatory_power,
            ]
            .map(|share| format!("{:.0} %", 100.0 * share));
            let named = NamedCause {
                dimension: cause.dimension.clone(),
                value: words(&cause.value),
            };
            writeln!(f, "{before:>6}  {during:>6}  {power:>13}  {named}")?;
        }
        write!(f, "\nqueries to go on with, for `anomalog sql`:")?;
        for query in queries {
            let shown = query.replace('\n', "\n  ");
            write!(f, "\n\n  {shown}")?;
        }
        Ok(())
    }
}

/// What a label changed.
#[derive(Debug, Serialize)]
struct Labelled {
    #[serde(flatten)]
    label: IncidentLabel,
    /// What was said before.
    before: Option<Verdict>,
    /// Incidents that are like it and so no longer told.
    like_it: usize,
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            label,
            before,
            like_it,
        } = self;
        write!(
            f,
            "{} at {} is labelled {}",
            label.kind, label.site, label.verdict
        )?;
        match before {
            Some(before) if *before != label.verdict => write!(f, ", before it was {before}")?,
            _ => {}
        }
        match label.verdict {
            Verdict::True => Ok(()),
            Verdict::False => write!(
                f,
                "; {like_it} others are like it, and not told again unless clearly worse. \
                 `anomalog train --objective gate` learns from it"
            ),
        }
    }
}

/// Keeps what somebody says of an incident.
async fn label(settings: &Settings, args: LabelArgs) -> Result<()> {
    let incident = report::find(&settings.warehouse, &args.incident)?.incident;
    let mut writer = settings.writer("anomalog incidents label").await?;
    let mut labels = IncidentLabels::load(&settings.warehouse)?;
    let label = IncidentLabel::of(&incident, args.verdict, args.note);
    let before = labels.put(label.clone()).map(|before| before.verdict);
    let mut change = writer.change()?;
    labels.stage(&settings.warehouse, &mut change)?;
    let manifest = writer.manifest().clone();
    writer.commit(change, manifest).await?;
    let all = incidents_of(&settings.warehouse, &time_range(None, None))?;
    let like_it = all.iter().filter(|other| {
        let answer = labels.answer(&other.incident);
        other.incident.incident_id != label.incident_id
            && answer.is_some_and(|answer| answer.incident_id == label.incident_id)
    });
    Ok(settings.printer.summary(&Labelled {
        like_it: like_it.count(),
        label,
        before,
    })?)
}

/// Builds both tables for the dates asked for.
///
/// # Errors
/// As [`run`].
pub async fn build(settings: &Settings, args: BuildArgs) -> Result<IncidentsBuilt> {
    let session = settings.open().await?;
    let mut range = whole_dates(&time_range(args.time.since, args.time.until));
    // Incidents of windows that are no longer kept stay as they are.
    let kept = Retired::load(&settings.warehouse)?.first_kept(Table::ScoredWindows);
    if let Some(first) = kept {
        let first = first.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
        range.start = range.start.max(first);
        range.end = range.end.max(range.start);
    }
    let is_asked_for = |date: &NaiveDate| {
        let midnight = date.and_time(NaiveTime::MIN).and_utc();
        range.contains(&midnight.timestamp_micros())
    };
    let rules = IncidentRules::default();
    let windows = WindowSettings::load(&settings.warehouse)?;
    let finder = Finder::new(&session, &rules, &windows).await?;
    let bar = settings.printer.begin("explaining incidents", None);
    let mut writer = settings.writer("anomalog incidents build").await?;
    let mut staged = Staged::begin(&writer)?;
    let mut summary = IncidentsBuilt::default();
    let dates = finder.dates().iter().filter(|date| is_asked_for(date));
    let dates: BTreeSet<NaiveDate> = dates.copied().collect();
    if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
        let found = finder.find(&(*first..=*last)).await?;
        for (date, found) in found.into_iter().filter(|(date, _)| dates.contains(date)) {
            let advance = || bar.advance(1);
            let explained = finder.explain(&found.incidents, &advance).await?;
            let incidents = explained.tell_kinds(&found.incidents)?;
            summary.count(&incidents, &explained.causes);
            for (table, rows) in [
                (Table::Incidents, &incidents),
                (Table::IncidentCauses, &explained.causes),
            ] {
                staged.put_rows(table, date, rows, Partition::empty())?;
            }
        }
    }
    for table in [Table::Incidents, Table::IncidentCauses] {
        let stored = staged.manifest().partitions(table).map(|(date, _)| date);
        let is_gone = |date: &NaiveDate| is_asked_for(date) && !dates.contains(date);
        let gone: Vec<NaiveDate> = stored.filter(is_gone).collect();
        for date in gone {
            staged.remove(table, date)?;
        }
    }
    staged.commit(&mut writer).await?;
    Ok(summary)
}

impl IncidentsBuilt {
    /// Counts in the incidents of a date and their causes.
    fn count(&mut self, incidents: &RecordBatch, causes: &RecordBatch) {
        let texts = |batch: &RecordBatch, name: &str| -> Vec<String> {
            let column = batch.column_by_name(name);
            let column = column.and_then(|column| column.as_string_opt::<i32>());
            let texts = column.into_iter().flatten();
            texts.flatten().map(str::to_owned).collect()
        };
        for severity in texts(incidents, "severity") {
            *self.severities.entry(severity).or_default() += 1;
        }
        let mut explained = texts(causes, "incident_id");
        // Causes of one incident stand together.
        explained.dedup();
        self.incidents += incidents.num_rows();
        self.explained += explained.len();
    }
}
