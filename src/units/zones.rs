//! In which time zone each series is.
//!
//! Scores of several zones are several queries, one for each over the windows of its series: the
//! zone is a part of the type of the times that a detector reads. Their rows are one table, in the
//! order of series and time.

use std::collections::BTreeMap;

use anomalog_engine::series::time_zone::TimeZone;
use anomalog_engine::series::time_zone::UnknownTimeZone;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::prelude::{Expr, cast, ident, lit};
use serde_json::json;

use crate::schema::timestamp_type;

/// One zone for all series but those that are elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesTimeZones {
    default: TimeZone,
    /// By series; none is in the default zone.
    others: BTreeMap<String, TimeZone>,
}

/// Series that are in one zone.
#[derive(Debug)]
pub struct OneZone {
    /// The zone.
    pub zone: TimeZone,
    /// Which series, as a condition over the column that names them; `None` for all.
    pub is_there: Option<Expr>,
}

impl SeriesTimeZones {
    /// All series in one zone but some.
    #[must_use]
    pub fn new(default: TimeZone, mut others: BTreeMap<String, TimeZone>) -> Self {
        others.retain(|_, zone| *zone != default);
        Self { default, others }
    }

    /// All series in one zone.
    #[must_use]
    pub fn all_in(zone: TimeZone) -> Self {
        Self::new(zone, BTreeMap::new())
    }

    /// The zone of a series.
    #[must_use]
    pub fn of(&self, series: &str) -> TimeZone {
        self.others.get(series).copied().unwrap_or(self.default)
    }

    /// The zone of all series but some.
    #[must_use]
    pub const fn default_zone(&self) -> TimeZone {
        self.default
    }

    /// The series that are elsewhere, and where.
    pub fn elsewhere_by_name(&self) -> impl Iterator<Item = (&String, TimeZone)> {
        self.others.iter().map(|(series, zone)| (series, *zone))
    }

    /// Every zone.
    pub fn zones(&self) -> impl Iterator<Item = TimeZone> + '_ {
        [self.default]
            .into_iter()
            .chain(self.others.values().copied())
    }

    /// What tells scores in these zones from those in others; `None` where all are in UTC.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        if self.zones().all(TimeZone::is_utc) {
            return None;
        }
        let others = self.others.iter();
        let others: BTreeMap<&String, String> = others
            .map(|(series, zone)| (series, zone.identity()))
            .collect();
        Some(json!([self.default.identity(), others]).to_string())
    }

    /// The series that are in the zone of all but some.
    #[must_use]
    pub fn most(&self, series: &str) -> OneZone {
        let is_there = (!self.others.is_empty()).then(|| {
            let elsewhere = ident(series).in_list(names(self.others.keys()), true);
            elsewhere.or(ident(series).is_null())
        });
        OneZone {
            zone: self.default,
            is_there,
        }
    }

    /// The others, by zone.
    #[must_use]
    pub fn elsewhere(&self, series: &str) -> Vec<OneZone> {
        let mut by_zone: BTreeMap<String, (TimeZone, Vec<&String>)> = BTreeMap::new();
        for (series, zone) in &self.others {
            let of_zone = by_zone.entry(zone.to_string());
            of_zone.or_insert((*zone, Vec::new())).1.push(series);
        }
        let zones = by_zone.into_values().map(|(zone, there)| OneZone {
            zone,
            is_there: Some(ident(series).in_list(names(there), false)),
        });
        zones.collect()
    }
}

fn names<'a>(series: impl IntoIterator<Item = &'a String>) -> Vec<Expr> {
    series.into_iter().map(|name| lit(name.as_str())).collect()
}

/// Reads the name of a zone; what is wrong is said with what to do about it.
///
/// # Errors
/// When there is no such zone.
pub fn parse_time_zone(name: &str) -> Result<TimeZone, String> {
    name.parse()
        .map_err(|error: UnknownTimeZone| format!("{error}: {}", error.hint()))
}

/// A column of times as times of a zone: the same instants.
#[must_use]
pub fn in_zone(times: Expr, zone: TimeZone) -> Expr {
    if zone.is_utc() {
        return times;
    }
    // Times without a zone are UTC, and would else be taken as local.
    let name = zone.to_string();
    let local = DataType::Timestamp(TimeUnit::Microsecond, Some(name.into()));
    cast(cast(times, timestamp_type()), local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(default: &str, others: &[(&str, &str)]) -> SeriesTimeZones {
        let others = others.iter();
        let others = others.map(|(series, zone)| ((*series).to_owned(), zone.parse().unwrap()));
        SeriesTimeZones::new(default.parse().unwrap(), others.collect())
    }

    #[test]
    fn only_zones_other_than_utc_have_an_identity() {
        assert_eq!(zones("UTC", &[("a", "Etc/UTC")]).identity(), None);
        let named = |zones: SeriesTimeZones| zones.identity().unwrap();
        let berlin = named(zones("Europe/Berlin", &[]));
        assert!(berlin.starts_with("[\"Europe/Berlin 20"), "{berlin}");
        assert_eq!(named(zones("+02:00", &[])), "[\"+02:00\",{}]");
        assert_ne!(
            named(zones("UTC", &[("a", "Asia/Tokyo")])),
            named(zones("UTC", &[("b", "Asia/Tokyo")]))
        );
    }

    #[test]
    fn each_zone_is_one_pass() {
        let all = zones(
            "Europe/Berlin",
            &[
                ("us", "America/New_York"),
                ("de", "Europe/Berlin"),
                ("ca", "America/New_York"),
            ],
        );
        let passes = [all.most("site")].into_iter().chain(all.elsewhere("site"));
        let passes: Vec<String> = passes
            .map(|pass| format!("{}: {}", pass.zone, pass.is_there.unwrap()))
            .collect();
        insta::assert_snapshot!(passes.join("\n"), @r#"
        Europe/Berlin: site NOT IN ([Utf8("ca"), Utf8("us")]) OR site IS NULL
        America/New_York: site IN ([Utf8("ca"), Utf8("us")])
        "#);
        let one = SeriesTimeZones::default();
        assert!(one.most("site").is_there.is_none() && one.elsewhere("site").is_empty());
    }
}
