//! What the pictures of incidents show: the metric, what was expected of it and the score, three hours
//! around.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};

use super::error::Result;
use super::scored::ScoredDates;
use crate::incidents::NamedIncident;
use crate::session::{Session, queries};
use crate::warehouse::rows::column;

/// Microseconds in an hour.
pub(super) const HOUR: i64 = 3_600_000_000;
/// How much is shown before an incident and after it.
const AROUND: i64 = 3 * HOUR;
/// Most points of a picture: twelve hours by the minute. Of longer ones, several windows are one point.
const MOST_POINTS: u64 = 720;

/// What a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    /// The column of `scored_windows` that it is of.
    pub metric: String,
    /// The incident, in microseconds since the epoch.
    pub incident: Range<i64>,
    /// From the first hour to the last.
    pub range: Range<i64>,
    /// How long a point is.
    pub step: i64,
    /// One point after the other from the start of the range.
    pub points: Vec<Point>,
}

/// A part of a picture: a window, or the means of several and their highest score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Point {
    /// What there was; nothing where no log says.
    pub actual: Option<f64>,
    /// What was expected, where the metric stood out most, and between such windows.
    pub expected: Option<f64>,
    /// Where the expected band begins.
    pub lower: Option<f64>,
    /// Where it ends.
    pub upper: Option<f64>,
    /// The anomaly score.
    pub score: Option<f64>,
}

impl Picture {
    /// The time that a picture of an incident shows, in windows of `step` microseconds.
    fn of(incident: &NamedIncident, step: i64) -> Self {
        let time = incident.time();
        let (from, until) = (time.start - AROUND, time.end + AROUND);
        let range = from - from.rem_euclid(HOUR)..until + (HOUR - until.rem_euclid(HOUR)) % HOUR;
        let windows = (range.end - range.start) / step;
        let windows_a_point = windows.max(1).unsigned_abs().div_ceil(MOST_POINTS);
        let step = step * windows_a_point as i64;
        let points = (range.end - range.start).div_euclid(step).max(1);
        Self {
            metric: incident.top_metric.clone(),
            incident: time,
            range,
            step,
            points: vec![Point::default(); points as usize],
        }
    }

    /// The point that a time lies in.
    fn place(&self, time: i64) -> Option<usize> {
        let place = usize::try_from((time - self.range.start).div_euclid(self.step)).ok()?;
        (place < self.points.len()).then_some(place)
    }
}

/// Sums and counts of a point.
#[derive(Default, Clone)]
struct Sums {
    values: [(f64, u32); 4],
    score: Option<f64>,
}

/// The pictures of incidents, in their order.
///
/// # Errors
/// When the scored windows cannot be read.
pub(super) async fn pictures(
    session: &Session,
    scored: &ScoredDates<'_>,
    incidents: &[&NamedIncident],
    step: i64,
) -> Result<Vec<Picture>> {
    let mut pictures: Vec<Picture> = (incidents.iter())
        .map(|incident| Picture::of(incident, step))
        .collect();
    if pictures.is_empty() {
        return Ok(pictures);
    }
    let ranges: Vec<Range<i64>> = (pictures.iter())
        .map(|picture| picture.range.clone())
        .collect();
    let asked = asked(incidents, &pictures)?;
    let rows = queries::incident_pictures(session, asked, scored.windows(&ranges)?).await?;
    let places: BTreeMap<&str, usize> = (incidents.iter().zip(0..))
        .map(|(incident, place)| (incident.incident_id.as_str(), place))
        .collect();
    let mut sums: Vec<Vec<Sums>> = (pictures.iter())
        .map(|picture| vec![Sums::default(); picture.points.len()])
        .collect();
    for batch in rows.collect().await? {
        let ids = cast(column(&batch, "incident_id"), &DataType::Utf8)?;
        let times = column(&batch, "window_start").as_primitive::<TimestampMicrosecondType>();
        let numbers = ["actual", "expected", "lower", "upper", "score"]
            .map(|name| column(&batch, name).as_primitive::<Float64Type>());
        for row in 0..batch.num_rows() {
            let Some(&picture) = places.get(ids.as_string::<i32>().value(row)) else {
                continue;
            };
            let Some(point) = pictures[picture].place(times.value(row)) else {
                continue;
            };
            let sums = &mut sums[picture][point];
            let [means @ .., scores] = &numbers;
            for (sum, column) in sums.values.iter_mut().zip(means) {
                if column.is_valid(row) {
                    *sum = (sum.0 + column.value(row), sum.1 + 1);
                }
            }
            if scores.is_valid(row) {
                let score = scores.value(row);
                sums.score = Some(sums.score.map_or(score, |known| known.max(score)));
            }
        }
    }
    for (picture, sums) in pictures.iter_mut().zip(sums) {
        for (point, sums) in picture.points.iter_mut().zip(sums) {
            let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
            let [actual, expected, lower, upper] = sums.values.map(mean);
            *point = Point {
                actual,
                expected,
                lower,
                upper,
                score: sums.score,
            };
        }
    }
    Ok(pictures)
}

/// The rows of `pictured_incidents`.
fn asked(incidents: &[&NamedIncident], pictures: &[Picture]) -> Result<RecordBatch> {
    let texts = |of: fn(&NamedIncident) -> &str| -> ArrayRef {
        let texts = incidents.iter().map(|incident| of(incident));
        Arc::new(StringArray::from_iter_values(texts))
    };
    let times = |of: fn(&Picture) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(pictures.iter().map(of));
        Arc::new(times.with_timezone("UTC"))
    };
    Ok(RecordBatch::try_from_iter([
        ("incident_id", texts(|incident| &incident.incident_id)),
        ("series", texts(|incident| &incident.site)),
        ("metric", texts(|incident| &incident.top_metric)),
        ("picture_from", times(|picture| picture.range.start)),
        ("picture_until", times(|picture| picture.range.end)),
    ])?)
}
