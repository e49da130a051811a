//! What is usual for each series, kept from night to night in `.profiles`. It is no table: without it
//! everything is learned anew, and comes out the same.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anomalog_engine::baseline::ProfileMemo;

use crate::explain::cannot;
use crate::session::Result;
use crate::warehouse::Warehouse;

fn path(warehouse: &Warehouse) -> PathBuf {
    warehouse.root().join(".profiles")
}

/// The profiles of a warehouse; none if there are none that can be read.
pub(crate) fn load(warehouse: &Warehouse) -> Arc<ProfileMemo> {
    let bytes = fs::read(path(warehouse)).unwrap_or_default();
    Arc::new(ProfileMemo::from_bytes(&bytes))
}

/// Keeps the profiles that were used.
pub(crate) fn save(warehouse: &Warehouse, profiles: &ProfileMemo) -> Result<()> {
    if !profiles.is_used() {
        return Ok(());
    }
    let path = path(warehouse);
    let kept = warehouse.publish_bytes(&profiles.to_bytes(), &path);
    Ok(kept.map_err(cannot("write", &path))?)
}
