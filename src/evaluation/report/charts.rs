//! Charts as SVG, drawn by `plotters`. No text from outside is drawn into them.

use plotters::coord::ranged1d::AsRangedCoord;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

use crate::evaluation::curves::{BUDGETS, Curves, RECALLS};

/// Why a chart cannot be drawn.
pub type ChartError = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

/// A named line of points.
#[derive(Debug)]
pub struct Line {
    /// What the legend says of it.
    pub name: String,
    /// Across and up.
    pub points: Vec<(f64, f64)>,
    /// Floors are drawn thin.
    pub is_floor: bool,
}

/// Width and height of a chart.
pub const SIZE: (u32, u32) = (820, 420);
const TRACE_SIZE: (u32, u32) = (960, 150);
const LABELLED: RGBColor = RGBColor(214, 39, 40);
/// Colour of scores, and of detectors.
pub const SCORE: RGBColor = RGBColor(31, 119, 180);
/// Colour of thresholds, and of floors.
pub const THRESHOLD: RGBColor = RGBColor(80, 80, 80);
/// Room for the legend, to the right of the lines.
pub const LEGEND: u32 = 190;

/// Precision against recall.
pub(super) fn precision_recall(lines: &[Line]) -> Result<String, ChartError> {
    let axes = (0.0..1.0, 0.0..1.0);
    line_chart(lines, axes, ("recall", "precision"), (tenths, tenths))
}

/// Recall of events against false alarms a week, from few to many.
///
/// # Errors
/// When it cannot be drawn.
pub fn recall_by_alarms(lines: &[Line]) -> Result<String, ChartError> {
    let (first, last) = (BUDGETS[0], BUDGETS[BUDGETS.len() - 1]);
    let axes = (
        "false-alarm events a week",
        "event recall, oracle threshold",
    );
    let across = (first..last).log_scale();
    line_chart(lines, (across, 0.0..1.0), axes, (rate, tenths))
}

/// The points of a precision–recall curve.
pub(super) fn precision_points(precisions: &[f64]) -> Vec<(f64, f64)> {
    let recall = |place: usize| place as f64 / RECALLS as f64;
    let points = precisions.iter().enumerate();
    points.map(|(place, y)| (recall(place), *y)).collect()
}

/// How a value is written on an axis.
pub type AxisLabel = fn(f64) -> String;

/// How a share is written on an axis.
fn tenths(share: f64) -> String {
    format!("{share:.1}")
}

/// How a rate is written on an axis.
#[must_use]
pub fn rate(rate: f64) -> String {
    if rate < 1.0 {
        format!("{rate:.2}")
    } else {
        format!("{rate:.0}")
    }
}

/// Lines with a legend beside them, on axes with titles and labels.
///
/// # Errors
/// When it cannot be drawn.
pub fn line_chart<X, Y>(
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
