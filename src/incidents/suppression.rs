//! Rules by which incidents are not told: `[[suppress]]` of the job file.
//!
//! An incident is suppressed if it meets every condition of a rule. Conditions say which incidents are meant
//! (site, metric, direction, kind, time), and how small they are: below any of the least amounts. It stays in
//! the table `incidents`; lists, hooks and messages leave it out, and the page says that they do, and why.
//!
//! The rules lie in the warehouse as the last run left them, so that all who read the tables leave out the
//! same.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::path::PathBuf;

use anomalog_engine::series::time_zone::TimeZone;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::{Error, Result};
use super::kind::IncidentKind;
use super::named::NamedIncident;
use crate::explain::cannot;
use crate::units::WindowStep;
use crate::units::dates::WrittenDate;
use crate::units::zones::{SeriesTimeZones, parse_time_zone};
use crate::warehouse::Warehouse;
use crate::warehouse::commit::Change;
use crate::warehouse::extra_metrics::{ExtraMetric, traffic_windows};

/// The file of a warehouse.
const FILE: &str = "suppression.json";

/// Which incidents are not told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct SuppressionRule {
    written: Written,
    sites: Vec<glob::Pattern>,
}

/// A rule as it is written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// Why, for the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Series, or patterns of their names such as `shop-*`.
    #[serde(
        deserialize_with = "one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    site: Vec<String>,
    /// Metrics that show the incident most.
    #[serde(
        deserialize_with = "one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    metric: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(
        deserialize_with = "one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    kind: Vec<IncidentKind>,
    /// A time of day that it lies in whole, in the zone of the series.
    #[serde(skip_serializing_if = "Option::is_none")]
    between: Option<TimeOfDay>,
    /// The days on which it, or the time of day that it lies in, begins.
    #[serde(
        deserialize_with = "one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    weekdays: Vec<DayOfWeek>,
    /// The first date on which it may begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<WrittenDate>,
    /// The last.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<WrittenDate>,
    /// Told from so much more or less than expected on, in the unit of the metric: of counts in all, of
    /// latencies a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_deviation: Option<f64>,
    /// The same as a share of what was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_relative_deviation: Option<f64>,
    /// Told from so many requests during it on, or so many expected if that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_requests: Option<f64>,
}

/// More or less than expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Spike,
    Dip,
}

/// A day of the week by its name, or the first three letters of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct DayOfWeek(Weekday);

impl TryFrom<String> for DayOfWeek {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let day = text
            .parse()
            .map_err(|_| "expected a day, such as `sunday` or `sun`");
        day.map(Self)
    }
}

impl From<DayOfWeek> for String {
    fn from(DayOfWeek(day): DayOfWeek) -> Self {
        day.to_string().to_lowercase()
    }
}

/// From one time of day to another, over midnight if the second is not after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct TimeOfDay {
    from: NaiveTime,
    to: NaiveTime,
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let read = |text: &str| match text.trim() {
            // The end of a day, which the next begins with.
            "24:00" => Some(NaiveTime::MIN),
            text => NaiveTime::parse_from_str(text, "%H:%M").ok(),
        };
        let times = text.split_once('-');
        let times = times.and_then(|(from, to)| Some((read(from)?, read(to)?)));
        let (from, to) = times.ok_or("expected two times of day, such as `01:30-04:00`")?;
        Ok(Self { from, to })
    }
}

impl From<TimeOfDay> for String {
    fn from(TimeOfDay { from, to }: TimeOfDay) -> Self {
        format!("{}-{}", from.format("%H:%M"), to.format("%H:%M"))
    }
}

impl TimeOfDay {
    /// The date on which the span that a time lies in begins, and the end of that span; nothing if the time
    /// lies in none.
    fn around(self, local: NaiveDateTime) -> Option<(NaiveDate, NaiveDateTime)> {
        let over_midnight = self.to <= self.from;
        let begins = |date: NaiveDate| {
            let last = if over_midnight {
                date.succ_opt()?
            } else {
                date
            };
            let span = date.and_time(self.from)..last.and_time(self.to);
            span.contains(&local).then_some((date, span.end))
        };
        let today = local.date();
        begins(today).or_else(|| begins(today.pred_opt()?))
    }
}

