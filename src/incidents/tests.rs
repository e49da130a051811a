//! The queries of incidents against their twin, which reads one window after the other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::prelude::DataFrame;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::functions::incidents::incident_id;
use crate::session::SessionOptions;
use crate::units::Span;
use crate::warehouse::Warehouse;

/// Hours, so that a few windows reach beyond what is read at first.
const STEP: &str = "1h";
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const START: i64 = 20_000 * DAY;

/// What a window of a series says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Anomaly,
    Hot,
    Calm,
    Unscored,
    /// There is no row.
    Absent,
}

/// The windows of each series, all from [`START`] on.
type Series = Vec<Vec<Window>>;

fn windows() -> impl Strategy<Value = Window> {
    prop_oneof![
        2 => Just(Window::Anomaly),
        3 => Just(Window::Hot),
        9 => Just(Window::Calm),
        3 => Just(Window::Unscored),
        1 => Just(Window::Absent),
    ]
}

/// Stretches of one kind of window, so that long runs and gaps occur.
fn series() -> impl Strategy<Value = Series> {
    let stretch = (windows(), prop_oneof![4 => 1..4_usize, 1 => 4..40_usize]);
    let one = prop::collection::vec(stretch, 1..40).prop_map(|stretches| {
        let windows = stretches.into_iter();
        windows
            .flat_map(|(window, length)| std::iter::repeat_n(window, length))
            .collect::<Vec<_>>()
    });
    prop::collection::vec(one, 1..4)
}

fn rules() -> IncidentRules {
    IncidentRules {
        bridge: Span::minutes(3 * 60),
        bridge_unknown: Span::minutes(5 * 60),
        min_length: Span::minutes(60),
        ..IncidentRules::default()
    }
}

fn name(series: usize) -> String {
    format!("series {series}")
}

/// An incident: series, first and one after the last window, windows above the stop level.
type Expected = (usize, usize, usize, i64);

/// The incidents of each series by the twin of the queries.
fn twin(series: &[Vec<Window>], rules: &IncidentRules) -> Vec<Expected> {
    let slot = |time: i64| ((time - START) / HOUR) as usize;
    let mut found = Vec::new();
    for (number, windows) in series.iter().enumerate() {
        let windows = windows.iter().enumerate().filter_map(|(slot, window)| {
            let state = match window {
                Window::Anomaly => WindowState::Anomaly,
                Window::Hot => WindowState::Hot,
                Window::Calm => WindowState::Calm,
                Window::Unscored | Window::Absent => return None,
            };
            Some((time(slot), state))
        });
        for SeriesIncident { time, windows } in rules.incidents_of_series(windows, HOUR) {
            found.push((number, slot(time.start), slot(time.end), windows as i64));
        }
    }
    found.sort_by_key(|incident| (incident.1, incident.0));
    found
}

/// For each incident, in order, the first of those that it is joined with by overlaps.
fn twin_groups(incidents: &[Expected]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..incidents.len()).collect();
    for _ in incidents {
        for (a, one) in incidents.iter().enumerate() {
            for (b, other) in incidents.iter().enumerate() {
                if one.1 < other.2 && other.1 < one.2 {
                    let first = groups[a].min(groups[b]);
                    groups[a] = first;
                    groups[b] = first;
                }
            }
        }
    }
    groups
}

