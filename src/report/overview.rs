//! What a report is made of, read from the tables of a warehouse.

use std::collections::BTreeMap;
use std::ops::Range;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::prelude::{DataFrame, ident, lit};

use super::error::{Error, Result};
use super::pictures::{HOUR, Picture, pictures};
use super::scored::ScoredDates;
use crate::explain::backticked;
use crate::incidents::{ListedIncident, NamedIncident, Untold, incidents_of};
use crate::schema::Table;
use crate::session::Session;
use crate::session::queries::{self, Query};
use crate::units::rfc_3339;
use crate::warehouse::rows::column;
use crate::warehouse::settings::WindowSettings;

/// Microseconds in a day.
const DAY: i64 = 24 * HOUR;
/// A timeline has at most so many stretches.
const MOST_STRETCHES: i64 = 168;
/// So many incidents have a picture.
pub(super) const MOST_PICTURES: usize = 50;

/// What a report is asked to be of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportRange {
    /// From when on, in microseconds since the epoch; so many days before the end if absent.
    pub since: Option<i64>,
    /// Until when; to the end of what was scored if absent.
    pub until: Option<i64>,
    /// Days before the end.
    pub days: i64,
    /// Only these series; all if there are none.
    pub series: Vec<String>,
}

/// A series over the range.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct SeriesOverview {
    pub(super) name: String,
    pub(super) counts: WindowCounts,
    /// Requests of each stretch; nothing where no log covers it.
    pub(super) requests: Vec<Option<f64>>,
}

/// How many windows there are of what kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WindowCounts {
    pub(super) windows: i64,
    pub(super) without_log: i64,
    pub(super) without_latency: i64,
    pub(super) scored: i64,
    pub(super) warm_up: i64,
    pub(super) short_history: i64,
    pub(super) anomalies: i64,
    pub(super) unusual: i64,
    pub(super) requests: i64,
}

impl WindowCounts {
    fn add(&mut self, other: Self) {
        self.windows += other.windows;
        self.without_log += other.without_log;
        self.without_latency += other.without_latency;
        self.scored += other.scored;
        self.warm_up += other.warm_up;
        self.short_history += other.short_history;
        self.anomalies += other.anomalies;
        self.unusual += other.unusual;
        self.requests += other.requests;
    }
}

/// The stretches that timelines are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretches {
    /// The number of the first, counted from the Unix epoch.
    first: i64,
    /// Microseconds.
    pub(super) length: i64,
    count: i64,
}

impl Stretches {
    /// As many as are told apart, of whole windows.
    pub(super) fn of(range: &Range<i64>, step: i64) -> Self {
        const LENGTHS: [i64; 9] = [
            HOUR / 12,
            HOUR / 4,
            HOUR / 2,
            HOUR,
            2 * HOUR,
            3 * HOUR,
            6 * HOUR,
            12 * HOUR,
            DAY,
        ];
        let fits =
            |length: &i64| *length >= step && (range.end - range.start) / length <= MOST_STRETCHES;
        let length = LENGTHS.into_iter().find(fits);
        let days = (range.end - range.start).unsigned_abs() / DAY.unsigned_abs();
        let whole_days = DAY * days.div_ceil(MOST_STRETCHES.unsigned_abs()).max(1) as i64;
        let length = length.unwrap_or(whole_days);
        let first = range.start.div_euclid(length);
        let last = (range.end - 1).max(range.start).div_euclid(length);
        Self {
            first,
            length,
            count: last - first + 1,
        }
    }

    /// How far from the first a time lies, in stretches.
    pub(super) fn column(&self, time: i64) -> f64 {
        time as f64 / self.length as f64 - self.first as f64
    }

    fn place(&self, stretch: i64) -> Option<usize> {
        let place = usize::try_from(stretch - self.first).ok()?;
        ((place as i64) < self.count).then_some(place)
    }

    /// When the first begins, in microseconds since the epoch.
    pub(super) const fn start(&self) -> i64 {
        self.first * self.length
    }
}

