//! The table `detectors`: what has been trained, and what comes with the program.

use std::sync::{Arc, LazyLock};

use anomalog_engine::detector::DetectorStore;
use anomalog_engine::detector::{Manifest, StoredDetector, Validation};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::error::Result;
use crate::schema::timestamp_type;
use crate::warehouse::Warehouse;

/// `detectors`: one row per version that there is, those that come with the program included.
pub static DETECTORS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let double = |name: &str| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        Field::new("detector", DataType::Utf8, false),
        Field::new("detector_version", DataType::Int32, false),
        Field::new("is_current", DataType::Boolean, false),
        Field::new("is_shipped", DataType::Boolean, false),
        Field::new("architecture", DataType::Utf8, true),
        Field::new("objective", DataType::Utf8, true),
        Field::new("metrics", DataType::Utf8, true),
        number("step_seconds"),
        number("hidden_size"),
        number("lookback"),
        number("block"),
        Field::new("trained_from", timestamp_type(), true),
        Field::new("trained_until", timestamp_type(), true),
        number("series"),
        number("windows"),
        number("seed"),
        Field::new("began_with", DataType::Utf8, true),
        double("alarms_per_week"),
        double("error"),
        double("error_of_median"),
        double("error_of_previous"),
        Field::new("weights_sha256", DataType::Utf8, true),
        Field::new("fault", DataType::Utf8, true),
    ]))
});

/// Every detector of a warehouse, in the order in which `anomalog detectors list` has them.
///
/// # Errors
/// When the folder of detectors cannot be read.
pub(crate) fn stored(warehouse: &Warehouse) -> Result<Vec<StoredDetector>> {
    // Shipped ones serve every step; any will do to have them listed.
    let store = DetectorStore::open(warehouse.detectors()).with_step(60_000_000);
    Ok(store.list()?)
}

/// One row per detector. What only holds for the use of a shipped one, its metrics and its step, is
/// NULL; of one that cannot be read, all is but its name and the `fault`.
pub(super) fn rows(warehouse: &Warehouse) -> Result<RecordBatch> {
    let entries = stored(warehouse)?;
    let manifests = || entries.iter().map(|entry| entry.manifest.as_ref().ok());
    let own = || {
        let trained = |entry: &StoredDetector| !entry.is_shipped;
        manifests()
            .zip(&entries)
            .map(move |(manifest, entry)| manifest.filter(|_| trained(entry)))
    };
    let text = |of: &dyn Fn(&Manifest) -> Option<String>| -> ArrayRef {
        let values = manifests().map(|manifest| manifest.and_then(of));
        Arc::new(values.collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Manifest) -> i64| -> ArrayRef {
        let values = manifests().map(|manifest| manifest.map(of));
        Arc::new(values.collect::<Int64Array>())
    };
    let double = |of: &dyn Fn(&Manifest) -> Option<f64>| -> ArrayRef {
        let values = manifests().map(|manifest| manifest.and_then(of));
        Arc::new(values.collect::<Float64Array>())
    };
    let error = |of: &dyn Fn(&Validation) -> f64| {
        double(&|manifest| Some(of(&manifest.forecasting()?.validation)))
    };
    let time = |of: &dyn Fn(&Manifest) -> i64| -> ArrayRef {
        let values = own().map(|manifest| manifest.map(of));
        let values = values.collect::<TimestampMicrosecondArray>();
        Arc::new(values.with_timezone("UTC"))
    };
    let flag = |of: &dyn Fn(&StoredDetector) -> bool| -> ArrayRef {
        Arc::new(
            entries
                .iter()
                .map(|entry| Some(of(entry)))
                .collect::<BooleanArray>(),
        )
    };
    let names = entries.iter().map(|entry| Some(&entry.name));
    let versions = entries
        .iter()
        .map(|entry| i32::try_from(entry.version).ok());
    let metrics = own().map(|manifest| Some(manifest?.metrics.join(",")));
    let steps = own().map(|manifest| Some(manifest?.layout.step_micros / 1_000_000));
    let faults = entries
        .iter()
        .map(|entry| Some(entry.manifest.as_ref().err()?.to_string()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(names.collect::<StringArray>()),
        Arc::new(versions.collect::<Int32Array>()),
        flag(&|entry| entry.is_current),
        flag(&|entry| entry.is_shipped),
        text(&|manifest| Some(manifest.architecture.to_string())),
        text(&|manifest| Some(manifest.objective.name().to_owned())),
        Arc::new(metrics.collect::<StringArray>()),
        Arc::new(steps.collect::<Int64Array>()),
        number(&|manifest| manifest.hidden_size as i64),
        number(&|manifest| manifest.layout.lookback as i64),
        number(&|manifest| manifest.layout.block as i64),
        time(&|manifest| manifest.training.from_micros),
        time(&|manifest| manifest.training.until_micros),
        number(&|manifest| manifest.training.series as i64),
        number(&|manifest| manifest.training.rows as i64),
        number(&|manifest| manifest.training.seed as i64),
        text(&|manifest| manifest.training.began_with.clone()),
        double(&|manifest| Some(manifest.threshold.false_alarms_per_week)),
        error(&|validation| validation.detector),
        error(&|validation| validation.trailing_median),
        error(&|validation| validation.previous_value),
        text(&|manifest| Some(manifest.weights_sha256.clone())),
        Arc::new(faults.collect::<StringArray>()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&DETECTORS), columns)?)
}
