//! References by which queries and users name detectors.
//!
//! `name` or `name@version`. A shipped detector serves windows of any length: `name:5m` says which.
//! When a call is planned, what it means is written into it in full, metrics included:
//! `pretrained-lstm@2:300s["requests"]`. So a plan says all that a score depends on, wherever it
//! is executed.

use std::fmt;
use std::str::FromStr;

use super::names::is_valid_name;
use super::{DetectorError, Manifest, shipped};

/// The units of a step, in seconds.
const STEP_UNITS: [(&str, i64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
/// The longest step, in seconds.
const LONGEST_STEP: i64 = 86_400;

/// `name`, `name@version`, and for shipped detectors `name[@version]:step`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DetectorRef {
    /// Name of the detector.
    pub name: String,
    /// Version; the current one if `None`.
    pub version: Option<u32>,
    /// Length of a window in microseconds, for a shipped detector; as the store says if `None`.
    pub step_micros: Option<i64>,
    /// Names of the metrics of a planned call of a shipped detector; as the call says if `None`.
    pub metrics: Option<Vec<String>>,
}

impl DetectorRef {
    /// The reference that leads back to a detector as it is, for a shipped one with step and
    /// metrics.
    #[must_use]
    pub fn to(manifest: &Manifest) -> Self {
        let is_shipped = shipped::is_shipped(&manifest.name);
        Self {
            name: manifest.name.clone(),
            version: Some(manifest.version),
            step_micros: is_shipped.then_some(manifest.layout.step_micros),
            metrics: is_shipped.then(|| manifest.metrics.clone()),
        }
    }
}

impl fmt::Display for DetectorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(version) = self.version {
            write!(f, "@{version}")?;
        }
        if let Some(step) = self.step_micros {
            write!(f, ":{}s", step / 1_000_000)?;
        }
        if let Some(metrics) = &self.metrics {
            write!(f, "{}", serde_json::json!(metrics))?;
        }
        Ok(())
    }
}

impl FromStr for DetectorRef {
    type Err = DetectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || DetectorError::Reference(text.to_owned());
        let (rest, metrics) = match text.find('[') {
            Some(begin) => {
                let metrics = serde_json::from_str(&text[begin..]).map_err(|_| invalid())?;
                (&text[..begin], Some(metrics))
            }
            None => (text, None),
        };
        let (rest, step_micros) = match rest.split_once(':') {
            Some((rest, step)) => (rest, Some(parse_step(step).ok_or_else(invalid)?)),
            None => (rest, None),
        };
        let (name, version) = match rest.split_once('@') {
            Some((name, version)) => (name, Some(version.parse().map_err(|_| invalid())?)),
            None => (rest, None),
        };
        if is_valid_name(name) {
            Ok(Self {
                name: name.to_owned(),
                version,
                step_micros,
                metrics,
            })
        } else {
            Err(invalid())
        }
    }
}

/// A length such as `300s` or `5m`, in microseconds.
fn parse_step(text: &str) -> Option<i64> {
    let (unit, seconds) = STEP_UNITS
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = count.checked_mul(seconds)?;
    (1..=LONGEST_STEP)
        .contains(&seconds)
        .then_some(seconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_back_to_themselves() {
        for text in [
            "lstm",
            "lstm@3",
            "pretrained-lstm:60s",
            "pretrained-lstm@2:300s[\"a, \\\"b]\",\"@:[\"]",
        ] {
            assert_eq!(text.parse::<DetectorRef>().unwrap().to_string(), text);
        }
        let minutes: DetectorRef = "pretrained-gru:5m".parse().unwrap();
        assert_eq!(minutes.step_micros, Some(300_000_000));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            ".",
            "a/b",
            "a@",
            "a@x",
            "a@-1",
            "a:",
            "a:5",
            "a:0s",
            "a:-1m",
            "a:2d",
            "a:m",
            "a:9223372036854775807d",
            "a[",
            "a[1]",
            "a[\"b\"",
            "a:5m@1",
        ] {
            let refused = text.parse::<DetectorRef>();
            assert!(
                matches!(refused, Err(DetectorError::Reference(_))),
                "{text}"
            );
        }
    }
}