/// A session whose `scored_windows` are made up.
struct World {
    session: Session,
    windows: RefCell<Option<DataFrame>>,
    _folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = SessionOptions {
            threads: Some(2),
            ..SessionOptions::default()
        };
        let warehouse = Warehouse::new(folder.path());
        let session = runtime
            .block_on(Session::open(&warehouse, &options))
            .unwrap();
        Self {
            session,
            windows: RefCell::new(None),
            _folder: folder,
            runtime,
        }
    }

    /// Puts windows into the table, cut into batches and partitions by `cut`.
    fn set(&self, series: &[Vec<Window>], cut: usize) {
        let batch = scored_windows(series);
        let rows = batch.num_rows();
        let mut partitions = vec![Vec::new(), Vec::new()];
        for (number, first) in (0..rows).step_by(cut).enumerate() {
            partitions[number % 2].push(batch.slice(first, cut.min(rows - first)));
        }
        let table = MemTable::try_new(batch.schema(), partitions).unwrap();
        let table = self.session.context().read_table(Arc::new(table));
        *self.windows.borrow_mut() = Some(table.unwrap());
    }

    fn incidents(&self, rules: &IncidentRules, started_at: Range<i64>) -> RecordBatch {
        self.group(rules, started_at).0
    }

    fn group(&self, rules: &IncidentRules, started_at: Range<i64>) -> (RecordBatch, FoundRuns) {
        let windows = self.windows.borrow().clone().expect("windows were set");
        let windows = RunWindows {
            session: &self.session,
            step: STEP.parse().unwrap(),
            all: (START, START + 2_000 * HOUR),
            open: &|_| Ok(windows.clone()),
        };
        let found = group(windows, rules, started_at);
        self.runtime.block_on(found).unwrap()
    }
}

fn scored_windows(series: &[Vec<Window>]) -> RecordBatch {
    const P: f64 = 1e-4;
    let rows: Vec<(usize, usize, Window)> = series
        .iter()
        .enumerate()
        .flat_map(|(number, windows)| {
            let windows = windows.iter().enumerate();
            windows.map(move |(slot, window)| (number, slot, *window))
        })
        .filter(|(.., window)| *window != Window::Absent)
        .collect();
    let score = |window| match window {
        Window::Anomaly => Some(1.0 - 0.7 * P),
        Window::Hot => Some(1.0 - 1.5 * P),
        Window::Calm => Some(1.0 - 9.0 * P),
        Window::Unscored | Window::Absent => None,
    };
    let doubles = |value: &dyn Fn(usize, Window) -> Option<f64>| -> ArrayRef {
        let values = rows.iter().map(|(_, slot, window)| value(*slot, *window));
        Arc::new(values.collect::<Float64Array>())
    };
    let counts = || -> ArrayRef {
        let values = rows.iter().map(|(_, slot, _)| 100 + (slot % 7) as i64);
        Arc::new(values.collect::<Int64Array>())
    };
    let texts = |value: &dyn Fn(usize, Window) -> Option<&'static str>| -> ArrayRef {
        let values = rows.iter().map(|(_, slot, window)| value(*slot, *window));
        Arc::new(values.collect::<StringArray>())
    };
    let is_scored = |window| score(window).is_some();
    let sites: StringArray = rows
        .iter()
        .map(|(number, ..)| Some(name(*number)))
        .collect();
    let times: TimestampMicrosecondArray = rows
        .iter()
        .map(|(_, slot, _)| Some(START + *slot as i64 * HOUR))
        .collect();
    let anomalies: BooleanArray = rows
        .iter()
        .map(|(.., window)| is_scored(*window).then_some(*window == Window::Anomaly))
        .collect();
    RecordBatch::try_from_iter_with_nullable([
        ("site", Arc::new(sites) as ArrayRef, false),
        ("window_start", Arc::new(times.with_timezone("UTC")), false),
        ("requests", counts(), true),
        ("bytes", counts(), true),
        ("client_errors", counts(), true),
        ("server_errors", counts(), true),
        ("unique_clients", counts(), true),
        ("latency_p50", doubles(&|_, _| Some(0.25)), true),
        ("latency_p95", doubles(&|_, _| None), true),
        ("anomaly_score", doubles(&|_, window| score(window)), true),
        ("is_anomaly", Arc::new(anomalies), true),
        (
            "threshold",
            doubles(&|_, window| is_scored(window).then_some(1.0 - P)),
            true,
        ),
        (
            "expected_value",
            doubles(&|slot, window| is_scored(window).then_some(40.0 + 0.1 * slot as f64)),
            true,
        ),
        (
            "severity",
            texts(&|_, window| (window == Window::Anomaly).then_some("medium")),
            true,
        ),
        (
            "direction",
            texts(&|_, window| is_scored(window).then_some("spike")),
            true,
        ),
        (
            "top_metric",
            texts(&|slot, window| {
                is_scored(window).then_some(["requests", "latency_p50"][slot % 2])
            }),
            true,
        ),
        ("run_id", texts(&|_, _| Some("run")), false),
    ])
    .unwrap()
}

