//! How far residuals usually are from zero, from the days before.

use std::collections::VecDeque;

/// Days that a scale is the median of: three weeks, so that a wild week cannot set it.
const DAYS: usize = 21;
/// Residuals of a day that make a scale of it.
const LEAST_RESIDUALS: usize = 12;
/// Residuals beyond so many scales count as if they were that far: what stands out is no scale.
const CLIP: f64 = 4.0;
/// How often a scale is clipped by itself. More would shrink that of rare visits to nothing.
const CLIPS: usize = 2;
/// The least share of the mean square that is left of it.
const LEAST_SHARE: f64 = 0.1;

/// The scale of one kind of residuals.
#[derive(Debug, Clone, Default)]
pub(super) struct DailyScale {
    today: Vec<f32>,
    days: VecDeque<f64>,
    scale: Option<f64>,
}

impl DailyScale {
    /// Takes a residual.
    pub(super) fn push(&mut self, residual: f64) {
        self.today.push(residual as f32);
    }

    /// The median scale of the last complete days; `None` before the first.
    pub(super) fn scale(&self) -> Option<f64> {
        self.scale
    }

    /// Ends a day.
    pub(super) fn end_day(&mut self) {
        if self.today.len() >= LEAST_RESIDUALS {
            if self.days.len() == DAYS {
                self.days.pop_front();
            }
            self.days.push_back(of_day(&self.today));
            let mut sorted: Vec<f64> = self.days.iter().copied().collect();
            sorted.sort_unstable_by(f64::total_cmp);
            self.scale = Some(sorted[sorted.len() / 2]);
        }
        self.today.clear();
    }
}

/// The root of the mean square, clipped.
pub(super) fn of_day(residuals: &[f32]) -> f64 {
    let mean_square = |limit: f64| {
        let squares = residuals
            .iter()
            .map(|residual| f64::from(*residual).powi(2).min(limit));
        squares.sum::<f64>() / residuals.len() as f64
    };
    let all = mean_square(f64::INFINITY);
    let clipped = (0..CLIPS).fold(all, |square, _| mean_square(CLIP * CLIP * square));
    clipped.max(LEAST_SHARE * all).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_and_a_wild_week_leave_the_scale() {
        let mut scale = DailyScale::default();
        assert_eq!(scale.scale(), None);
        for day in 0..28 {
            let wild = if day > 20 { 30.0 } else { 1.0 };
            for minute in 0..288 {
                let sign = if minute % 2 == 0 { wild } else { -wild };
                // Two of 288 are a job.
                scale.push(if minute < 2 { 40.0 } else { sign });
            }
            scale.end_day();
            let found = scale.scale().unwrap();
            assert!((1.0..1.5).contains(&found), "{day}: {found}");
        }
    }

    #[test]
    fn a_day_with_hardly_a_window_says_nothing() {
        let mut scale = DailyScale::default();
        (0..11).for_each(|_| scale.push(1.0));
        scale.end_day();
        assert_eq!(scale.scale(), None);
    }
}