/// A list, or one value in its place.
fn one_or_more<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct OneOrMore<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for OneOrMore<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text, or a list of texts")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            let one = T::deserialize(serde::de::value::StrDeserializer::new(text));
            one.map(|one| vec![one])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = list.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(OneOrMore(std::marker::PhantomData))
}

impl TryFrom<Written> for SuppressionRule {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let reason = written.reason.clone();
        let of_reason = Written {
            reason,
            ..Written::default()
        };
        if written == of_reason {
            return Err("a rule without a condition would suppress every incident".to_owned());
        }
        let known = traffic_windows(&ExtraMetric::ALL.into());
        let metrics = known
            .fields()
            .iter()
            .filter(|field| field.data_type().is_numeric());
        let metrics: Vec<&str> = metrics.map(|field| field.name().as_str()).collect();
        if let Some(metric) = written
            .metric
            .iter()
            .find(|name| !metrics.contains(&name.as_str()))
        {
            let known = metrics.join("`, `");
            return Err(format!(
                "unknown metric `{metric}`, expected one of `{known}`"
            ));
        }
        let least = [
            written.min_deviation,
            written.min_relative_deviation,
            written.min_requests,
        ];
        if least
            .into_iter()
            .flatten()
            .any(|least| !(least > 0.0 && least.is_finite()))
        {
            return Err("expected a number above 0".to_owned());
        }
        if let (Some(since), Some(until)) = (written.since, written.until)
            && since > until
        {
            return Err("`since` must not be after `until`".to_owned());
        }
        let sites = written.site.iter().map(|pattern| {
            let compiled = glob::Pattern::new(pattern);
            compiled.map_err(|error| format!("`{pattern}` is no pattern of sites: {}", error.msg))
        });
        Ok(Self {
            sites: sites.collect::<Result<_, _>>()?,
            written,
        })
    }
}

impl From<SuppressionRule> for Written {
    fn from(rule: SuppressionRule) -> Self {
        rule.written
    }
}

impl SuppressionRule {
    /// Why incidents are not told, in the words of whoever wrote the rule.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.written.reason.as_deref()
    }

    /// Whether an incident at local times meets every condition.
    fn suppresses<C>(&self, incident: &NamedIncident<C>, local: &Range<i64>, step: i64) -> bool {
        let rule = &self.written;
        let is_meant = (self.sites.is_empty()
            || self.sites.iter().any(|site| site.matches(&incident.site)))
            && (rule.metric.is_empty() || rule.metric.contains(&incident.top_metric))
            && (rule.kind.is_empty() || rule.kind.contains(&incident.kind))
            && rule.direction.is_none_or(|direction| {
                (direction == Direction::Spike) == (incident.direction == "spike")
            });
        is_meant && self.is_then(local) && self.is_small(incident, step)
    }

    fn is_then(&self, local: &Range<i64>) -> bool {
        let rule = &self.written;
        let moment = |micros| DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc());
        let (Some(start), Some(end)) = (moment(local.start), moment(local.end)) else {
            return false;
        };
        let begins = match rule.between {
            None => Some(start.date()),
            Some(between) => between
                .around(start)
                .filter(|(_, last)| end <= *last)
                .map(|(date, _)| date),
        };
        let Some(begins) = begins else {
            return false;
        };
        let is_day = |DayOfWeek(day): &DayOfWeek| *day == begins.weekday();
        (rule.weekdays.is_empty() || rule.weekdays.iter().any(is_day))
            && rule.since.is_none_or(|WrittenDate(since)| since <= begins)
            && rule.until.is_none_or(|WrittenDate(until)| begins <= until)
    }

    fn is_small<C>(&self, incident: &NamedIncident<C>, step: i64) -> bool {
        let rule = &self.written;
        let Range { start, end } = incident.time();
        let windows = if incident.top_metric.starts_with("latency") {
            ((end - start) / step.max(1)).max(1) as f64
        } else {
            1.0
        };
        let change = (incident.actual_total - incident.expected_total).abs();
        let least = [
            (rule.min_deviation, change / windows),
            (
                rule.min_relative_deviation,
                change / incident.expected_total.abs(),
            ),
            (rule.min_requests, incident.most_requests()),
        ];
        let mut asked = least
            .into_iter()
            .filter_map(|(least, found)| Some((least?, found)));
        let mut any = asked.clone();
        // Without a least amount the size does not matter.
        any.next().is_none() || asked.any(|(least, found)| found < least)
    }
}

