//! Charts as SVG, drawn by `plotters`. No text from outside is drawn into them.

use plotters::coord::ranged1d::AsRangedCoord;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

use crate::evaluation::curves::{BUDGETS, Curves, RECALLS};

pub(in crate::evaluation) type ChartError =
    DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

/// A named line of points.
pub(in crate::evaluation) struct Line {
    pub(in crate::evaluation) name: String,
    pub(in crate::evaluation) points: Vec<(f64, f64)>,
    /// Floors are drawn thin.
    pub(in crate::evaluation) is_floor: bool,
}

const SIZE: (u32, u32) = (820, 420);
const TRACE_SIZE: (u32, u32) = (960, 150);
const LABELLED: RGBColor = RGBColor(214, 39, 40);
const SCORE: RGBColor = RGBColor(31, 119, 180);
const THRESHOLD: RGBColor = RGBColor(80, 80, 80);
/// Room for the legend, to the right of the lines.
const LEGEND: u32 = 190;

/// Precision against recall.
pub(super) fn precision_recall(lines: &[Line]) -> Result<String, ChartError> {
    let axes = (0.0..1.0, 0.0..1.0);
    line_chart(lines, axes, ("recall", "precision"), (tenths, tenths))
}

/// Recall of events against false alarms a week, from few to many.
pub(in crate::evaluation) fn recall_by_alarms(lines: &[Line]) -> Result<String, ChartError> {
    let (first, last) = (BUDGETS[0], BUDGETS[BUDGETS.len() - 1]);
    let axes = (
        "false-alarm events a week",
        "event recall, oracle threshold",
    );
    let across = (first..last).log_scale();
    line_chart(lines, (across, 0.0..1.0), axes, (rate, tenths))
}

/// False alarms a week that there were against those asked for, beside a line where they are equal.
pub(in crate::evaluation) fn asked_and_got(lines: &[Line]) -> Result<String, ChartError> {
    const RANGE: (f64, f64) = (0.05, 20.0);
    let drawn = |line: &Line| Line {
        name: line.name.clone(),
        points: line
            .points
            .iter()
            .map(|(asked, got)| (*asked, got.clamp(RANGE.0, RANGE.1)))
            .collect(),
        is_floor: line.is_floor,
    };
    let equal = Line {
        name: "as asked for".to_owned(),
        points: vec![(RANGE.0, RANGE.0), (RANGE.1, RANGE.1)],
        is_floor: true,
    };
    let lines: Vec<Line> = lines.iter().map(drawn).chain([equal]).collect();
    let axis = || (RANGE.0..RANGE.1).log_scale();
    let titles = (
        "false-alarm events a week asked for",
        "got, mean over series",
    );
    line_chart(&lines, (axis(), axis()), titles, (rate, rate))
}

/// A figure with its interval.
pub(in crate::evaluation) struct Mark {
    pub(in crate::evaluation) name: String,
    pub(in crate::evaluation) mean: f64,
    pub(in crate::evaluation) ends: Option<(f64, f64)>,
    pub(in crate::evaluation) is_floor: bool,
}

const MARK_HEIGHT: u32 = 18;

