//! `anomalog demo`.

use std::path::Path;

use serde_json::Value;

use crate::Workplace;

/// Runs the demo in the repository, where the sample lies.
fn demo(work: &Workplace) -> Value {
    let warehouse = work.path().join("warehouse");
    let output = work
        .command(&["demo", "--json", "--warehouse", warehouse.to_str().unwrap()])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_whole_way_and_nothing_new_the_second_time() {
    let work = Workplace::new();
    let first = demo(&work);
    let totals = &first["ingested"]["totals"];
    assert_eq!(totals["rows"], 166_108);
    assert_eq!(totals["rejected"], 0);
    assert_eq!(first["ingested"]["windows"]["windows"], 12_960);
    assert_eq!(first["scored"]["windows"], 12_960);
    assert!(
        first["scored"]["anomalies"].as_u64().unwrap() > 100,
        "{}",
        first["scored"]
    );

    let logs = work.files("warehouse/access_logs");
    assert!(!logs.is_empty());
    let second = demo(&work);
    assert_eq!(second["ingested"]["totals"]["already_ingested"], 9);
    assert!(
        work.files("warehouse/access_logs") == logs,
        "requests changed"
    );
    assert_eq!(second["scored"], first["scored"]);
}
