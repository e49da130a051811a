//! From the scores of the training range to a threshold for a wanted rate of alarms.
//!
//! Alarms that follow each other closely are one event (runs declustering: Leadbetter, "On a basis
//! for 'Peaks over Threshold' modeling", 1991). With A(ρ) the lowest threshold at which at most a
//! share ρ of the windows begins an event, events per window fall with the threshold as a Pareto
//! tail (peaks over threshold for streams: Siffer et al., "Anomaly Detection in Streams with
//! Extreme Value Theory", KDD 2017; shape from two quantiles, as Pickands 1975):
//!
//! ```text
//! θ(λ) = A(r) · (r / λ)^ξ
//! ```
//!
//! The training range is not labelled and may hold anomalies, and a rate as rare as one a week is
//! hardly seen in it. So the shape ξ is a fixed one, larger where little history was seen, and
//! gives way to the one found only where that is clearly larger.
//!
//! The constants were chosen on scores of the KPI series of the `AIOps` 2018 challenge.

use crate::measures::alarms::{AlarmRules, thresholds_of_events};

/// Events per window from which the tail goes on.
const ANCHOR: f64 = 1.0 / 120.0;
/// Halvings of the anchor at most, where so many windows score 0 that the threshold would.
const HALVINGS: usize = 4;
/// Shape of the tail with weeks of history, and what is added to it with none.
const SHAPE: (f64, f64) = (0.18, 0.06);
/// Days in which that addition falls to 1/e.
const SHAPE_DAYS: f64 = 7.0;
/// How far the shape found may exceed the fixed one without effect.
const SHAPE_SLACK: f64 = 0.1;
/// The largest shape.
const MAX_SHAPE: f64 = 1.2;
/// Halvings of the anchor's rate at which the tail is looked at again.
const FARTHER: usize = 2;

/// The threshold from which scores like those of a training range make alarm events at a rate of
/// `per_window`; infinite where nothing can be said: too few scores, or none above 0.
///
/// `scores` has one entry per window of the training range, NaN for no score; scores are at least
/// 0, and twice as much means twice as far. `training_days` is the length of the range.
#[must_use]
pub fn threshold(scores: &[f64], per_window: f64, training_days: f64) -> f64 {
    thresholds(scores, [per_window], training_days)[0]
}

/// The [threshold](threshold()) for each of several rates.
#[must_use]
pub fn thresholds<const RATES: usize>(
    scores: &[f64],
    per_window: [f64; RATES],
    training_days: f64,
) -> [f64; RATES] {
    let scored = scores.iter().filter(|score| !score.is_nan()).count() as f64;
    let rate = |halvings: usize| ANCHOR * 0.5_f64.powi(halvings as i32);
    // From the rarest up, as thresholds are found in one pass.
    let rates = (0..=HALVINGS + FARTHER).rev().map(rate);
    let budgets: Vec<f64> = rates.map(|rate| rate * scored).collect();
    let mut found = thresholds_of_events(scores, &budgets, AlarmRules::default().merge);
    found.reverse();
    for halvings in 0..=HALVINGS {
        let anchor = found[halvings];
        if anchor > 0.0 {
            let rarer = (rate(halvings) / rate(halvings + FARTHER)).ln();
            let steepness = (found[halvings + FARTHER] / anchor).ln() / rarer;
            let shape = shape(steepness, training_days);
            return per_window.map(|wanted| anchor * (rate(halvings) / wanted).powf(shape));
        }
    }
    [f64::INFINITY; RATES]
}

/// ξ, from the one found between two thresholds.
fn shape(found: f64, training_days: f64) -> f64 {
    let fixed = SHAPE.0 + SHAPE.1 * (-training_days / SHAPE_DAYS).exp();
    let excess = found - fixed - SHAPE_SLACK;
    let excess = if excess.is_finite() {
        excess.max(0.0)
    } else {
        0.0
    };
    (fixed + excess).min(MAX_SHAPE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::floors::random;

    /// A month of minutes.
    const WINDOWS: usize = 43_200;

    /// Independent draws of a Pareto distribution of some shape.
    fn pareto(shape: f64) -> Vec<f64> {
        let uniform = random(&vec![0.0; WINDOWS], 3);
        uniform
            .into_iter()
            .map(|u| (1.0 - u).powf(-shape))
            .collect()
    }

    #[test]
    fn heavy_tails_are_followed_as_far_as_the_slack() {
        let scores = pareto(0.7);
        // Far from each other, almost all windows above the threshold are events of their own.
        let per_window = 1.0 / 10_080.0;
        let found = threshold(&scores, per_window, 30.0);
        let anchor = ANCHOR.powf(-0.7);
        let expected = anchor * (ANCHOR / per_window).powf(0.7 - SHAPE_SLACK);
        assert!((found / expected).ln().abs() < 0.35, "{found} {expected}");
    }

    #[test]
    fn light_tails_have_the_fixed_shape() {
        let scores = pareto(0.05);
        let budgets = [ANCHOR * WINDOWS as f64];
        let anchor = thresholds_of_events(&scores, &budgets, 10)[0];
        let found = threshold(&scores, ANCHOR / 16.0, 0.0);
        let expected = anchor * 16.0_f64.powf(SHAPE.0 + SHAPE.1);
        assert!((found - expected).abs() < 1e-12 * expected);
        let more_history = threshold(&scores, ANCHOR / 16.0, 28.0);
        assert!(more_history < found && more_history > anchor);
    }

    #[test]
    fn mostly_zero_scores_have_a_rarer_anchor() {
        // An event every 400 windows: less than one in 240, which is the second halving's.
        let scores: Vec<f64> = (0..WINDOWS)
            .map(|row| {
                if row % 400 == 0 {
                    1.0 + (row % 7) as f64
                } else {
                    0.0
                }
            })
            .collect();
        let found = threshold(&scores, 1.0 / 10_080.0, 30.0);
        assert!(found.is_finite() && found > 1.0, "{found}");
    }

    #[test]
    fn nothing_to_go_by_is_no_alarm() {
        for scores in [
            vec![],
            vec![f64::NAN; 500],
            vec![0.0; WINDOWS],
            vec![3.0; 50],
        ] {
            assert!(threshold(&scores, 1e-4, 1.0).is_infinite());
        }
    }

    #[test]
    fn the_unit_of_scores_does_not_matter() {
        let scores = pareto(0.4);
        let doubled: Vec<f64> = scores.iter().map(|score| 2.0 * score).collect();
        let one = threshold(&scores, 1e-4, 7.0);
        assert!((threshold(&doubled, 1e-4, 7.0) - 2.0 * one).abs() < 1e-9 * one);
    }
}