/// Figures from 0 to 1 with their intervals, one below the other; floors in grey.
pub(in crate::evaluation) fn intervals(marks: &[Mark], title: &str) -> Result<String, ChartError> {
    let size = (SIZE.0, 60 + MARK_HEIGHT * marks.len() as u32);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let (names, plot) = area.split_horizontally(LEGEND);
        let mut chart = ChartBuilder::on(&plot)
            .margin_right(12)
            .margin_top(8)
            .x_label_area_size(42)
            .build_cartesian_2d(0.0..1.0, 0.0..marks.len() as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .x_desc(title)
            .x_label_formatter(&|x| format!("{x:.1}"))
            .draw()?;
        for (number, mark) in marks.iter().enumerate() {
            let y = marks.len() as f64 - number as f64 - 0.5;
            let colour = if mark.is_floor { THRESHOLD } else { SCORE };
            if let Some((low, high)) = mark.ends {
                let line = PathElement::new([(low, y), (high, y)], colour.stroke_width(2));
                chart.plotting_area().draw(&line)?;
            }
            let dot = Circle::new((mark.mean, y), 4, colour.filled());
            chart.plotting_area().draw(&dot)?;
            let top = 8.0 + (number as f64 + 0.5) * f64::from(size.1 - 50) / marks.len() as f64;
            let font = ("sans-serif", 13).into_font();
            names.draw(&Text::new(mark.name.clone(), (4, top as i32 - 7), font))?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// The points of a precision–recall curve.
pub(super) fn precision_points(precisions: &[f64]) -> Vec<(f64, f64)> {
    let recall = |place: usize| place as f64 / RECALLS as f64;
    let points = precisions.iter().enumerate();
    points.map(|(place, y)| (recall(place), *y)).collect()
}

/// How a value is written on an axis.
type AxisLabel = fn(f64) -> String;

/// How a share is written on an axis.
fn tenths(share: f64) -> String {
    format!("{share:.1}")
}

/// How a rate is written on an axis.
fn rate(rate: f64) -> String {
    if rate < 1.0 {
        format!("{rate:.2}")
    } else {
        format!("{rate:.0}")
    }
}

fn line_chart<X, Y>(
    lines: &[Line],
    (x, y): (X, Y),
    (x_title, y_title): (&str, &str),
    (x_label, y_label): (AxisLabel, AxisLabel),
) -> Result<String, ChartError>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (plot, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        let mut chart = ChartBuilder::on(&plot)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(52)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(x_title)
            .y_desc(y_title)
            .x_label_formatter(&|value| x_label(*value))
            .y_label_formatter(&|value| y_label(*value))
            .draw()?;
        for (number, line) in lines.iter().enumerate() {
            let width = if line.is_floor { 1 } else { 3 };
            let style = Palette99::pick(number).stroke_width(width);
            chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
            let y = 20 + 20 * number as i32;
            legend.draw(&PathElement::new([(4, y), (26, y)], style))?;
            let font = ("sans-serif", 13).into_font();
            legend.draw(&Text::new(line.name.clone(), (32, y - 7), font))?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// The score of a series as an area, with labelled windows behind it, the end of the training range
/// and the threshold as lines.
pub(super) fn trace(curves: &Curves) -> Result<String, ChartError> {
    let columns = curves.scores.len() as f64;
    let finite = || {
        curves
            .scores
            .iter()
            .copied()
            .filter(|score| score.is_finite())
    };
    let highest = finite().fold(0.0_f32, f32::max);
    let lowest = finite().fold(0.0_f32, f32::min);
    let top = if highest > lowest {
        highest
    } else {
        lowest + 1.0
    };
    // One outlier would flatten all else: roots show both.
    let height = |score: f64| {
        let share = (score - f64::from(lowest)) / (f64::from(top) - f64::from(lowest));
        share.clamp(0.0, 1.0).sqrt()
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, TRACE_SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(4)
            .build_cartesian_2d(0.0..columns, 0.0..1.02)?;
        let labelled = runs(&curves.labels);
        chart.draw_series(labelled.into_iter().map(|(from, to)| {
            let corners = [(from as f64, 0.0), (to as f64, 1.02)];
            Rectangle::new(corners, LABELLED.mix(0.35).filled())
        }))?;
        let points = curves.scores.iter().enumerate();
        let points = points.map(|(column, score)| {
            let score = f64::from(*score);
            let score = if score.is_finite() {
                height(score)
            } else {
                0.0
            };
            (column as f64 + 0.5, score)
        });
        chart.draw_series(AreaSeries::new(points, 0.0, SCORE.mix(0.25)).border_style(SCORE))?;
        let training = curves.training_share * columns;
        let lines = [
            Some(vec![(training, 0.0), (training, 1.02)]),
            (curves.threshold <= f64::from(top)).then(|| {
                let threshold = height(curves.threshold);
                vec![(0.0, threshold), (columns, threshold)]
            }),
        ];
        for line in lines.into_iter().flatten() {
            chart.draw_series(DashedLineSeries::new(line, 4, 3, THRESHOLD.into()))?;
        }
        area.present()?;
    }
    Ok(svg)
}

/// Runs of true as first and one past the last.
fn runs(flags: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (place, _) in flags.iter().enumerate().filter(|(_, flag)| **flag) {
        match runs.last_mut() {
            Some((_, end)) if *end == place => *end += 1,
            _ => runs.push((place, place + 1)),
        }
    }
    runs
}
