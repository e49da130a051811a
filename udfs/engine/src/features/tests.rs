//! The inputs of forecasters are their formulas, and depend on their reach alone.

use proptest::prelude::*;

use super::median::RollingMedians;
use super::*;
use crate::series::SeriesGrid;
use crate::series::blocks::BlockLayout;
use crate::series::time_zone::TimeZone;

fn median_of(values: &[f64]) -> f64 {
    RollingMedians::new(values, values.len(), 0).at(values.len() as i64 - 1)
}

fn grid(first: i64, values: Vec<f64>) -> SeriesGrid {
    let row_slots = (0..values.len()).collect();
    SeriesGrid {
        first,
        series_first: first,
        metrics: vec![values],
        row_slots,
    }
}

fn layout() -> BlockLayout {
    BlockLayout {
        step_micros: 3_600_000_000,
        lookback: 8,
        block: 4,
        horizons: vec![1, 3],
        scale_windows: 24,
        profile_windows: 48,
        evidence_windows: 0,
        resolutions: vec![0.0],
    }
}

fn block_inputs(layout: &BlockLayout, grid: &SeriesGrid, block: i64) -> Vec<f32> {
    block_inputs_in(TimeZone::UTC, layout, grid, block)
}

fn block_inputs_in(
    zone: TimeZone,
    layout: &BlockLayout,
    grid: &SeriesGrid,
    block: i64,
) -> Vec<f32> {
    let features = SeriesFeatures::new(layout, grid, Some(zone));
    let mut out = vec![0.0; layout.sequence_length() * layout.features()];
    let scales = features.scales(block);
    InputWriter::default().write(&features, block, &scales, &mut out);
    out
}

proptest! {
    #[test]
    fn a_block_depends_on_its_reach_only(
        values in prop::collection::vec(prop_oneof![9 => 0.0..50.0f64, 1 => Just(f64::NAN)], 200..260),
        cut in 0usize..60,
    ) {
        let layout = layout();
        let block = 160;
        let full = block_inputs(&layout, &grid(0, values.clone()), block);
        // Drop history beyond the reach and everything after the block.
        let begin = cut.min(block as usize - layout.reach(TimeZone::UTC));
        let end = block as usize + layout.block;
        let cut = block_inputs(&layout, &grid(begin as i64, values[begin..end].to_vec()), block);
        prop_assert_eq!(full, cut);
    }
}

/// Hours since the epoch until 2026-10-26T00:00:00Z, a day after clocks changed in Berlin.
const AFTER_CHANGE: i64 = 498_048;

proptest! {
    #[test]
    fn a_block_depends_on_its_reach_only_in_a_zone(
        values in prop::collection::vec(0.0..50.0f64, 250..300),
        cut in 0usize..60,
        days in -3i64..3,
    ) {
        let layout = layout();
        let zone: TimeZone = "Europe/Berlin".parse().unwrap();
        let block = layout.block_of(AFTER_CHANGE) + 24 * days;
        let first = block - 200;
        let full = block_inputs_in(zone, &layout, &grid(first, values.clone()), block);
        let begin = cut.min(200 - layout.reach(zone));
        let end = 200 + layout.block;
        let cut = grid(first + begin as i64, values[begin..end].to_vec());
        prop_assert_eq!(full, block_inputs_in(zone, &layout, &cut, block));
    }
}

#[test]
fn yesterday_is_local() {
    let layout = layout();
    let first = AFTER_CHANGE - 120;
    let values: Vec<f64> = (0..160).map(|t| f64::from(t * 31 % 97)).collect();
    let grid = grid(first, values.clone());
    let zone: TimeZone = "Europe/Berlin".parse().unwrap();
    let features = SeriesFeatures::new(&layout, &grid, Some(zone));
    let width = layout.features();
    let slog = |v: f64| v.abs().ln_1p().copysign(v) as f32;
    // Clocks changed 23 hours before, and so yesterday is 25 hours before for one hour more.
    for block in [AFTER_CHANGE, AFTER_CHANGE + 4] {
        let scale = features.scales(block)[0].unwrap().scale;
        let inputs = block_inputs_in(zone, &layout, &grid, block);
        for (row, t) in (block - layout.lookback as i64 - 1..).enumerate().take(12) {
            let day = |t: i64| {
                if (AFTER_CHANGE - 23..=AFTER_CHANGE).contains(&t) {
                    25
                } else {
                    24
                }
            };
            let base = features.baseline(0, t - day(t));
            let centred = |t: i64| {
                let middle = (t - day(t) - first) as usize;
                median_of(&values[middle - 2..=middle + 2])
            };
            let long = features.long_median(0, t) - features.long_median(0, t - day(t));
            let expected = [centred(t + 1) - base, centred(t + 3) - base, long];
            let found = &inputs[row * width + 4..][..3];
            for (found, expected) in found.iter().zip(expected) {
                let expected = slog(expected / scale);
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{block} {t}: {found} {expected}"
                );
            }
            let local = (t + if t >= AFTER_CHANGE - 23 { 1 } else { 2 }).rem_euclid(24) as f64;
            let angle = (local / 24.0 * std::f64::consts::TAU) as f32;
            let time = &inputs[row * width + width - 4..][..2];
            assert!((time[0] - angle.sin()).abs() < 1e-5, "{t}");
            assert!((time[1] - angle.cos()).abs() < 1e-5, "{t}");
        }
    }
}

#[test]
fn inputs_are_the_documented_formulas() {
    let layout = layout();
    let values: Vec<f64> = (0..120)
        .map(|t| f64::from(t % 24) + f64::from(t % 7))
        .collect();
    let grid = grid(0, values.clone());
    let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
    let scales = features.scales(96);
    let scale = scales[0].unwrap();
    let inputs = block_inputs(&layout, &grid, 96);
    let width = layout.features();
    let (row, t) = (9usize, 96);
    let at = &inputs[row * width..(row + 1) * width];
    let m11 = |t: usize| median_of(&values[t - 10..=t]);
    let m61 = |t: usize| median_of(&values[t - 60..=t]);
    let slog = |v: f64| {
        let v = v / scale.scale;
        (v.abs().ln_1p().copysign(v)) as f32
    };
    let expected = [
        slog(values[t] - m11(t)),
        slog(values[t] - values[t - 1]),
        slog(m11(t) - m61(t)),
        slog(m61(t) - scale.level),
        slog(median_of(&values[t - 25..=t - 21]) - m11(t - 24)),
        slog(median_of(&values[t - 23..=t - 19]) - m11(t - 24)),
        slog(m61(t) - m61(t - 24)),
    ];
    for (found, expected) in at.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{at:?}");
    }
    assert_eq!(at[7..9], [1.0, 1.0]);
    // 96 h after Thursday midnight is Monday midnight.
    assert_eq!(at[9..13], [0.0, 1.0, 0.0, 1.0]);
    let target = features.target(0, 96, 3, scales[0]);
    assert!((target - (values[99] - m11(96)) / scale.scale).abs() < 1e-12);
}

#[test]
fn constant_and_empty_history_have_a_positive_scale_or_none() {
    let layout = layout();
    let zero = grid(0, vec![0.0; 60]);
    let scale = SeriesFeatures::new(&layout, &zero, Some(TimeZone::UTC)).scales(48)[0].unwrap();
    assert_eq!(
        scale,
        Scale {
            level: 0.0,
            scale: 1.0
        }
    );
    let missing = grid(0, vec![f64::NAN; 60]);
    assert_eq!(
        SeriesFeatures::new(&layout, &missing, Some(TimeZone::UTC)).scales(48),
        [None]
    );
}
