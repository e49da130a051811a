//! The job file: `job.toml` as written, and the settings that it comes to.
//!
//! The file is read once, into types that cannot hold an invalid value, and a fault is told with
//! the line that it is in. A key that is not known is a fault: a misspelt setting must not be
//! silently the default. What `--set` overrides goes through the same types.
//!
//! To add a section: a raw struct with `deny_unknown_fields` and a `Default` that is what a file
//! without the section means, a field of `Raw`, a field of [`Job`], and its comment in
//! [`crate::job::config::template`], which a test compares with the defaults.

mod calendar;
mod edit;
mod enrichment;
mod error;
pub mod outputs;
mod raw;
pub mod retrain;
pub mod template;

use std::path::{Path, PathBuf};

use anomalog_udfs::enrich::EnrichmentFiles;
use serde::Deserialize;

pub use calendar::CalendarSettings;
pub use error::ConfigError;
pub use raw::ALARMS_PER_WEEK;

use crate::detectors::settings::ScoreSettings;
use crate::incidents::IncidentRules;
use crate::incidents::suppression::Suppression;
use crate::incremental::retention::RetentionSettings;
use crate::intake::{LogSource, ParquetLogs};
use crate::logs::{IngestOptions, LogFormat, PseudonymError, TimeLimits, TrustedProxies, read_key};
use crate::units::zones::SeriesTimeZones;
use crate::warehouse::Warehouse;
use crate::warehouse::settings::WindowSettings;
use edit::{line_error, set};
use outputs::{ExportSettings, HookSettings, MetricsSettings, ReportSettings};
use raw::{Delimiter, Raw, WrittenNetwork, WrittenZone};
use retrain::RetrainSettings;

/// A job, resolved: every path absolute or from the working directory, every default in place.
#[derive(Debug, Clone)]
pub struct Job {
    /// The file.
    pub file: PathBuf,
    /// Where the tables lie.
    pub warehouse: Warehouse,
    /// Where logs come from, in the order of the file.
    pub logs: Vec<LogSource>,
    /// How windows are cut.
    pub windows: WindowSettings,
    /// Files that functions over requests read.
    pub enrichment: EnrichmentFiles,
    /// What windows are scored by.
    pub scores: ScoreSettings,
    /// The rules by which anomalous windows become incidents.
    pub incidents: IncidentRules,
    /// The rules by which incidents are not told.
    pub suppression: Suppression,
    /// The calendar of what is planned, and so no incident.
    pub calendar: CalendarSettings,
    /// The rules by which detectors are trained anew.
    pub retrain: RetrainSettings,
    /// The export that follows the tables.
    pub export: ExportSettings,
    /// The page on what happened.
    pub report: ReportSettings,
    /// Figures for other programs.
    pub metrics: MetricsSettings,
    /// The program and the webhook that are told of a run.
    pub hooks: HookSettings,
    /// How long rows are kept.
    pub retention: RetentionSettings,
}

impl Job {
    /// Reads a job file. Each of `overrides` is `key=value` and goes before what the file says.
    ///
    /// # Errors
    /// Naming the line, or the override, and what is wrong with it.
    pub fn read(file: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        Self::parse(&read_text(file)?, file, overrides)
    }

    /// Reads the text of a job file, as [`Self::read`] does. Relative paths are from the folder of `file`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, file: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let at_line = |error: &toml::de::Error| line_error(text, file, error);
        let mut raw: Raw = toml::from_str(text).map_err(|error| at_line(&error))?;
        if !overrides.is_empty() {
            let mut table: toml::Table = toml::from_str(text).map_err(|error| at_line(&error))?;
            for text in overrides {
                let failed = |message: String| ConfigError::Override {
                    text: text.clone(),
                    message,
                };
                let (key, value) = text
                    .split_once('=')
                    .ok_or_else(|| ConfigError::NotAnOverride { text: text.clone() })?;
                set(&mut table, key.trim(), value.trim()).map_err(failed)?;
                // Each by itself, so that the one at fault is named.
                raw = table
                    .clone()
                    .try_into()
                    .map_err(|error| failed(error.message().trim().to_owned()))?;
            }
        }
        resolve(raw, file)
    }
}

/// The warehouse of a job file, whatever else is in it.
///
/// # Errors
/// When the file cannot be read, or a line is no TOML.
pub fn warehouse_of(file: &Path) -> Result<PathBuf, ConfigError> {
    #[derive(Deserialize)]
    struct OnlyWarehouse {
        #[serde(default = "raw::default_warehouse")]
        warehouse: PathBuf,
    }
    let text = read_text(file)?;
    let read: OnlyWarehouse =
        toml::from_str(&text).map_err(|error| line_error(&text, file, &error))?;
    Ok(below(&folder_of(file), read.warehouse))
}

