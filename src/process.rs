//! What a process of this crate sets of the system and of its dependencies, before it starts: pages of
//! memory, the allocator, and how threads wait.

#![expect(
    unsafe_code,
    reason = "options are set through C and through the environment"
)]

use std::env;
use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};
use mimalloc::MiMalloc;

/// Queries, ingesting and training allocate and free large buffers all the time, which the
/// system's allocator gives back to the system each time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of `mimalloc.h`, which the crate has no name for.
const PURGE_DELAY: mi_option_t = 15;
/// Milliseconds for which unused memory is kept, instead of one second: longer than any phase of a
/// command. Fresh pages took a ninth of the time of ingesting.
const KEPT_MILLIS: c_long = 10_000;

/// How long candle's threads look for more work before they sleep. They spin through the gaps
/// between its operations, on the cores that our own kernels run on there: a training step on two
/// cores took half as long again.
const CANDLE_SPINS: (&str, &str) = ("CANDLE_BARRIER_POOL_SPIN_LIMIT", "0");

/// Makes the settings.
///
/// # Safety
/// There must be no second thread yet: options and the environment are changed without a lock.
pub unsafe fn prepare() {
    without_huge_pages();
    // SAFETY: the caller's promise.
    unsafe { mi_option_set(PURGE_DELAY, KEPT_MILLIS) };
    let (name, value) = CANDLE_SPINS;
    if env::var_os(name).is_none() {
        // SAFETY: the caller's promise.
        unsafe { env::set_var(name, value) };
    }
}

/// Takes memory from the system in pages of 4 KiB. mimalloc asks for huge ones, of which the system
/// clears 2 MiB where a few kilobytes are needed: building windows held twice the memory for it, and
/// spent half of its time in clearing. Too late for mimalloc's own option, whose arena is there before
/// `main`. A kernel without the setting goes on as it was.
#[cfg(target_os = "linux")]
fn without_huge_pages() {
    let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: this setting takes numbers alone, and no memory of the process changes.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused) };
}

#[cfg(not(target_os = "linux"))]
const fn without_huge_pages() {}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn huge_pages_are_not_used() {
        super::without_huge_pages();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        // Kernels before 5.0 do not say.
        let said = status
            .lines()
            .find_map(|line| line.strip_prefix("THP_enabled:"));
        assert_eq!(said.map_or("0", str::trim), "0");
    }

    /// Should mimalloc ever number its options anew, the default will be another.
    #[test]
    fn the_option_is_the_one_meant() {
        // SAFETY: reading an option has no other effect.
        let delay = unsafe { libmimalloc_sys::mi_option_get(super::PURGE_DELAY) };
        assert_eq!(delay, 1_000, "the default of `mi_option_purge_delay`");
    }
}
