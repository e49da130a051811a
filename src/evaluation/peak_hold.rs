//! Scores that fade instead of falling.

/// Holds peaks: each score, or what is left of the highest before it, whichever is more, where what
/// is left halves every `half_life` windows. Causal.
///
/// Meant for scores that are 0 or more: what is negative is not held. A NaN score stays NaN, and
/// peaks before it go on fading. A half-life that is not above 0 holds nothing.
#[must_use]
pub fn peak_hold(scores: &[f64], half_life: f64) -> Vec<f64> {
    let kept = if half_life > 0.0 {
        0.5_f64.powf(1.0 / half_life)
    } else {
        0.0
    };
    let mut held = 0.0_f64;
    let hold = |score: &f64| {
        held *= kept;
        if score.is_nan() {
            return f64::NAN;
        }
        held = held.max(*score);
        if held > 0.0 { held } else { *score }
    };
    scores.iter().map(hold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_halve_and_higher_ones_take_over() {
        let scores = [0.0, 8.0, 1.0, 0.0, f64::NAN, 0.0, 3.0, 2.9];
        let held = peak_hold(&scores, 2.0);
        let expected = [0.0, 8.0, 8.0 / 2.0_f64.sqrt(), 4.0, f64::NAN, 2.0, 3.0, 2.9];
        for (found, expected) in held.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-12 || (found.is_nan() && expected.is_nan()),
                "{held:?}"
            );
        }
    }

    #[test]
    fn negative_scores_and_no_half_life_change_nothing() {
        let scores = [-2.0, -1.0, -4.0];
        assert_eq!(peak_hold(&scores, 10.0), scores);
        let scores = [1.0, 0.5, 0.0];
        for half_life in [0.0, -1.0, f64::NAN] {
            assert_eq!(peak_hold(&scores, half_life), scores);
        }
    }

    #[test]
    fn held_peaks_stay_until_something_rises() {
        assert_eq!(peak_hold(&[1.0, -3.0], f64::INFINITY), [1.0, 1.0]);
    }
}