fn read_text(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
        path: file.to_owned(),
        source,
    })
}

/// The folder that relative paths of a job file are from.
fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The job that a file comes to, with paths from the folder of the file.
fn resolve(raw: Raw, file: &Path) -> Result<Job, ConfigError> {
    let folder = folder_of(file);
    if raw.logs.iter().all(|logs| logs.paths.is_empty()) {
        return Err(ConfigError::NoLogs {
            path: file.to_owned(),
        });
    }
    let limits = TimeLimits {
        earliest: raw.limits.earliest.0,
        ahead_of_file: raw.limits.ahead_of_file,
        before_log: raw.limits.before_log,
    };
    let key = raw.pseudonymise.map(|path| read_key(&below(&folder, path)));
    let pseudonyms = key.transpose()?;
    let logs = raw.logs.into_iter().map(|logs| {
        let paths = logs.paths.iter().map(|path| below(&folder, path));
        let delimiter = logs.delimiter.map(|Delimiter(delimiter)| delimiter);
        let source = LogSource {
            paths: paths.collect(),
            parquet: match logs.format {
                LogFormat::Parquet => ParquetLogs::All,
                LogFormat::Auto if delimiter.is_none() => ParquetLogs::Telling,
                _ => ParquetLogs::None,
            },
            options: IngestOptions {
                format: logs.format.of_lines(delimiter),
                site: logs.site,
                columns: logs.columns.0,
                trusted_proxies: TrustedProxies::of(
                    logs.trusted_proxies
                        .into_iter()
                        .map(|WrittenNetwork(network)| network),
                ),
                threads: None,
                limits,
                pseudonyms: pseudonyms.clone(),
                keep_going: true,
                again: true,
            },
        };
        for path in &source.paths {
            if source.parquet == ParquetLogs::All && pseudonyms.is_some() {
                let path = path.clone();
                return Err(PseudonymError::Parquet { path }.into());
            }
            check_pattern(file, path)?;
        }
        Ok(source)
    });
    let zones = raw.windows.time_zones.into_iter();
    let zones = zones
        .map(|(series, WrittenZone(zone))| (series, zone))
        .collect();
    let time_zones = SeriesTimeZones::new(raw.windows.time_zone.0, zones);
    Ok(Job {
        file: file.to_owned(),
        warehouse: Warehouse::new(below(&folder, &raw.warehouse)),
        logs: logs.collect::<Result<_, ConfigError>>()?,
        windows: WindowSettings {
            step: raw.windows.step,
            series_key: raw.windows.series_key,
            extra_metrics: raw.windows.extra_metrics,
        },
        enrichment: raw.enrichment.below(|path| below(&folder, path)),
        scores: ScoreSettings {
            detector: raw.scores.detector,
            metrics: raw.scores.metrics.unwrap_or_default(),
            alarms_per_week: raw.scores.alarms_per_week.0,
            time_zones: time_zones.clone(),
        },
        incidents: raw.incidents.0,
        suppression: Suppression::new(raw.suppress, raw.windows.step, time_zones),
        calendar: raw.calendar.below(|path| below(&folder, path)),
        retrain: raw.retrain,
        export: raw.export.below(|path| below(&folder, path)),
        report: raw.report,
        metrics: raw.metrics.below(|path| below(&folder, path)),
        hooks: raw.hooks,
        retention: raw.retention,
    })
}

/// A path of the file, from the file's own folder.
fn below(folder: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    if folder == Path::new(".") {
        path.to_owned()
    } else {
        folder.join(path)
    }
}

