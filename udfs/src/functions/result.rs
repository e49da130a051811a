//! Scores as Arrow columns.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};

use anomalog_engine::detector::Severity;
use anomalog_engine::score::{Detail, Judge, Verdict, WindowScore};

static VERDICT_FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let field = |name, data_type| Field::new(name, data_type, true);
    Fields::from(vec![
        field("anomaly_score", DataType::Float64),
        field("is_anomaly", DataType::Boolean),
        field("severity", DataType::Utf8),
        field("direction", DataType::Utf8),
        field("expected_value", DataType::Float64),
        field("lower_bound", DataType::Float64),
        field("upper_bound", DataType::Float64),
        field("threshold", DataType::Float64),
        field("top_metric", DataType::Utf8),
        Field::new("status", DataType::Utf8, false),
    ])
});

/// What a function returns per row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Output {
    Score,
    Detect,
}

/// The fields of the struct that the `…_detect` functions return.
///
/// All but `status` are NULL where a window could not be scored; `severity` also where it is not
/// an anomaly, and the bounds where the detector is a classifier. `expected_value` and the bounds
/// are in the unit of `top_metric`.
#[must_use]
pub fn verdict_fields() -> Fields {
    VERDICT_FIELDS.clone()
}

impl Output {
    /// The type of the result column.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Score => DataType::Float64,
            Self::Detect => DataType::Struct(verdict_fields()),
        }
    }

    /// What is read of verdicts.
    pub(crate) const fn detail(self) -> Detail {
        match self {
            Self::Score => Detail::Score,
            Self::Detect => Detail::WithBounds,
        }
    }

    /// The result column.
    pub(crate) fn array(self, judge: &Judge, scores: &[WindowScore]) -> ArrayRef {
        match self {
            Self::Score => anomaly_scores(scores),
            Self::Detect => Arc::new(verdicts(judge, scores)),
        }
    }
}

fn anomaly_scores(scores: &[WindowScore]) -> ArrayRef {
    Arc::new(numbers(scores, |verdict| verdict.anomaly_score))
}

fn numbers(scores: &[WindowScore], value: impl Fn(&Verdict) -> f64) -> Float64Array {
    scores
        .iter()
        .map(|score| score.verdict.as_ref().map(&value))
        .collect()
}

fn bounds(scores: &[WindowScore], side: usize) -> Float64Array {
    scores
        .iter()
        .map(|score| Some(score.verdict?.bounds?[side]))
        .collect()
}

fn texts<'a>(
    scores: &'a [WindowScore],
    value: impl Fn(&'a Verdict) -> Option<&'a str>,
) -> StringArray {
    scores
        .iter()
        .map(|score| score.verdict.as_ref().and_then(&value))
        .collect()
}

fn verdicts(judge: &Judge, scores: &[WindowScore]) -> StructArray {
    let metrics = judge.metrics();
    let columns: Vec<ArrayRef> = vec![
        anomaly_scores(scores),
        Arc::new(
            scores
                .iter()
                .map(|score| score.verdict.map(|verdict| verdict.is_anomaly))
                .collect::<BooleanArray>(),
        ),
        Arc::new(texts(scores, |verdict| {
            verdict.severity.map(Severity::name)
        })),
        Arc::new(texts(scores, |verdict| Some(verdict.direction.name()))),
        Arc::new(numbers(scores, |verdict| verdict.expected_value)),
        Arc::new(bounds(scores, 0)),
        Arc::new(bounds(scores, 1)),
        Arc::new(numbers(scores, |verdict| verdict.threshold)),
        Arc::new(
            scores
                .iter()
                .map(|score| {
                    score
                        .verdict
                        .map(|verdict| metrics[verdict.top_metric].as_str())
                })
                .collect::<StringArray>(),
        ),
        Arc::new(
            scores
                .iter()
                .map(|score| Some(score.status.name()))
                .collect::<StringArray>(),
        ),
    ];
    StructArray::new(verdict_fields(), columns, None)
}
