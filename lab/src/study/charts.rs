//! Charts that only the study draws.

use anomalog::evaluation::report::charts::{
    ChartError, LEGEND, Line, SCORE, SIZE, THRESHOLD, line_chart, rate,
};
use plotters::prelude::*;

/// False alarms a week that there were against those asked for, beside a line where they are equal.
pub(super) fn asked_and_got(lines: &[Line]) -> Result<String, ChartError> {
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
pub(super) struct Mark {
    pub(super) name: String,
    pub(super) mean: f64,
    pub(super) ends: Option<(f64, f64)>,
    pub(super) is_floor: bool,
}

const MARK_HEIGHT: u32 = 18;

/// Figures from 0 to 1 with their intervals, one below the other; floors in grey.
pub(super) fn intervals(marks: &[Mark], title: &str) -> Result<String, ChartError> {
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
