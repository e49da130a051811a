//! One writer per warehouse: an advisory lock of the operating system.
//!
//! The system releases it when its holder ends, however that ends, so no lock is ever left behind.
//! The locked file says who holds it, for the message to those who come second.

use std::fs::{File, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::CommitError;
use super::holder::Holder;
use crate::explain::cannot;

/// The locked file.
const FILE: &str = ".lock";
/// How long to sleep between two attempts.
const RETRY: Duration = Duration::from_millis(100);

/// How long to wait for another writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// Not at all.
    #[default]
    No,
    /// As long as it takes.
    ForEver,
    /// So long.
    For(Duration),
}

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of a warehouse.
    ///
    /// # Errors
    /// When another holds it for longer than `wait`, or the file cannot be written.
    pub fn take(root: &Path, purpose: &str, wait: Wait) -> Result<Self, CommitError> {
        let path = root.join(FILE);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(cannot("write", &path))?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => {
                    return Err(cannot("lock", &path)(source).into());
                }
                Err(TryLockError::WouldBlock) => {}
            }
            let is_over = match wait {
                Wait::No => true,
                Wait::ForEver => false,
                Wait::For(longest) => started.elapsed() >= longest,
            };
            if is_over {
                return Err(CommitError::Locked {
                    warehouse: root.to_owned(),
                    holder: holder(&path),
                });
            }
            // Nothing else runs in a process that waits for its turn.
            std::thread::sleep(RETRY);
        }
        let mut lock = Self { file };
        let said = serde_json::to_vec(&Holder::this(purpose)).unwrap_or_default();
        lock.say(&said).map_err(cannot("write", &path))?;
        Ok(lock)
    }

    fn say(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock goes with the file; what it says then is of no use.
        let _ = self.say(b"");
    }
}

/// What the holder said; nothing if it has only just taken the lock.
fn holder(path: &Path) -> Holder {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}
