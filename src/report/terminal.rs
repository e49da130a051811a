//! A picture of an incident for the terminal, made of block characters.

use std::fmt::Write as _;

use chrono::DateTime;

use super::drawing::{MOST_NINES, nines};
use super::pictures::{Picture, Point};

/// Characters across and up.
const WIDTH: usize = 64;
const HEIGHT: usize = 6;
/// Room for the words at the left.
const MARGIN: usize = 9;

/// Eighths of a character.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws a picture in lines of text: what there was as bars, below it what was expected, the score and
/// the time of the incident.
pub(super) fn draw(picture: &Picture) -> String {
    let columns = columns(picture);
    let highest = columns
        .iter()
        .flat_map(|point| [point.actual, point.expected])
        .flatten()
        .fold(0.0, f64::max)
        .max(1e-9);
    let mut text = String::new();
    for row in (0..HEIGHT).rev() {
        let label = match row {
            5 => number(highest),
            0 => "0".to_owned(),
            _ => String::new(),
        };
        let bars = columns.iter().map(|point| match point.actual {
            Some(value) => eighths(value / highest * HEIGHT as f64 - row as f64),
            None if row == 0 => '·',
            None => ' ',
        });
        line(&mut text, &label, bars);
    }
    // What is there is seen, however small.
    let small = |share: Option<f64>| share.map_or(' ', |share| eighths(share.max(0.125)));
    line(
        &mut text,
        "expected",
        columns
            .iter()
            .map(|point| small(point.expected.map(|value| value / highest))),
    );
    line(
        &mut text,
        "score",
        columns
            .iter()
            .map(|point| small(point.score.map(|score| nines(score) / MOST_NINES))),
    );
    let place = |time: i64| {
        let share =
            (time - picture.range.start) as f64 / (picture.range.end - picture.range.start) as f64;
        (share * WIDTH as f64) as usize
    };
    let (first, last) = (
        place(picture.incident.start),
        place(picture.incident.end - 1),
    );
    line(
        &mut text,
        "incident",
        (0..WIDTH).map(|column| {
            if (first..=last).contains(&column) {
                '━'
            } else {
                ' '
            }
        }),
    );
    let [from, until] = [picture.range.start, picture.range.end].map(|time| {
        let time = DateTime::from_timestamp_micros(time).unwrap_or_default();
        time.format("%H:%M").to_string()
    });
    let _ = write!(
        text,
        "{:MARGIN$} {from:<half$}{until:>half$}",
        "",
        half = WIDTH / 2
    );
    text
}

/// The points of a picture as so many columns: the means of what lies in each, and the highest score.
fn columns(picture: &Picture) -> Vec<Point> {
    let of = |column: usize| {
        let count = picture.points.len();
        let (from, until) = (column * count / WIDTH, (column + 1) * count / WIDTH);
        // Fewer points than columns: each is several.
        let points = &picture.points[from.min(count - 1)..until.max(from + 1).min(count)];
        let mean = |of: fn(&Point) -> Option<f64>| {
            let values: Vec<f64> = points.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        Point {
            actual: mean(|point| point.actual),
            expected: mean(|point| point.expected),
            score: points
                .iter()
                .filter_map(|point| point.score)
                .reduce(f64::max),
            ..Point::default()
        }
    };
    (0..WIDTH).map(of).collect()
}

fn line(text: &mut String, label: &str, columns: impl Iterator<Item = char>) {
    let columns: String = columns.collect();
    let _ = writeln!(text, "{label:>MARGIN$} {}", columns.trim_end());
}

/// A part of a character, none of it below nought, all of it above one.
fn eighths(share: f64) -> char {
    BLOCKS[(share.clamp(0.0, 1.0) * 8.0).round() as usize]
}

fn number(value: f64) -> String {
    if value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_above_what_was_expected_and_the_time_of_the_incident() {
        let minute = 60_000_000;
        let points = (0..128).map(|place| Point {
            actual: (place < 120).then_some(if (64..96).contains(&place) {
                80.0
            } else {
                20.0
            }),
            expected: (place % 3 == 0).then_some(20.0),
            score: Some(if (64..96).contains(&place) {
                0.99999
            } else {
                0.5
            }),
            ..Point::default()
        });
        let picture = Picture {
            metric: "requests".to_owned(),
            incident: 64 * minute..96 * minute,
            range: 0..128 * minute,
            step: minute,
            points: points.collect(),
        };
        insta::assert_snapshot!(draw(&picture), @"
              80                                 ████████████████
                                                 ████████████████
                                                 ████████████████
                                                 ████████████████
                 ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄████████████████▄▄▄▄▄▄▄▄▄▄▄▄
               0 ████████████████████████████████████████████████████████████····
        expected ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂▂ ▂
           score ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
        incident                                 ━━━━━━━━━━━━━━━━
                 00:00                                                      02:08
        ");
        // Fewer points than columns.
        let few = Picture {
            points: vec![
                Point {
                    actual: Some(1.0),
                    ..Point::default()
                };
                3
            ],
            ..picture
        };
        assert_eq!(draw(&few).lines().count(), HEIGHT + 4);
    }
}
