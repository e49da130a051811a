//! The settings of a simulation.

use chrono::{Datelike as _, Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::error::SimulationError;

/// The settings of a simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// Days of logs, 1 to 3660.
    pub days: u32,
    /// Sites, 1 to 10,000.
    pub sites: u32,
    /// The seed of every random choice.
    pub seed: u64,
    /// First day, UTC.
    #[serde(with = "iso_date")]
    pub start: NaiveDate,
    /// Multiplier of the traffic of every site: 1 means 10 to 100 requests a minute.
    pub scale: f64,
}

/// Dates as ISO 8601, without chrono's serde feature.
mod iso_date {
    use chrono::NaiveDate;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(date: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveDate, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Refuses settings that are out of range.
pub(super) fn validate(spec: &Simulation) -> Result<(), SimulationError> {
    let check = |is_valid: bool, setting, expected, found: String| {
        if is_valid {
            return Ok(());
        }
        Err(SimulationError::Setting {
            setting,
            expected,
            found,
        })
    };
    check(
        (1..=3660).contains(&spec.days),
        "days",
        "from 1 to 3660",
        spec.days.to_string(),
    )?;
    check(
        (1..=10_000).contains(&spec.sites),
        "sites",
        "from 1 to 10000",
        spec.sites.to_string(),
    )?;
    check(
        spec.scale >= 0.001 && spec.scale <= 1000.0,
        "scale",
        "from 0.001 to 1000",
        spec.scale.to_string(),
    )?;
    // Log formats have four digits for the year.
    check(
        (1970..9900).contains(&spec.start.year()),
        "start",
        "a date from 1970-01-01 to 9899-12-31",
        spec.start.to_string(),
    )
}

/// The date of a day, counted from 0.
pub(super) fn date(spec: &Simulation, day: u32) -> NaiveDate {
    spec.start + Days::new(u64::from(day))
}
