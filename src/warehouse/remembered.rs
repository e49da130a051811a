//! What is remembered beside tables: JSON files in the warehouse, without which everything is found out
//! anew.

use std::fs;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::explain::cannot;
use crate::warehouse::Result;
use crate::warehouse::Warehouse;

/// What a file of the warehouse has; nothing if there is none that can be read.
pub(crate) fn load<T: DeserializeOwned + Default>(warehouse: &Warehouse, name: &str) -> T {
    let text = fs::read(warehouse.root().join(name)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Keeps it.
pub(crate) fn save(warehouse: &Warehouse, name: &str, value: &impl Serialize) -> Result<()> {
    let path = warehouse.root().join(name);
    let failed = || cannot("write", &path);
    let text = serde_json::to_vec(value).map_err(|error| failed()(error.into()))?;
    Ok(warehouse.publish_bytes(&text, &path).map_err(failed())?)
}