/// Logs of one format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogsOfFormat {
    pub(super) format: String,
    pub(super) files: i64,
    pub(super) lines: i64,
    pub(super) rejected: i64,
}

/// Lines of a log that are no requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RejectedLines {
    pub(super) file: String,
    pub(super) reason: String,
    pub(super) lines: i64,
}

/// What the last run did: names and values, as the table `runs` has them.
pub(super) type RunFacts = Vec<(String, String)>;

/// What a report is made of.
#[derive(Debug)]
pub(super) struct Overview {
    pub(super) range: Range<i64>,
    pub(super) series_key: String,
    pub(super) stretches: Stretches,
    /// By name.
    pub(super) series: Vec<SeriesOverview>,
    /// Worst first.
    pub(super) incidents: Vec<ListedIncident>,
    /// Of the worst.
    pub(super) pictures: Vec<Picture>,
    /// Those that are not told, and why.
    pub(super) untold: Vec<(ListedIncident, String)>,
    pub(super) detectors: BTreeMap<String, WindowCounts>,
    pub(super) logs: Vec<LogsOfFormat>,
    pub(super) rejected: Vec<RejectedLines>,
    pub(super) run: Option<RunFacts>,
}

impl Overview {
    /// Reads the tables.
    ///
    /// # Errors
    /// When nothing was scored, a series that is asked for is not there, or a table cannot be read.
    pub(super) async fn read(session: &Session, asked: &ReportRange) -> Result<Self> {
        let warehouse = session.warehouse();
        let settings = WindowSettings::load(warehouse).map_err(crate::session::Error::from)?;
        let step = settings.step.micros();
        let scored = ScoredDates::of(session).await?;
        let range = range_of(asked, &scored.range());
        let frame = only(scored.windows(std::slice::from_ref(&range))?, &asked.series)?;
        let stretches = Stretches::of(&range, step);
        let (mut series, detectors) = series(session, frame.clone(), &range).await?;
        check_series(asked, &series, session, &scored, &range).await?;
        timelines(session, frame, &range, &stretches, &mut series).await?;
        let untold = Untold::load(warehouse)?;
        let (mut incidents, mut untold_incidents) = (Vec::new(), Vec::new());
        for incident in incidents_of(warehouse, &range)? {
            if !asked.series.is_empty() && !asked.series.contains(&incident.incident.site) {
                continue;
            }
            let why = untold.why(&incident.incident);
            match why.map(|why| why.words(&incident.incident)) {
                Some(why) => untold_incidents.push((incident, why)),
                None => incidents.push(incident),
            }
        }
        let pictured: Vec<&NamedIncident> = (incidents.iter().take(MOST_PICTURES))
            .map(|incident| &incident.incident)
            .collect();
        let pictures = pictures(session, &scored, &pictured, step).await?;
        Ok(Self {
            logs: logs(session, &scored, &range).await?,
            rejected: rejected(session, &scored, &range).await?,
            run: last_run(session).await?,
            series_key: settings.series_key.as_sql().to_owned(),
            range,
            stretches,
            series: series.into_values().collect(),
            incidents,
            pictures,
            untold: untold_incidents,
            detectors,
        })
    }
}

/// The range that is meant.
fn range_of(asked: &ReportRange, scored: &Range<i64>) -> Range<i64> {
    let end = asked.until.unwrap_or(scored.end);
    let start = asked.since.unwrap_or(end - asked.days * DAY);
    // Nothing is drawn of what was never scored.
    let start = start.max(scored.start).min(scored.end);
    start..end.min(scored.end).max(start)
}

/// The windows of some series, of all if none is named.
fn only(windows: DataFrame, series: &[String]) -> Result<DataFrame> {
    if series.is_empty() {
        return Ok(windows);
    }
    let names = series.iter().map(|name| lit(name.as_str())).collect();
    Ok(windows.filter(ident("site").in_list(names, false))?)
}