fn check_pattern(file: &Path, path: &Path) -> Result<(), ConfigError> {
    let pattern = path.to_string_lossy();
    match glob::Pattern::new(&pattern) {
        Ok(_) => Ok(()),
        // A folder may be called so.
        Err(_) if path.exists() => Ok(()),
        Err(error) => Err(ConfigError::Pattern {
            path: file.to_owned(),
            pattern: pattern.into_owned(),
            message: error.msg,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::SeverityRule;
    use crate::units::Span;

    fn parse(text: &str, overrides: &[&str]) -> Result<Job, String> {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        Job::parse(text, Path::new("job.toml"), &overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn faults_name_the_line_and_what_would_be_right() {
        let fault = |text: &str| parse(text, &[]).unwrap_err();
        insta::assert_snapshot!(fault("[windows]\nstep = \"7m\""), @r#"`job.toml` line 2, `step = "7m"`: a step must divide a day evenly, such as `30s`, `1m`, `5m`, `1h` or `1d`"#);
        insta::assert_snapshot!(fault("[windows]\ntime_zone = \"Mars\""), @r#"`job.toml` line 2, `time_zone = "Mars"`: no time zone `Mars` is known: zones have the names of the IANA database, such as `Europe/Berlin`, or are offsets, such as `+02:00`"#);
        insta::assert_snapshot!(fault("[windows.time_zones]\nshop-us = \"US\""), @r#"`job.toml` line 2, `shop-us = "US"`: no time zone `US` is known: zones have the names of the IANA database, such as `Europe/Berlin`, or are offsets, such as `+02:00`"#);
        insta::assert_snapshot!(fault("[windows]\nstep = 7"), @"`job.toml` line 2, `step = 7`: invalid type: integer `7`, expected a string");
        insta::assert_snapshot!(fault("[windows]\n\nstepp = \"1m\""), @r#"`job.toml` line 3, `stepp = "1m"`: unknown field `stepp`, expected one of `step`, `series_key`, `extra_metrics`, `time_zone`, `time_zones`"#);
        insta::assert_snapshot!(fault("[window]\nstep = \"1m\""), @"`job.toml` line 1, `[window]`: unknown field `window`, expected one of `warehouse`, `pseudonymise`, `logs`, `limits`, `windows`, `enrichment`, `scores`, `incidents`, `suppress`, `calendar`, `retrain`, `export`, `report`, `metrics`, `hooks`, `retention`");
        insta::assert_snapshot!(fault("[[logs]]\nformat = \"combined\""), @"`job.toml` line 1, `[[logs]]`: missing field `paths`");
        insta::assert_snapshot!(fault("[[logs]]\npaths = [\"a\"]\nformat = \"clf\""), @r#"
        `job.toml` line 3, `format = "clf"`: log format, character 1: `clf` is the name of no format and holds no field (expected the `log_format` of nginx, the `LogFormat` of Apache, or one of `auto`, `common`, `combined`, `json`, `ltsv`, `w3c`, `tsv`, `csv`, `parquet`, `alb`, `elb`, `s3`, `haproxy`, `haproxy-clf`, `istio`, `envoy`, `traefik`, `ingress-nginx`, `squid`, `main`, `tomcat`, `vhost_combined`, `vhost_common`, `combinedio`)
        "#);
        insta::assert_snapshot!(fault("[[logs]]\npaths = [\"a\"]\ncolumns = { time = \"t\" }"), @r#"`job.toml` line 3, `columns = { time = "t" }`: unknown column `time` in the column map"#);
        insta::assert_snapshot!(fault("[scores]\nalarms_per_week = 0.0"), @"`job.toml` line 2, `alarms_per_week = 0.0`: expected a number above 0");
        insta::assert_snapshot!(fault("[incidents]\nstop_ratio = 0.5"), @"`job.toml` line 1, `[incidents]`: `stop_ratio` must be a number of at least 1, found `0.5`");
        insta::assert_snapshot!(fault("[incidents]\nbrigde = \"5m\""), @"`job.toml` line 2, `brigde = \"5m\"`: unknown field `brigde`, expected one of `stop_ratio`, `bridge`, `bridge_unknown`, `min_length`, `min_severity`, `medium_impact`, `high_impact`");
        insta::assert_snapshot!(fault("[incidents]\nmin_severity = \"severe\""), @"`job.toml` line 2, `min_severity = \"severe\"`: unknown variant `severe`, expected one of `low`, `medium`, `high`");
        insta::assert_snapshot!(fault("[limits]\nearliest = \"yesterday\""), @r#"`job.toml` line 2, `earliest = "yesterday"`: expected a date, such as `2026-11-01`"#);
        insta::assert_snapshot!(fault("[limits]\nahead_of_file = \"1 fortnight\""), @r#"`job.toml` line 2, `ahead_of_file = "1 fortnight"`: expected a whole number and a unit, such as `90s`, `10m`, `2h` or `7d`"#);
        insta::assert_snapshot!(fault("[retrain]\nevery = \"12h\""), @r#"`job.toml` line 2, `every = "12h"`: expected whole days, such as `7d`"#);
        insta::assert_snapshot!(fault("[retrain]\nname = \"pretrained-lstm\""), @r#"`job.toml` line 2, `name = "pretrained-lstm"`: expected a name that no shipped detector has, such as `nightly`"#);
        insta::assert_snapshot!(fault("[export]\nformat = \"sqlite\""), @r#"`job.toml` line 2, `format = "sqlite"`: one file would be written anew by every run: `anomalog export --format sqlite --overwrite -o FOLDER`, which a scheduler can start afterwards, writes it"#);
        insta::assert_snapshot!(fault("[calendar]\npath = \"plans.csv\""), @r#"`job.toml` line 2, `path = "plans.csv"`: unknown field `path`, expected `file`"#);
        insta::assert_snapshot!(fault("[export]\nformat = \"xlsx\""), @r#"`job.toml` line 2, `format = "xlsx"`: unknown variant `xlsx`, expected one of `parquet`, `csv`, `ndjson`, `sqlite`"#);
        insta::assert_snapshot!(fault("[hooks]\ncommand = []"), @r#"`job.toml` line 2, `command = []`: expected a program and its arguments, such as `["/usr/local/bin/tell"]`"#);
        insta::assert_snapshot!(fault("[hooks]\nwebhook = \"example.com\""), @r#"`job.toml` line 2, `webhook = "example.com"`: expected an address that begins with `https://` or `http://`"#);
        insta::assert_snapshot!(fault("[retention]\naccess_logs = \"7d\""), @r#"`job.toml` line 2, `access_logs = "7d"`: expected whole days, at least 14, such as `90d`"#);
        insta::assert_snapshot!(fault("[windows\nstep"), @"`job.toml` line 1, `[windows`: unclosed table, expected `]`");
        insta::assert_snapshot!(fault("warehouse = \"w\""), @"`job.toml` names no logs");
        insta::assert_snapshot!(fault("[[logs]]\npaths = [\"a***\"]"), @"`job.toml`: `a***` is no pattern of paths: wildcards are either regular `*` or recursive `**`");
    }

    #[test]
    fn overrides_go_before_the_file_and_through_the_same_checks() {
        let text = "[[logs]]\npaths = [\"a\"]\n[windows]\nstep = \"1m\"";
        let job = parse(
            text,
            &[
                "windows.step=5m",
                "warehouse=/tmp/w",
                "logs.0.site=shop",
                "scores.metrics=[\"requests\", \"bytes\"]",
                "scores.alarms_per_week=0.5",
                "incidents.bridge=5m",
                "incidents.min_severity=medium",
            ],
        )
        .unwrap();
        assert_eq!(job.windows.step, "5m".parse().unwrap());
        assert_eq!(job.warehouse.root(), Path::new("/tmp/w"));
        assert_eq!(job.logs[0].options.site.as_deref(), Some("shop"));
        assert_eq!(job.scores.metrics, ["requests", "bytes"]);
        assert!((job.scores.alarms_per_week - 0.5).abs() < f64::EPSILON);
        assert_eq!(
            job.incidents,
            IncidentRules {
                bridge: Span::minutes(5),
                min_severity: SeverityRule::Medium,
                ..IncidentRules::default()
            }
        );
        let fault = |set: &str| parse(text, &["windows.step=5m", set]).unwrap_err();
        insta::assert_snapshot!(fault("windows.step"), @"`--set windows.step`: expected `key=value`, such as `windows.step=5m`");
        insta::assert_snapshot!(fault("windows.step=7m"), @"`--set windows.step=7m`: a step must divide a day evenly, such as `30s`, `1m`, `5m`, `1h` or `1d`");
        insta::assert_snapshot!(fault("windows.stepp=1m"), @"
        `--set windows.stepp=1m`: unknown field `stepp`, expected one of `step`, `series_key`, `extra_metrics`, `time_zone`, `time_zones`
        ");
        insta::assert_snapshot!(fault("logs.3.site=x"), @"`--set logs.3.site=x`: `logs` has no entry `3`");
        insta::assert_snapshot!(fault("warehouse.path=x"), @"`--set warehouse.path=x`: invalid type: map, expected path string");
    }

    #[test]
    fn paths_are_from_the_folder_of_the_file() {
        let text = "warehouse = \"w\"\n[[logs]]\npaths = [\"a\", \"/b\"]";
        let job = Job::parse(text, Path::new("conf/job.toml"), &[]).unwrap();
        assert_eq!(job.warehouse.root(), Path::new("conf/w"));
        assert_eq!(job.logs[0].paths, [Path::new("conf/a"), Path::new("/b")]);
    }
}
