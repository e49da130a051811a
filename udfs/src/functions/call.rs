//! What the arguments of a call mean: detector, times, metrics.
//!
//! The same rules serve planning and execution, both forms, and every error message.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::scalar::ScalarValue;

use super::function::AnomalyFunction;
use anomalog_engine::detector::{DetectorError, DetectorRef, MetricArgument};
use anomalog_engine::forecast::ForecastError;
use anomalog_engine::score::Judge;
use anomalog_engine::series::time_zone::{TimeZone, UnknownTimeZone};

/// Positions of the parts of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether the first argument names a detector.
    pub(super) has_detector: bool,
    /// Position of the times, if given.
    pub(super) times: Option<usize>,
    /// That of the times' type; `None` without times.
    pub(super) time_zone: Option<TimeZone>,
    /// Position of the first metric; the others follow to the end.
    pub(super) first_metric: usize,
}

impl Shape {
    /// Reads the shape of a window call from its argument types.
    pub(super) fn of_window_call(function: &AnomalyFunction, types: &[DataType]) -> Result<Self> {
        let usage = || {
            let name = function.name;
            format!(
                "hint: `{name}(window_start, requests) OVER (PARTITION BY site ORDER BY window_start)`"
            )
        };
        let name = function.name;
        let has_detector = types.first().is_some_and(is_text);
        let times = usize::from(has_detector);
        match types.get(times) {
            Some(DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) => {}
            Some(other) => {
                return plan_err!(
                    "`{name}` expects a timestamp as argument {}, found {other}\n{}",
                    times + 1,
                    usage()
                );
            }
            None => {
                return plan_err!(
                    "`{name}` expects ([detector,] window_start, metric, …), found {} arguments\n{}",
                    types.len(),
                    usage()
                );
            }
        }
        if types.len() == times + 1 {
            return plan_err!(
                "`{name}` expects at least one metric after the timestamp\n{}",
                usage()
            );
        }
        for (position, data_type) in types.iter().enumerate().skip(times + 1) {
            if is_text(data_type) && !has_detector {
                return plan_err!(
                    "`{name}` expects a number as argument {}, found {data_type}\n\
                     hint: a detector is the first argument: `{name}('NAME', window_start, requests)`",
                    position + 1
                );
            }
            if !is_number(data_type) {
                return plan_err!(
                    "`{name}` expects a number as argument {}, found {data_type}\n{}",
                    position + 1,
                    usage()
                );
            }
        }
        Ok(Self {
            has_detector,
            times: Some(times),
            time_zone: Some(time_zone(name, &types[times])?),
            first_metric: times + 1,
        })
    }

    /// Reads the shape of a scalar call over lists from its argument types.
    pub(super) fn of_list_call(function: &AnomalyFunction, types: &[DataType]) -> Result<Self> {
        let name = function.name;
        let usage = || {
            format!(
                "hint: `{name}([times,] history)`, or with an OVER clause `{name}(window_start, requests) OVER (…)`"
            )
        };
        let has_detector = types.first().is_some_and(is_text);
        let first = usize::from(has_detector);
        let Some(lists) = types.get(first..).filter(|lists| !lists.is_empty()) else {
            return plan_err!(
                "`{name}` expects ([detector,] [times,] history, …), found {} arguments\n{}",
                types.len(),
                usage()
            );
        };
        let times_type =
            element(&lists[0]).filter(|times| matches!(times, DataType::Timestamp(..)));
        let time_zone = times_type.map(|times| time_zone(name, times)).transpose()?;
        let has_times = times_type.is_some();
        let times = has_times.then_some(first);
        let first_metric = first + usize::from(has_times);
        if types.len() == first_metric {
            return plan_err!(
                "`{name}` expects at least one history after the times\n{}",
                usage()
            );
        }
        for (position, data_type) in types.iter().enumerate().skip(first_metric) {
            if !element(data_type).is_some_and(is_number) {
                return plan_err!(
                    "`{name}` expects a list of numbers as argument {}, found {data_type}\n{}",
                    position + 1,
                    usage()
                );
            }
        }
        Ok(Self {
            has_detector,
            times,
            time_zone,
            first_metric,
        })
    }
}

/// The zone of a type of times; UTC for those without.
fn time_zone(function: &str, times: &DataType) -> Result<TimeZone> {
    match times {
        DataType::Timestamp(_, Some(zone)) => zone.parse().or_else(|error: UnknownTimeZone| {
            plan_err!("`{function}`: {error}\nhint: {}", error.hint())
        }),
        _ => Ok(TimeZone::UTC),
    }
}

impl AnomalyFunction {
    /// The judge of a call. `reference` is the value of the first argument where the shape
    /// says that it names a detector.
    pub(super) fn judge(
        &self,
        shape: Shape,
        reference: Option<&ScalarValue>,
        metrics: &[MetricArgument],
    ) -> Result<Judge> {
        let reference = if shape.has_detector {
            match reference.and_then(|value| value.try_as_str().flatten()) {
                Some(text) => Some(
                    text.parse::<DetectorRef>()
                        .map_err(|error| plan_error(&error))?,
                ),
                None => {
                    return plan_err!(
                        "`{}` expects the detector as a literal, such as {}",
                        self.name,
                        self.example_reference()
                    );
                }
            }
        } else {
            None
        };
        self.find(reference.as_ref(), metrics)
            .map_err(|error| plan_error(&error))
    }
}

/// A detector error as a planning error: message, causes, hint.
pub(super) fn plan_error(error: &DetectorError) -> DataFusionError {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    if let Some(hint) = error.hint() {
        message.push_str("\nhint: ");
        message.push_str(&hint);
    }
    DataFusionError::Plan(message)
}

/// A forecast error as an execution error: function, message, hint.
pub(crate) fn execution_error(function: &str, error: &ForecastError) -> DataFusionError {
    let hint = error
        .hint()
        .map(|hint| format!("\nhint: {hint}"))
        .unwrap_or_default();
    DataFusionError::Execution(format!("`{function}`: {error}{hint}"))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn is_number(data_type: &DataType) -> bool {
    // A literal NULL has type Null: a metric that is always missing.
    data_type.is_numeric() || data_type.is_null()
}

/// The element type of a list type.
pub(super) fn element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Some(field.data_type()),
        _ => None,
    }
}
