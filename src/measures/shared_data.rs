//! Other people's data, which tests read where it is there.

use std::path::{Path, PathBuf};

/// A folder of other people's data, or nothing where there is none, and the test is to be skipped.
///
/// `ANOMALOG_SHARED` names the folder above all data. Who sets it means the tests to run, so that a
/// folder that is missing there fails them.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("ANOMALOG_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = named.clone().unwrap_or_else(beside).join("data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        named.is_none(),
        "`{}` is not here, but `ANOMALOG_SHARED` is set",
        folder.display()
    );
    eprintln!("skipped: `{}` is not here", folder.display());
    None
}
