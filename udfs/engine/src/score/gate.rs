//! How far a gating network lets the alarms of the baseline pass.

use super::open_gate::OpenGate;
use super::{Budget, Detail, Verdict, WindowScore};
use crate::detector::{Comparison, Detector, Gating, Objective};
use crate::forecast::gates::Gate;
use crate::forecast::{ForecastError, Part, SeriesSlice, Status, WindowForecast, Work};
use crate::series::grid_indices;

impl Detector {
    /// Its network and how the network's word is taken; `None` where it has no gate.
    #[must_use]
    pub fn gating(&self) -> Option<(Gate<'_>, &Gating)> {
        match (self.gate(), &self.manifest().objective) {
            (Some(network), Objective::Gate(gating)) => {
                let held = gating.held;
                Some((Gate { network, held }, gating))
            }
            _ => None,
        }
    }

    /// Judges one window by the baseline, which no forecast is compared with, and what the network says of
    /// each metric; `None` where no metric takes part, or there is no gate.
    pub(crate) fn verdict_of_gate(
        &self,
        window: WindowForecast<'_>,
        comparison: &Comparison,
        log_odds: &[f32],
        detail: Detail,
    ) -> Option<Verdict> {
        let (_, gating) = self.gating()?;
        let manifest = self.manifest();
        let budget = Budget {
            step_micros: manifest.layout.step_micros,
            threshold: manifest.threshold,
        };
        let gate = OpenGate { gating, log_odds };
        budget.verdict(window, comparison, Some(gate), detail)
    }

    /// One score per row; those of history are missing.
    pub(super) fn score_gated(&self, part: &Part<'_>) -> Result<Vec<WindowScore>, ForecastError> {
        let layout = &self.manifest().layout;
        let first_row = part.first_row;
        let indices = grid_indices(part.rows.window_start, layout)?;
        let slice = SeriesSlice::of_series(part.rows, &indices, first_row);
        let gates: Vec<Gate<'_>> = self.gating().into_iter().map(|(gate, _)| gate).collect();
        let odds = slice.gate_odds(layout, &gates, &mut Work::default())?;
        let comparison = Comparison::none(layout.metrics());
        let places: Vec<usize> = (0..indices.len() - first_row).collect();
        let mut status = vec![Status::Warmup; places.len()];
        let mut verdicts = vec![None; places.len()];
        slice.without_network(layout, &places, &mut status, &mut |place, window| {
            let odds = odds[0].of_row(place);
            verdicts[place] = self.verdict_of_gate(window, &comparison, odds, Detail::WithBounds);
        });
        let history = std::iter::repeat_n(WindowScore::missing(Status::Warmup), first_row);
        let scores = status.into_iter().zip(verdicts);
        let scores = scores.map(|(status, verdict)| WindowScore { status, verdict });
        Ok(history.chain(scores).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{GateValidation, ThresholdPolicy};
    use crate::fixture::{HOUR, hours, manifest, traffic};
    use crate::network::init::initialise;
    use crate::network::{Architecture, GateCell};
    use crate::score::{Baseline, Judge};
    use crate::series::Rows;
    use crate::series::blocks::BlockLayout;
    use crate::series::time_zone::TimeZone;
    use std::sync::Arc;

    /// A gate whose untrained network says 0 everywhere, so that it lets as much pass as is said.
    fn gated(power: f64, allowance: f64) -> Detector {
        let gating = Gating {
            cell: GateCell::Recurrent(Architecture::Gru),
            floor: power,
            ceiling: power,
            center: 0.0,
            held: 5,
            allowance,
            validation: GateValidation {
                windows: 1,
                loss: 1.0,
                constant_loss: 1.0,
            },
        };
        let mut manifest = manifest("gate", Architecture::Gru, &["requests"]);
        manifest.layout = BlockLayout::for_gate(HOUR, vec![1.0]);
        manifest.objective = Objective::Gate(gating);
        let weights = initialise(&manifest.gate_config(&gating), 7).unwrap();
        Detector::new(manifest, &weights).unwrap()
    }

    fn verdicts(judge: &Judge) -> Vec<(f64, Verdict)> {
        let mut requests = traffic(4_000, 3_700);
        for (number, row) in (2_000..3_900).step_by(61).enumerate() {
            requests[row] += 250.0 / (1.0 + number as f64);
        }
        let window_start = hours(0, requests.len());
        let rows = Rows {
            window_start: &window_start,
            metrics: &[requests.clone()],
            time_zone: Some(TimeZone::UTC),
        };
        let scores = judge.score(rows).unwrap();
        let verdicts = requests.into_iter().zip(scores);
        verdicts
            .filter_map(|(value, score)| Some((value, score.verdict?)))
            .collect()
    }

    fn of_gate(power: f64, allowance: f64) -> Vec<(f64, Verdict)> {
        verdicts(&Judge::Detector(Arc::new(gated(power, allowance))))
    }

    fn alarms(verdicts: &[(f64, Verdict)]) -> usize {
        let verdicts = verdicts.iter();
        verdicts.filter(|(_, verdict)| verdict.is_anomaly).count()
    }

    #[test]
    fn an_open_gate_says_what_the_baseline_says() {
        let metrics = [("requests".to_owned(), 1.0)];
        let baseline = Baseline::new(HOUR, metrics, ThresholdPolicy::default());
        let expected = verdicts(&Judge::Baseline(Arc::new(baseline)));
        let found = of_gate(1.0, 1.0);
        assert_eq!(found.len(), expected.len());
        for ((_, found), (_, expected)) in found.iter().zip(&expected) {
            assert_eq!(found.is_anomaly, expected.is_anomaly);
            assert_eq!(found.direction, expected.direction);
            assert!((found.anomaly_score - expected.anomaly_score).abs() < 1e-9);
        }
        assert!(alarms(&found) > 3, "{}", alarms(&found));
    }

    #[test]
    fn less_is_an_anomaly_the_more_a_gate_is_shut() {
        let counts = [2.0, 1.0, 0.6, 0.2].map(|power| alarms(&of_gate(power, 1.0)));
        assert!(
            counts.is_sorted_by(|more, fewer| more >= fewer),
            "{counts:?}"
        );
        assert!(counts[0] > counts[1] && counts[1] > counts[3], "{counts:?}");
        // An allowance takes as many alarms for as many as there are of a part of the rate.
        assert!(alarms(&of_gate(1.0, 4.0)) >= counts[1]);
    }

    #[test]
    fn bounds_are_those_of_the_gated_score() {
        for (power, allowance) in [(0.5, 1.0), (1.6, 2.0)] {
            let found = of_gate(power, allowance);
            for (value, verdict) in found.iter().filter(|(_, verdict)| !verdict.is_anomaly) {
                let [below, above] = verdict.bounds.unwrap();
                let slack = 1e-6 * value.abs();
                assert!(
                    below - slack <= *value && *value <= above + slack,
                    "{value} {verdict:?}"
                );
            }
            assert!(alarms(&found) > 0);
        }
    }
}
