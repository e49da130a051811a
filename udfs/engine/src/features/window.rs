//! The inputs of a classifier.

use super::inputs::signed_log;
use super::series_features::at;
use super::{Scale, SeriesFeatures};

/// Writes the window that ends at a grid index, `[lookback + 1, metrics]`, row-major: for each
/// metric `slog((x_i − m61) / s)`, with `m61` the trailing median of 61 windows at the end, `s` the
/// scale before the end's block, and `slog v = sign v · ln(1 + |v|)`. A missing value is 0, as if it
/// were the median, and so is a metric without a median or a scale.
///
/// Kim & Cho scale values to [0, 1] over the whole series, which a score cannot wait for.
pub fn write_window(
    features: &SeriesFeatures<'_>,
    index: i64,
    scales: &[Option<Scale>],
    out: &mut [f32],
) {
    let steps = features.layout.lookback + 1;
    let width = scales.len();
    let first = index - features.layout.lookback as i64 - features.grid.first;
    let mut column = Vec::with_capacity(steps);
    for (metric, scale) in scales.iter().enumerate() {
        column.clear();
        let values = &features.grid.metrics[metric];
        let level = features.long_median(metric, index);
        let scale = scale.map_or(f64::NAN, |scale| scale.scale);
        let slots = (first..).take(steps);
        column.extend(slots.map(|slot| ((at(values, slot) - level) / scale) as f32));
        // NaN becomes 0.
        signed_log(&mut column);
        let places = out[metric..].iter_mut().step_by(width);
        for (place, value) in places.zip(&column) {
            *place = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::SeriesGrid;
    use crate::series::blocks::BlockLayout;
    use crate::series::time_zone::TimeZone;

    #[test]
    fn a_window_is_the_documented_formula() {
        let layout = BlockLayout::for_classifier(60_000_000, vec![0.0; 2]);
        let mut metrics = vec![Vec::new(), Vec::new()];
        for row in 0..300 {
            metrics[0].push(f64::from(row * 7_919 % 13));
            metrics[1].push(f64::from(row * 31 % 17) * 100.0);
        }
        metrics[0][210] = f64::NAN;
        let grid = SeriesGrid {
            first: 1_000,
            series_first: 1_000,
            row_slots: (0..300).collect(),
            metrics: metrics.clone(),
        };
        let features = SeriesFeatures::new(&layout, &grid, Some(TimeZone::UTC));
        let mut scales = features.scales(1_200);
        let mut out = vec![f32::NAN; 60 * 2];
        write_window(&features, 1_250, &scales, &mut out);
        for (metric, values) in metrics.iter().enumerate() {
            let mut seen: Vec<f64> = values[190..=250].to_vec();
            seen.retain(|value| value.is_finite());
            seen.sort_by(f64::total_cmp);
            let level = f64::midpoint(seen[(seen.len() - 1) / 2], seen[seen.len() / 2]);
            for step in 0..60 {
                let value = (values[191 + step] - level) / scales[metric].unwrap().scale;
                let expected = if value.is_nan() {
                    0.0
                } else {
                    value.abs().ln_1p().copysign(value)
                };
                let found = f64::from(out[step * 2 + metric]);
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{metric} {step}: {found} {expected}"
                );
            }
        }
        scales[1] = None;
        write_window(&features, 1_250, &scales, &mut out);
        assert!(
            out.chunks(2)
                .all(|step| step[1].to_bits() == 0 && step[0].is_finite())
        );
    }
}
