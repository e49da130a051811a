//! The version of the code that scores.

/// To be raised whenever the same windows and detectors give other scores.
///
/// It is part of the key of every date of scores, and of what is kept of what is usual for a series:
/// whatever an earlier program scored is scored again.
pub const SCORES: u32 = 3;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::SCORES;
    use crate::detector::{
        ArchitectureFilter, DetectorRef, DetectorStore, MetricArgument, Severity,
    };
    use crate::network::Architecture;
    use crate::series::Rows;

    /// [`SCORES`], and the digest of what that version makes of [`series`].
    const RECORDED: (u32, &str) = (3, "9249712f65eb6ff1");

    const MINUTE: i64 = 60_000_000;
    /// A month: all the history that scores use, at its end.
    const WINDOWS: i64 = 31 * 1_440;

    /// Four metrics of one series, with holes in time and in single metrics, a flood, an outage and a
    /// number that is none: what every part of a score has something to say of.
    fn series() -> (Vec<i64>, Vec<Vec<f64>>) {
        // From Monday, 2 March 2026 on: the clocks of Berlin change on the last Sunday of the month.
        let first = 1_772_409_600_000_000 / MINUTE;
        let rows = (0..WINDOWS).filter(|row| !(9_000..9_700).contains(row) && row % 6_007 != 0);
        let rows: Vec<i64> = rows.collect();
        let noise = |row: i64, prime: i64, width: i64| (row * prime).rem_euclid(width) as f64;
        let wave = |row: i64| (row as f64 / 1_440.0 * std::f64::consts::TAU).sin();
        let flood = |row: i64| (28_000..28_030).contains(&row);
        let requests = |row: i64| {
            let usual = (120.0 + 60.0 * wave(row) + noise(row, 7_919, 23)).round();
            match row {
                29_000..29_020 => 0.0,
                _ if flood(row) => usual * 6.0,
                _ if row % 977 < 4 => f64::NAN,
                _ => usual,
            }
        };
        let errors = |row: i64| {
            let usual = f64::from(u8::from(noise(row, 104_729, 61) < 2.0));
            if flood(row) { 40.0 } else { usual }
        };
        let latency = |row: i64| {
            if row % 4_001 == 0 {
                f64::INFINITY
            } else {
                0.05 + 0.01 * wave(row + 300) + noise(row, 15_485_863, 17) / 500.0
            }
        };
        let bytes = |row: i64| 5e5 + 2e5 * wave(row) + noise(row, 32_452_843, 9_973);
        let values = |of: &dyn Fn(i64) -> f64| rows.iter().map(|row| of(*row)).collect();
        let metrics = vec![
            values(&requests),
            values(&errors),
            values(&latency),
            values(&bytes),
        ];
        (
            rows.iter().map(|row| (first + row) * MINUTE).collect(),
            metrics,
        )
    }

    /// The scores of the series by all shipped detectors, in two zones, as text: numbers to nine
    /// digits, so that another libm changes nothing and what users can see does.
    fn scores() -> String {
        let (window_start, metrics) = series();
        let names = [
            ("requests", true),
            ("server_errors", true),
            ("latency_p95", false),
            ("bytes", false),
        ];
        let metric_arguments = names.map(|(name, is_whole)| MetricArgument {
            name: name.to_owned(),
            is_column: true,
            is_whole,
        });
        let store = DetectorStore::open("no folder");
        let mut text = String::new();
        for architecture in Architecture::ALL {
            let reference: DetectorRef = format!("pretrained-{architecture}").parse().unwrap();
            let filter = ArchitectureFilter::Any;
            let detector = store.resolve(Some(&reference), filter, &metric_arguments);
            let detector = detector.unwrap();
            for zone in ["UTC", "Europe/Berlin"] {
                let rows = Rows {
                    window_start: &window_start,
                    metrics: &metrics,
                    time_zone: Some(zone.parse().unwrap()),
                };
                for (row, score) in detector.score(rows).unwrap().iter().enumerate() {
                    let _ = write!(text, "{architecture} {zone} {row} {}", score.status.name());
                    if let Some(verdict) = score.verdict {
                        let [below, above] = verdict.bounds.unwrap_or([f64::NAN; 2]);
                        let _ = write!(
                            text,
                            " {:.9e} {} {} {} {:.9e} {:.9e} {:.9e} {:.9e} {}",
                            verdict.anomaly_score,
                            verdict.is_anomaly,
                            verdict.severity.map_or("", Severity::name),
                            verdict.direction.name(),
                            verdict.expected_value,
                            below,
                            above,
                            verdict.threshold,
                            verdict.top_metric
                        );
                    }
                    text.push('\n');
                }
            }
        }
        text
    }

    #[test]
    fn scores_are_those_of_the_version() {
        if anomalog_kernels::Isa::best() == anomalog_kernels::Isa::Portable {
            eprintln!("skipped: this machine has no AVX2, whose sums the digest is of");
            return;
        }
        let text = scores();
        // It must be able to tell: alarms and none, with and without history.
        for word in [
            " true ",
            " false ",
            "warmup",
            "short_history",
            "spike",
            "dip",
        ] {
            assert!(text.contains(word), "no window has {word:?}");
        }
        let digest = blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
        assert_eq!(
            (SCORES, digest.as_str()),
            RECORDED,
            "the scores changed: raise SCORES and record ({SCORES}, {digest:?}) here"
        );
    }
}