/// The rules of a warehouse.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Suppression {
    rules: Vec<SuppressionRule>,
    step: WindowStep,
    zones: SeriesTimeZones,
}

/// How they are kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    rules: Vec<SuppressionRule>,
    step: WindowStep,
    zone: String,
    zones: BTreeMap<String, String>,
}

impl Suppression {
    /// Rules over incidents in windows of a length, of series in their zones.
    #[must_use]
    pub fn new(rules: Vec<SuppressionRule>, step: WindowStep, zones: SeriesTimeZones) -> Self {
        Self { rules, step, zones }
    }

    /// The file of a warehouse.
    #[must_use]
    pub fn path(warehouse: &Warehouse) -> PathBuf {
        warehouse.root().join(FILE)
    }

    /// Reads the rules of a warehouse, which are none unless a run has left some.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(warehouse: &Warehouse) -> Result<Self> {
        let path = Self::path(warehouse);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(cannot("read", &path)(error).into()),
        };
        let damaged = |message: String| Error::Suppression {
            path: path.clone(),
            message,
        };
        let kept: Kept =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let zone = |name: &String| parse_time_zone(name).map_err(damaged);
        let zones = kept.zones.iter();
        let zones: BTreeMap<String, TimeZone> = zones
            .map(|(series, name)| Ok((series.clone(), zone(name)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            rules: kept.rules,
            step: kept.step,
            zones: SeriesTimeZones::new(zone(&kept.zone)?, zones),
        })
    }

    /// Stages the file, if it says something else than the warehouse has.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn stage(&self, warehouse: &Warehouse, change: &mut Change) -> Result<bool> {
        let is_new = match Self::load(warehouse) {
            Ok(known) => known != *self && !(known.rules.is_empty() && self.rules.is_empty()),
            // What is damaged is written anew.
            Err(Error::Suppression { .. }) => true,
            Err(error) => return Err(error),
        };
        if !is_new {
            return Ok(false);
        }
        let staged = change.staging().join(FILE);
        let write = || {
            let mut file = File::create(&staged)?;
            file.write_all(&serde_json::to_vec_pretty(&self.kept())?)?;
            file.sync_all()
        };
        write().map_err(cannot("write", &staged))?;
        change.replace(&staged, &Self::path(warehouse))?;
        Ok(true)
    }

    fn kept(&self) -> Kept {
        let zones = self.zones.elsewhere_by_name();
        Kept {
            rules: self.rules.clone(),
            step: self.step,
            zone: self.zones.default_zone().to_string(),
            zones: zones
                .map(|(series, zone)| (series.clone(), zone.to_string()))
                .collect(),
        }
    }

    /// What tells the rules from others; `None` where there are none.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        let kept = serde_json::to_string(&self.kept()).unwrap_or_default();
        (!self.rules.is_empty()).then_some(kept)
    }

    /// The rule that suppresses an incident.
    #[must_use]
    pub fn rule_for<C>(&self, incident: &NamedIncident<C>) -> Option<&SuppressionRule> {
        let zone = self.zones.of(&incident.site);
        let local = |micros: i64| micros + zone.offset_micros(micros);
        let Range { start, end } = incident.time();
        let local = local(start)..local(end);
        let step = self.step.micros();
        (self.rules.iter()).find(|rule| rule.suppresses(incident, &local, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::SeverityRule;
    use crate::units::{parse_instant, rfc_3339};

    fn rule(text: &str) -> SuppressionRule {
        toml::from_str(text).unwrap()
    }

    fn suppression(text: &str, zone: &str) -> Suppression {
        let zones = SeriesTimeZones::all_in(zone.parse().unwrap());
        Suppression::new(vec![rule(text)], WindowStep::MINUTE, zones)
    }

    /// Twenty minutes with 300 requests where 100 were expected.
    fn incident(started_at: &str) -> NamedIncident {
        let start = parse_instant(started_at).unwrap().timestamp_micros();
        NamedIncident {
            incident_id: "a".to_owned(),
            site: "shop-eu".to_owned(),
            started_at: rfc_3339(start),
            ended_at: rfc_3339(start + 20 * 60_000_000),
            severity: SeverityRule::Medium,
            kind: IncidentKind::Surge,
            kind_evidence: String::new(),
            direction: "spike".to_owned(),
            top_metric: "requests".to_owned(),
            expected_total: 100.0,
            actual_total: 300.0,
            requests: Some(300),
            impact_minutes: 20.0,
            cause: None,
        }
    }

    /// A Sunday.
    const NIGHT: &str = "2026-03-08T02:10:00Z";

    fn suppresses(text: &str) -> bool {
        suppression(text, "UTC")
            .rule_for(&incident(NIGHT))
            .is_some()
    }

    #[test]
    fn every_condition_must_be_met() {
        assert!(suppresses("site = \"shop-*\""));
        assert!(suppresses("site = [\"blog\", \"shop-eu\"]"));
        assert!(!suppresses("site = \"shop\""));
        assert!(suppresses("metric = \"requests\"\ndirection = \"spike\""));
        assert!(!suppresses("metric = \"requests\"\ndirection = \"dip\""));
        assert!(!suppresses("metric = [\"latency_p95\"]"));
        assert!(suppresses("kind = [\"surge\", \"flood\"]"));
        assert!(!suppresses("kind = \"outage\""));
    }

    #[test]
    fn times_of_day_hold_the_whole_incident() {
        assert!(suppresses("between = \"02:00-03:00\""));
        assert!(suppresses("between = \"02:10-02:30\""));
        assert!(!suppresses("between = \"02:00-02:29\""));
        assert!(!suppresses("between = \"02:11-03:00\""));
        assert!(suppresses("between = \"22:00-04:00\""));
        assert!(suppresses("between = \"00:00-24:00\""));
        // The night began on Saturday.
        assert!(suppresses("between = \"22:00-04:00\"\nweekdays = \"sat\""));
        assert!(!suppresses(
            "between = \"22:00-04:00\"\nweekdays = \"sunday\""
        ));
        assert!(suppresses("weekdays = [\"sunday\"]"));
        assert!(suppresses("since = \"2026-03-08\"\nuntil = \"2026-03-08\""));
        assert!(!suppresses("until = \"2026-03-07\""));
        assert!(!suppresses("since = \"2026-03-09\""));
    }

    #[test]
    fn times_are_those_of_the_series() {
        let night = suppression(
            "between = \"21:00-22:00\"\nweekdays = \"sat\"",
            "America/New_York",
        );
        assert!(night.rule_for(&incident(NIGHT)).is_some());
        assert!(night.rule_for(&incident("2026-03-08T21:10:00Z")).is_none());
    }

    #[test]
    fn small_ones_are_below_any_least_amount() {
        assert!(suppresses("min_deviation = 201.0"));
        assert!(!suppresses("min_deviation = 200.0"));
        assert!(suppresses("min_relative_deviation = 2.5"));
        assert!(!suppresses("min_relative_deviation = 2.0"));
        assert!(suppresses("min_requests = 301.0"));
        assert!(!suppresses("min_requests = 300.0"));
        assert!(suppresses("min_deviation = 10.0\nmin_requests = 1000.0"));
        assert!(!suppresses("min_deviation = 10.0\nmin_requests = 100.0"));
        assert!(!suppresses("site = \"blog\"\nmin_requests = 1000.0"));
        let rules = suppression("min_requests = 200.0\nmin_relative_deviation = 0.1", "UTC");
        // An outage of a busy site has few requests and lost many.
        let outage = NamedIncident {
            expected_total: 5000.0,
            actual_total: 0.0,
            requests: Some(0),
            ..incident(NIGHT)
        };
        assert_eq!(rules.rule_for(&outage), None);
        // Sums of latencies mean nothing: a window was 10 ms slower.
        let slower = NamedIncident {
            top_metric: "latency_p95".to_owned(),
            ..incident(NIGHT)
        };
        let rules = suppression("min_deviation = 10.1", "UTC");
        assert!(rules.rule_for(&slower).is_some());
        let rules = suppression("min_deviation = 9.9", "UTC");
        assert!(rules.rule_for(&slower).is_none());
    }

    #[test]
    fn faults_say_what_would_be_right() {
        let fault = |text: &str| {
            let read: Result<SuppressionRule, toml::de::Error> = toml::from_str(text);
            read.unwrap_err().message().to_owned()
        };
        insta::assert_snapshot!(fault(""), @"a rule without a condition would suppress every incident");
        insta::assert_snapshot!(fault("reason = \"noise\""), @"a rule without a condition would suppress every incident");
        insta::assert_snapshot!(fault("metric = \"latency\""), @"unknown metric `latency`, expected one of `requests`, `bytes`, `client_errors`, `server_errors`, `unique_clients`, `latency_p50`, `latency_p95`, `unique_paths`, `top_client_share`, `bot_requests`");
        insta::assert_snapshot!(fault("kind = \"ddos\""), @"unknown variant `ddos`, expected one of `outage`, `traffic_drop`, `flood`, `scraping`, `credential_stuffing`, `vulnerability_scan`, `error_burst`, `latency`, `surge`, `level_shift`, `odd_hour`, `unknown`");
        insta::assert_snapshot!(fault("between = \"2am\""), @"expected two times of day, such as `01:30-04:00`");
        insta::assert_snapshot!(fault("weekdays = \"caturday\""), @"expected a day, such as `sunday` or `sun`");
        insta::assert_snapshot!(fault("min_requests = 0.0"), @"expected a number above 0");
        insta::assert_snapshot!(fault("sites = \"shop\""), @"unknown field `sites`, expected one of `reason`, `site`, `metric`, `direction`, `kind`, `between`, `weekdays`, `since`, `until`, `min_deviation`, `min_relative_deviation`, `min_requests`");
        insta::assert_snapshot!(fault("site = \"a***\""), @"`a***` is no pattern of sites: wildcards are either regular `*` or recursive `**`");
        insta::assert_snapshot!(fault("since = \"2026-03-09\"\nuntil = \"2026-03-08\""), @"`since` must not be after `until`");
    }

    #[test]
    fn rules_are_kept_as_they_are_written() {
        let text = "reason = \"backup\"\nsite = \"shop-*\"\nbetween = \"22:00-04:00\"\nweekdays = \"sat\"\nsince = \"2026-03-01\"\nmin_requests = 10.0";
        let rules = suppression(text, "Europe/Berlin");
        let kept = serde_json::to_string(&rules.kept()).unwrap();
        insta::assert_snapshot!(kept, @r#"{"rules":[{"reason":"backup","site":["shop-*"],"between":"22:00-04:00","weekdays":["sat"],"since":"2026-03-01","min_requests":10.0}],"step":"1m","zone":"Europe/Berlin","zones":{}}"#);
        let read: Kept = serde_json::from_str(&kept).unwrap();
        assert_eq!(read.rules, rules.rules);
        assert_eq!(Suppression::default().identity(), None);
    }
}
