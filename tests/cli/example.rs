//! The example of `anomalog-udfs`: another DataFusion program that scores.

use std::path::Path;
use std::process::Command;

use crate::Workplace;

#[test]
fn another_program_scores_with_a_trained_detector() {
    // `cargo test --workspace` builds examples before it runs tests; `--test cli` alone does not.
    let folder = Path::new(env!("CARGO_BIN_EXE_anomalog")).parent().unwrap();
    let example = folder.join("examples/score");
    if !example.is_file() {
        eprintln!("skipped: `{}` has not been built", example.display());
        return;
    }
    let work = Workplace::with_detector();
    let output = Command::new(example)
        .args(["warehouse/detectors", "warehouse/traffic_windows"])
        .current_dir(work.path())
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = work.succeed(&[
        "sql",
        "SELECT site, window_start, requests, \
         lstm_score(window_start, requests) OVER (PARTITION BY site ORDER BY window_start) AS score \
         FROM traffic_windows ORDER BY score DESC NULLS LAST, site, window_start LIMIT 5",
    ]);
    assert_eq!(printed, expected);
}
