//! Pictures as SVG, drawn by `plotters`: lines and areas, no text.
//!
//! Words stand beside them in the page, where they keep their size on a narrow screen. Colours are names:
//! the sheet of the page maps each, found by its attribute, to one for light and one for dark.

use std::ops::Range;

use plotters::prelude::*;

use super::error::Result;
use super::overview::Stretches;
use super::pictures::{HOUR, Picture, Point};

/// What there was.
const ACTUAL: RGBColor = RGBColor(1, 1, 1);
/// What was expected.
const EXPECTED: RGBColor = RGBColor(2, 2, 2);
/// The expected band.
const BAND: RGBColor = RGBColor(3, 3, 3);
/// The anomaly score.
const SCORE: RGBColor = RGBColor(4, 4, 4);
/// The time of an incident.
const INCIDENT: RGBColor = RGBColor(5, 5, 5);
/// Hours.
const GRID: RGBColor = RGBColor(6, 6, 6);

/// Width and height of a picture, of the strip below it, and of a timeline.
const PICTURE: (u32, u32) = (960, 200);
const STRIP: (u32, u32) = (960, 44);
const TIMELINE: (u32, u32) = (640, 40);

/// Hours are marked in pictures of up to so many.
const MOST_HOURS: i64 = 48 * HOUR;
/// A score of so many nines fills the strip: once in some years of minutes.
pub(super) const MOST_NINES: f64 = 6.0;
/// Longest time between two windows with an expected value that a line joins.
const JOINED: i64 = HOUR;

/// The two parts of a picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Drawn {
    /// The metric and what was expected of it.
    pub curve: String,
    /// The score.
    pub strip: String,
    /// What the upper edge stands for.
    pub top: f64,
}

/// Draws a picture.
pub(super) fn draw(picture: &Picture) -> Result<Drawn> {
    let values = picture.points.iter();
    let highest = values
        .flat_map(|point| [point.actual, point.expected])
        .flatten()
        .fold(0.0, f64::max);
    let top = round_up(highest);
    Ok(Drawn {
        curve: curve(picture, top)?,
        strip: strip(picture)?,
        top,
    })
}

/// The number with one digit, 1, 2 or 5, that is next above.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.iter().find(|step| *step * power >= value);
    step.unwrap_or(&10.0) * power
}

/// How far right the middle of a point lies.
fn across(place: usize) -> f64 {
    place as f64 + 0.5
}

fn curve(picture: &Picture, top: f64) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, PICTURE).into_drawing_area();
        let columns = picture.points.len() as f64;
        let mut chart =
            ChartBuilder::on(&area).build_cartesian_2d(0.0..columns, 0.0..top * 1.04)?;
        let column = |time: i64| (time - picture.range.start) as f64 / picture.step as f64;
        let corners = [
            (column(picture.incident.start), 0.0),
            (column(picture.incident.end), top * 1.04),
        ];
        chart.draw_series([Rectangle::new(corners, INCIDENT.filled())])?;
        if picture.range.end - picture.range.start <= MOST_HOURS {
            for hour in picture.range.start / HOUR + 1..picture.range.end / HOUR {
                let x = column(hour * HOUR);
                chart.draw_series(LineSeries::new([(x, 0.0), (x, top * 1.04)], GRID))?;
            }
        }
        let expected = |of: fn(&Point) -> Option<f64>| joined(picture, of);
        for (lower, upper) in band(picture) {
            let mut outline = lower;
            outline.extend(upper.into_iter().rev());
            let inside = outline
                .into_iter()
                .map(|(x, y)| (x, y.clamp(0.0, top * 1.04)));
            let polygon = Polygon::new(inside.collect::<Vec<_>>(), BAND.filled());
            chart.draw_series([polygon])?;
        }
        for line in expected(|point| point.expected) {
            let style = EXPECTED.stroke_width(1);
            chart.draw_series(LineSeries::new(line, style))?;
        }
        for line in unbroken(picture, |point| point.actual) {
            chart.draw_series(LineSeries::new(line, ACTUAL.stroke_width(2)))?;
        }
        area.present()?;
    }
    Ok(unlabelled(&svg))
}

fn strip(picture: &Picture) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, STRIP).into_drawing_area();
        let columns = picture.points.len() as f64;
        let mut chart =
            ChartBuilder::on(&area).build_cartesian_2d(0.0..columns, 0.0..MOST_NINES)?;
        for line in unbroken(picture, |point| point.score.map(nines)) {
            chart.draw_series(AreaSeries::new(line, 0.0, SCORE.filled()))?;
        }
        area.present()?;
    }
    Ok(unlabelled(&svg))
}

/// A score on the scale of the strip: three nines of 0.999.
pub(super) fn nines(score: f64) -> f64 {
    (-(1.0 - score).max(1e-12).log10()).clamp(0.0, MOST_NINES)
}

