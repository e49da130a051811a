//! Reading of files that may hold any bytes: readers of Parquet panic on some of them.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use datafusion::parquet::errors::ParquetError;

thread_local! {
    static IS_READING: Cell<bool> = const { Cell::new(false) };
}

/// Reads a file. A panic is a fault of the file, and is not told as one of the program.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn guarded<T>(
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, ParquetError> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_READING.get() {
                told(panic);
            }
        }));
    });
    let outer = IS_READING.replace(true);
    let read = panic::catch_unwind(AssertUnwindSafe(read));
    IS_READING.set(outer);
    read.unwrap_or_else(|_| {
        let message = "its bytes cannot be what its footer says";
        Err(ParquetError::General(message.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_fault_of_the_file() {
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
        let bytes: Vec<u8> = Vec::new();
        let fault = guarded(|| Ok(bytes[1])).unwrap_err();
        assert!(fault.to_string().contains("footer"), "{fault}");
        assert!(!IS_READING.get());
    }
}
