//! Files and folders as DataFusion lists them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTableUrl};
use datafusion::error::Result;

pub(super) fn listing_options() -> ListingOptions {
    ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet")
}

/// The URL of a Parquet file or folder, and how the names of its files end: that of a single file
/// need not be `.parquet`.
pub(super) fn parquet_url(path: &Path) -> Result<(ListingTableUrl, &'static str)> {
    if path.is_dir() {
        Ok((folder_url(path)?, ".parquet"))
    } else {
        let path = std::path::absolute(path)?;
        Ok((ListingTableUrl::parse(path.to_string_lossy())?, ""))
    }
}

/// The URL of a folder; the slash at the end makes it one.
pub(super) fn folder_url(folder: &Path) -> Result<ListingTableUrl> {
    let folder = std::path::absolute(folder)?;
    ListingTableUrl::parse(format!("{}/", file_url(&folder)))
}

/// The URL of an absolute path. A path as such would be searched for `*`, `?` and `[`.
pub(super) fn file_url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