/// Rows as text, by when they start.
fn rows(batch: &RecordBatch) -> Vec<(i64, String)> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    let starts = spans(batch);
    (0..batch.num_rows())
        .map(|row| {
            let values: Vec<_> = columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect();
            (starts[row].start, values.join(" | "))
        })
        .collect()
}

fn time(slot: usize) -> i64 {
    START + slot as i64 * HOUR
}

/// The times of rows of `incidents`.
fn spans(incidents: &RecordBatch) -> Vec<Range<i64>> {
    let ends = times(incidents, "ended_at");
    let starts = times(incidents, "started_at");
    let spans = starts.into_iter().zip(ends);
    spans.map(|(start, end)| start..end).collect()
}

/// Midnight so many days after [`START`], which is one.
fn time_of_day(day: i64) -> i64 {
    START + day * DAY
}

fn everything() -> Range<i64> {
    time_of_day(-1)..time_of_day(100)
}

#[test]
fn incidents_are_those_of_the_twin_and_groups_their_overlaps() {
    let world = World::new();
    let rules = rules();
    let config = ProptestConfig::with_cases(16);
    proptest!(config, |(series in series(), cut in 1..50_usize)| {
        world.set(&series, cut);
        let found = world.incidents(&rules, everything());
        let expected = twin(&series, &rules);
        let groups = twin_groups(&expected);
        let text = |column: &str, row| {
            found.column_by_name(column).unwrap().as_string::<i32>().value(row).to_owned()
        };
        let times = spans(&found);
        prop_assert_eq!(found.num_rows(), expected.len());
        for (row, (number, first, end, windows)) in expected.iter().enumerate() {
            prop_assert_eq!(text("site", row), name(*number));
            prop_assert_eq!(&times[row], &(time(*first)..time(*end)));
            let counts = found.column_by_name("windows").unwrap();
            let counts = counts.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
            prop_assert_eq!(counts.value(row), *windows);
            let id = |row: usize| {
                incident_id(&name(expected[row].0), time(expected[row].1))
            };
            prop_assert_eq!(text("incident_id", row), id(row));
            prop_assert_eq!(text("group_id", row), id(groups[row]));
        }
    });
}

#[test]
fn a_range_has_the_incidents_of_the_whole() {
    let world = World::new();
    let rules = rules();
    let config = ProptestConfig::with_cases(16);
    proptest!(config, |(series in series(), from in 0..200_usize, length in 0..100_usize)| {
        world.set(&series, 1_000);
        let range = time(from)..time(from + length);
        let mut whole = rows(&world.incidents(&rules, everything()));
        whole.retain(|(start, _)| range.contains(start));
        prop_assert_eq!(rows(&world.incidents(&rules, range)), whole);
    });
}