/// Runs of points that have a value.
fn unbroken(picture: &Picture, of: impl Fn(&Point) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let mut lines: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (place, point) in picture.points.iter().enumerate() {
        match (of(point), lines.last_mut()) {
            (Some(value), Some(line)) => line.push((across(place), value)),
            (None, Some(line)) if !line.is_empty() => lines.push(Vec::new()),
            _ => {}
        }
    }
    lines.retain(|line| !line.is_empty());
    for line in &mut lines {
        if let [(x, y)] = line[..] {
            *line = vec![(x - 0.5, y), (x + 0.5, y)];
        }
    }
    lines
}

/// The points that have a value, in lines that no longer gap breaks.
fn joined(picture: &Picture, of: impl Fn(&Point) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let longest = JOINED as f64 / picture.step as f64;
    let mut lines: Vec<Vec<(f64, f64)>> = Vec::new();
    for (place, point) in picture.points.iter().enumerate() {
        let Some(value) = of(point) else { continue };
        let x = across(place);
        match lines.last_mut() {
            Some(line) if line.last().is_some_and(|last| x - last.0 <= longest) => {
                line.push((x, value));
            }
            _ => lines.push(vec![(x, value)]),
        }
    }
    lines.retain(|line| line.len() > 1);
    lines
}

/// An edge of a band.
type Edge = Vec<(f64, f64)>;

/// The lower and upper edges of the band, piece by piece.
fn band(picture: &Picture) -> Vec<(Edge, Edge)> {
    let both = |point: &Point| point.lower.zip(point.upper);
    let lower = joined(picture, |point| both(point).map(|(lower, _)| lower));
    let upper = joined(picture, |point| both(point).map(|(_, upper)| upper));
    lower.into_iter().zip(upper).collect()
}

/// Draws the timeline of a series, with the times of its incidents.
pub(super) fn timeline(
    stretches: &Stretches,
    values: &[Option<f64>],
    incidents: &[Range<i64>],
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, TIMELINE).into_drawing_area();
        let top = values
            .iter()
            .flatten()
            .copied()
            .fold(0.0, f64::max)
            .max(1e-9);
        let columns = values.len().max(1) as f64;
        let mut chart =
            ChartBuilder::on(&area).build_cartesian_2d(0.0..columns, 0.0..top * 1.05)?;
        let column = |time: i64| stretches.column(time).clamp(0.0, columns);
        let marks = incidents.iter().map(|time| {
            let (from, until) = (column(time.start), column(time.end));
            // Wide enough to be seen.
            let until = until.max(from + columns / 320.0);
            Rectangle::new([(from, 0.0), (until, top * 1.05)], INCIDENT.filled())
        });
        chart.draw_series(marks)?;
        let mut line: Edge = Vec::new();
        for (place, value) in values.iter().chain([&None]).enumerate() {
            match value {
                Some(value) => line.push((place as f64 + 0.5, *value)),
                None if !line.is_empty() => {
                    let whole = std::mem::take(&mut line);
                    chart.draw_series(LineSeries::new(whole, ACTUAL.stroke_width(1)))?;
                }
                None => {}
            }
        }
        area.present()?;
    }
    Ok(unlabelled(&svg))
}

/// A picture whose meaning is told beside it, and that takes the room it is given.
fn unlabelled(svg: &str) -> String {
    svg.replacen(
        "<svg ",
        "<svg aria-hidden=\"true\" focusable=\"false\" preserveAspectRatio=\"none\" ",
        1,
    )
    .replace(" opacity=\"1\"", "")
    .replace('\n', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(points: Vec<Point>) -> Picture {
        Picture {
            metric: "requests".to_owned(),
            incident: HOUR..2 * HOUR,
            range: 0..points.len() as i64 * 60_000_000,
            step: 60_000_000,
            points,
        }
    }

    #[test]
    fn the_upper_edge_is_a_round_number_above() {
        for (value, top) in [
            (0.0, 1.0),
            (0.7, 0.8),
            (1.0, 1.0),
            (97.0, 100.0),
            (1_234.0, 1_500.0),
        ] {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn lines_break_where_there_is_no_log() {
        let of = |actual| Point {
            actual,
            ..Point::default()
        };
        let values = [Some(1.0), Some(2.0), None, Some(3.0)];
        let lines = unbroken(&picture(values.map(of).to_vec()), |point| point.actual);
        assert_eq!(
            lines,
            [vec![(0.5, 1.0), (1.5, 2.0)], vec![(3.0, 3.0), (4.0, 3.0)]]
        );
    }

    #[test]
    fn pictures_have_no_text_and_the_colours_of_the_sheet() {
        let point = Point {
            actual: Some(30.0),
            expected: Some(20.0),
            lower: Some(10.0),
            upper: Some(25.0),
            score: Some(0.999),
        };
        let drawn = draw(&picture(vec![point; 240])).unwrap();
        for svg in [&drawn.curve, &drawn.strip] {
            assert!(!svg.contains("<text"), "{svg}");
        }
        let sheet = include_str!("../../templates/report.css");
        let colours = [ACTUAL, EXPECTED, BAND, SCORE, INCIDENT, GRID];
        for colour in colours {
            let name = format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
            assert!(
                drawn.curve.contains(&name) || drawn.strip.contains(&name),
                "{name}"
            );
            assert!(sheet.contains(&name), "the sheet has no colour for {name}");
        }
    }
}