/// Refuses series that are not there.
async fn check_series(
    asked: &ReportRange,
    found: &BTreeMap<String, SeriesOverview>,
    session: &Session,
    scored: &ScoredDates<'_>,
    range: &Range<i64>,
) -> Result<()> {
    let missing = asked.series.iter().find(|name| !found.contains_key(*name));
    let Some(missing) = missing else {
        return Ok(());
    };
    let windows = scored.windows(std::slice::from_ref(range))?;
    let (all, _) = series(session, windows, range).await?;
    Err(Error::NoSeries {
        asked: missing.clone(),
        found: backticked(all.keys().take(10)),
    })
}

/// Numbers and texts of rows.
struct Rows(RecordBatch);

impl Rows {
    async fn of(frame: DataFrame) -> Result<Vec<Self>> {
        Ok(frame.collect().await?.into_iter().map(Self).collect())
    }

    fn text(&self, name: &str, row: usize) -> Result<String> {
        let texts = cast(column(&self.0, name), &DataType::Utf8)?;
        Ok(texts.as_string::<i32>().value(row).to_owned())
    }

    fn count(&self, name: &str, row: usize) -> i64 {
        let counts = column(&self.0, name).as_primitive::<Int64Type>();
        if counts.is_valid(row) {
            counts.value(row)
        } else {
            0
        }
    }
}

async fn series(
    session: &Session,
    windows: DataFrame,
    range: &Range<i64>,
) -> Result<(
    BTreeMap<String, SeriesOverview>,
    BTreeMap<String, WindowCounts>,
)> {
    let rows = queries::of_report(session, Query::ReportQuality, windows, range, None).await?;
    let mut series: BTreeMap<String, SeriesOverview> = BTreeMap::new();
    let mut detectors: BTreeMap<String, WindowCounts> = BTreeMap::new();
    for batch in Rows::of(rows).await? {
        for row in 0..batch.0.num_rows() {
            let counts = WindowCounts {
                windows: batch.count("windows", row),
                without_log: batch.count("without_log", row),
                without_latency: batch.count("without_latency", row),
                scored: batch.count("scored", row),
                warm_up: batch.count("warm_up", row),
                short_history: batch.count("short_history", row),
                anomalies: batch.count("anomalies", row),
                unusual: batch.count("unusual", row),
                requests: batch.count("requests", row),
            };
            let name = batch.text("site", row)?;
            let version = batch.count("detector_version", row);
            let detector = format!("{}@{version}", batch.text("detector", row)?);
            detectors.entry(detector).or_default().add(counts);
            let of_name = series.entry(name.clone()).or_default();
            of_name.name = name;
            of_name.counts.add(counts);
        }
    }
    Ok((series, detectors))
}

async fn timelines(
    session: &Session,
    windows: DataFrame,
    range: &Range<i64>,
    stretches: &Stretches,
    series: &mut BTreeMap<String, SeriesOverview>,
) -> Result<()> {
    for series in series.values_mut() {
        series.requests = vec![None; stretches.count.max(0) as usize];
    }
    let length = Some(stretches.length);
    let rows = queries::of_report(session, Query::ReportTimeline, windows, range, length).await?;
    for batch in Rows::of(rows).await? {
        let sites = cast(column(&batch.0, "site"), &DataType::Utf8)?;
        let requests = column(&batch.0, "requests").as_primitive::<Float64Type>();
        for row in 0..batch.0.num_rows() {
            let place = stretches.place(batch.count("stretch", row));
            let series = series.get_mut(sites.as_string::<i32>().value(row));
            if let Some((place, series)) = place.zip(series) {
                series.requests[place] = requests.is_valid(row).then(|| requests.value(row));
            }
        }
    }
    Ok(())
}