#[test]
fn what_a_date_does_not_read_changes_no_incident_of_it() {
    let world = World::new();
    let config = ProptestConfig::with_cases(48);
    let change = (
        0..250_usize,
        prop::collection::vec(windows(), 1..60),
        0..3_usize,
    );
    let place = (0..10_i64, 0..4_i64, 0..2_i64);
    proptest!(config, |(series in series(), (from, windows, which) in change, (day, before, after) in place, only_severe: bool)| {
        world.set(&series, 1_000);
        let rules = if only_severe {
            // What becomes of a long incident decides whether it counts.
            IncidentRules {
                min_severity: SeverityRule::Medium,
                medium_impact: Span::minutes(10 * 60),
                high_impact: Span::minutes(20 * 60),
                ..rules()
            }
        } else {
            rules()
        };
        let date = date_of(START + day * DAY);
        // However many dates are asked for together.
        let range = time_of_day(day - before)..time_of_day(day + 1 + after);
        let of_date = |rows: &RecordBatch| {
            let mut rows = self::rows(rows);
            rows.retain(|(start, _)| date_of(*start) == date);
            rows
        };
        let (found, runs) = world.group(&rules, range);
        let reads = runs.dates_read(date);
        let found = of_date(&found);
        let mut changed = series.clone();
        let target = which % changed.len();
        // Beyond the end of the series, windows are new.
        let length = changed[target].len().max(from + windows.len());
        changed[target].resize(length, Window::Absent);
        for (slot, window) in (from..).zip(windows) {
            if !reads.contains(&date_of(time(slot))) {
                changed[target][slot] = window;
            }
        }
        world.set(&changed, 1_000);
        let after = of_date(&world.incidents(&rules, time_of_day(day)..time_of_day(day + 1)));
        prop_assert_eq!(found, after, "{:?}", reads);
        prop_assert!(reads.contains(&date));
    });
}

#[test]
fn a_date_reads_others_only_where_an_incident_leads_there() {
    let world = World::new();
    let rules = rules();
    let mut windows = vec![Window::Calm; 240];
    // Midday of day 1; the night to day 5; the night to day 6, until another series has one in the
    // night to day 7.
    windows[36] = Window::Anomaly;
    windows[118..124].fill(Window::Anomaly);
    windows[142..160].fill(Window::Anomaly);
    let mut other = vec![Window::Calm; 240];
    other[158..170].fill(Window::Anomaly);
    world.set(&[windows, other], 1_000);
    let (_, runs) = world.group(&rules, everything());
    let reads = |day: i64| {
        let reads = runs.dates_read(date_of(time_of_day(day)));
        let days = |date| (micros_of(date).start - START) / DAY;
        days(*reads.start())..=days(*reads.end())
    };
    assert_eq!(reads(1), 0..=1);
    assert_eq!(reads(2), 1..=2);
    assert_eq!(reads(4), 3..=5);
    assert_eq!(reads(5), 4..=7);
    assert_eq!(reads(6), 5..=7);
    // Of the group that goes on into it, the first began on the fifth.
    assert_eq!(reads(7), 5..=7);
    assert_eq!(reads(8), 7..=8);
}

#[test]
fn severity_adds_up_rarity_and_impact() {
    let world = World::new();
    // An hour of an anomaly that is rare by the month: 100 and more requests where 40 were expected.
    world.set(&[vec![Window::Anomaly]], 1_000);
    let severity = |medium: u16, high: u16| {
        let rules = IncidentRules {
            medium_impact: Span::minutes(medium),
            high_impact: Span::minutes(high),
            ..rules()
        };
        let found = world.incidents(&rules, everything());
        let impact = found.column_by_name("impact_minutes").unwrap();
        let impact = impact.as_primitive::<datafusion::arrow::datatypes::Float64Type>();
        assert!((impact.value(0) - 90.0).abs() < 1e-9);
        let severity = found.column_by_name("severity").unwrap();
        severity.as_string::<i32>().value(0).to_owned()
    };
    let found: BTreeMap<_, _> = [(100, 200), (80, 200), (10, 80)]
        .into_iter()
        .map(|(medium, high)| (medium, severity(medium, high)))
        .collect();
    assert_eq!(found[&100], "low");
    assert_eq!(found[&80], "medium");
    assert_eq!(found[&10], "high");
    let rules = IncidentRules {
        min_severity: SeverityRule::Medium,
        medium_impact: Span::minutes(100),
        high_impact: Span::minutes(200),
        ..rules()
    };
    assert_eq!(world.incidents(&rules, everything()).num_rows(), 0);
}
