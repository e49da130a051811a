//! The highest memory of this process, as the system counts it.
//!
//! Linux alone tells it in a file; elsewhere it is not known.

use std::fs;

/// Forgets peaks before now, where the system allows it; else the peak since the process began
/// stays.
pub(super) fn reset_peak() {
    // "5" resets the peak of the resident set: proc_pid_clear_refs(5).
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The highest resident memory in bytes since the last reset; `None` where it is not told.
pub(super) fn peak() -> Option<u64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmHWM:   1234 kB` of `proc_pid_status(5)`.
fn parse(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_and_nothing_else() {
        let status = "Name:\tanomalog\nVmPeak:\t  900 kB\nVmHWM:\t   12 kB\nVmRSS:\t 10 kB\n";
        assert_eq!(parse(status), Some(12_288));
        assert_eq!(parse("VmRSS:\t 10 kB\n"), None);
        assert_eq!(parse("VmHWM:\t many kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn more_memory_is_a_higher_peak() {
        const SIZE: usize = 256 << 20;
        let before = peak().unwrap();
        let held = vec![1_u8; SIZE];
        assert!(peak().unwrap() >= SIZE as u64, "{before} before");
        assert_eq!(held[SIZE / 2], 1);
    }
}