async fn logs(
    session: &Session,
    scored: &ScoredDates<'_>,
    range: &Range<i64>,
) -> Result<Vec<LogsOfFormat>> {
    let windows = scored.windows(&[])?;
    let rows = queries::of_report(session, Query::ReportLogs, windows, range, None).await?;
    let mut logs = Vec::new();
    for batch in Rows::of(rows).await? {
        for row in 0..batch.0.num_rows() {
            logs.push(LogsOfFormat {
                format: batch.text("format", row)?,
                files: batch.count("files", row),
                lines: batch.count("lines", row),
                rejected: batch.count("rejected", row),
            });
        }
    }
    Ok(logs)
}

async fn rejected(
    session: &Session,
    scored: &ScoredDates<'_>,
    range: &Range<i64>,
) -> Result<Vec<RejectedLines>> {
    let windows = scored.windows(&[])?;
    let rows = queries::of_report(session, Query::ReportRejected, windows, range, None).await?;
    let mut rejected = Vec::new();
    for batch in Rows::of(rows).await? {
        for row in 0..batch.0.num_rows() {
            rejected.push(RejectedLines {
                file: batch.text("file", row)?,
                reason: batch.text("reason", row)?,
                lines: batch.count("lines", row),
            });
        }
    }
    Ok(rejected)
}

/// The row of the last run.
async fn last_run(session: &Session) -> Result<Option<RunFacts>> {
    let runs = session.context().table(Table::Runs.name()).await?;
    let order = vec![
        ident("ended_at").sort(false, false),
        ident("run_id").sort(true, false),
    ];
    let rows = runs.sort(order)?.limit(0, Some(1))?.collect().await?;
    let Some(row) = rows.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(None);
    };
    let mut facts = RunFacts::new();
    for (field, column) in row.schema().fields().iter().zip(row.columns()) {
        if column.is_null(0) {
            continue;
        }
        let value = match field.data_type() {
            DataType::Timestamp(..) => {
                let times = column.as_primitive::<TimestampMicrosecondType>();
                rfc_3339(times.value(0))
            }
            DataType::Float64 => format!("{:.3}", column.as_primitive::<Float64Type>().value(0)),
            _ => {
                let texts = cast(column, &DataType::Utf8)?;
                texts.as_string::<i32>().value(0).to_owned()
            }
        };
        facts.push((field.name().clone(), value));
    }
    Ok(Some(facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = HOUR / 60;

    #[test]
    fn timelines_have_few_stretches_of_whole_windows() {
        for (days, length) in [(1, HOUR / 4), (7, HOUR), (90, 24 * HOUR), (1_000, 6 * DAY)] {
            let stretches = Stretches::of(&(0..days * DAY), MINUTE);
            assert_eq!(stretches.length, length, "{days} days");
            assert!(stretches.count <= MOST_STRETCHES);
        }
        assert_eq!(Stretches::of(&(0..DAY), 2 * HOUR).length, 2 * HOUR);
        let late = Stretches::of(&(10 * DAY..17 * DAY), MINUTE);
        assert_eq!(late.start(), 10 * DAY);
        assert_eq!(late.place(10 * 24 + 5), Some(5));
        assert_eq!(late.place(9 * 24), None);
        assert!((late.column(10 * DAY + 90 * MINUTE) - 1.5).abs() < 1e-9);
        // Nothing was scored.
        assert_eq!(Stretches::of(&(0..0), MINUTE).count, 1);
    }

    #[test]
    fn a_range_lies_within_what_was_scored() {
        let scored = 10 * DAY..20 * DAY;
        let asked = |since: Option<i64>, until: Option<i64>| {
            let asked = ReportRange {
                since: since.map(|day| day * DAY),
                until: until.map(|day| day * DAY),
                days: 7,
                series: Vec::new(),
            };
            let range = range_of(&asked, &scored);
            (range.start / DAY, range.end / DAY)
        };
        assert_eq!(asked(None, None), (13, 20));
        assert_eq!(asked(Some(1), None), (10, 20));
        assert_eq!(asked(None, Some(15)), (10, 15));
        assert_eq!(asked(Some(14), Some(16)), (14, 16));
        assert_eq!(asked(Some(25), Some(30)), (20, 20));
    }
}
