//! The queries of incidents against a plain twin: a state machine that reads one window after the
//! other.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::session::SessionOptions;
use crate::units::Span;
use crate::warehouse::Warehouse;

/// Hours, so that a few windows reach beyond what is read at first.
const STEP: &str = "1h";
const HOUR: i64 = 3_600_000_000;
const START: i64 = 20_000 * 24 * HOUR;

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

/// The incidents of each series, by a state machine.
fn twin(series: &[Vec<Window>], rules: &IncidentRules) -> Vec<Expected> {
    let longest = |span: Span| (span.micros() / HOUR) as usize;
    let mut found = Vec::new();
    for (number, windows) in series.iter().enumerate() {
        let mut open: Option<Expected> = None;
        let (mut calm, mut unknown) = (0, 0);
        for (slot, window) in windows.iter().enumerate() {
            match window {
                Window::Calm => calm += 1,
                Window::Unscored | Window::Absent => unknown += 1,
                Window::Hot | Window::Anomaly => {
                    let is_bridged =
                        calm <= longest(rules.bridge) && unknown <= longest(rules.bridge_unknown);
                    if let Some(incident) = open.as_mut().filter(|_| is_bridged) {
                        incident.2 = slot + 1;
                        incident.3 += 1;
                    } else {
                        found.extend(open.take());
                        open = (*window == Window::Anomaly).then_some((number, slot, slot + 1, 1));
                    }
                    (calm, unknown) = (0, 0);
                }
            }
        }
        found.extend(open);
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
        let context = self.session.context();
        let name = Table::ScoredWindows.name();
        context.deregister_table(name).unwrap();
        context.register_table(name, Arc::new(table)).unwrap();
    }

    fn incidents(&self, rules: &IncidentRules, started_at: Range<i64>) -> RecordBatch {
        let step = STEP.parse().unwrap();
        let found = group(self.session.context(), rules, step, started_at);
        self.runtime.block_on(found).unwrap()
    }

    fn affected(
        &self,
        rules: &IncidentRules,
        changed: &Range<i64>,
        before: &RecordBatch,
    ) -> Range<i64> {
        let step = STEP.parse().unwrap();
        let before = spans(std::slice::from_ref(before));
        let affected = runs::affected(self.session.context(), rules, step, changed, &before);
        self.runtime.block_on(affected).unwrap()
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
        Window::Hot => Some(1.0 - 4.0 * P),
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
    let starts = spans(std::slice::from_ref(batch));
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

fn everything() -> Range<i64> {
    crate::units::time_range(None, None)
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
        let times = spans(std::slice::from_ref(&found));
        prop_assert_eq!(found.num_rows(), expected.len());
        for (row, (number, first, end, windows)) in expected.iter().enumerate() {
            prop_assert_eq!(text("site", row), name(*number));
            prop_assert_eq!(&times[row], &(time(*first)..time(*end)));
            let counts = found.column_by_name("windows").unwrap();
            let counts = counts.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
            prop_assert_eq!(counts.value(row), *windows);
            let id = |row: usize| {
                functions::incident_id(&name(expected[row].0), time(expected[row].1))
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
fn changed_windows_change_no_incident_out_of_their_range() {
    let world = World::new();
    let rules = rules();
    let config = ProptestConfig::with_cases(32);
    let change = (0..150_usize, prop::collection::vec(windows(), 1..30));
    proptest!(config, |(series in series(), (from, windows) in change, which in 0..3_usize)| {
        world.set(&series, 1_000);
        let before = world.incidents(&rules, everything());
        let mut changed = series.clone();
        let target = which % changed.len();
        let range = time(from)..time(from + windows.len());
        // Beyond the end of the series, windows are new.
        let length = changed[target].len().max(from + windows.len());
        changed[target].resize(length, Window::Absent);
        changed[target][from..from + windows.len()].copy_from_slice(&windows);
        world.set(&changed, 1_000);
        let affected = world.affected(&rules, &range, &before);
        let after = world.incidents(&rules, everything());
        let outside = |batch| {
            let mut rows = rows(batch);
            rows.retain(|(start, _)| !affected.contains(start));
            rows
        };
        prop_assert_eq!(outside(&before), outside(&after), "{:?}", affected);
        prop_assert!(affected.start <= range.start && affected.end >= range.end);
    });
}

#[test]
fn what_is_affected_stays_near_where_nothing_runs() {
    let world = World::new();
    let rules = rules();
    let mut windows = vec![Window::Calm; 400];
    windows[50] = Window::Anomaly;
    windows[200] = Window::Anomaly;
    windows[300] = Window::Anomaly;
    world.set(&[windows], 1_000);
    let before = world.incidents(&rules, everything());
    let affected = |slots: Range<usize>| {
        let range = world.affected(&rules, &(time(slots.start)..time(slots.end)), &before);
        let slot = |time: i64| ((time - START) / HOUR) as usize;
        slot(range.start)..slot(range.end)
    };
    assert_eq!(affected(100..110), 100..110);
    // The reach is nine windows: three calm ones, five unknown, and the step.
    assert_eq!(affected(210..211), 210..211);
    assert_eq!(affected(209..211), 200..211);
    assert_eq!(affected(190..191), 190..201);
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
