//! `anomalog detectors`.

use crate::Workplace;

#[test]
fn none_yet() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["detectors", "list"]), @"");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm"]), @"");
    assert!(!work.path().join("warehouse").exists());
}

#[test]
fn trained_ones() {
    let work = Workplace::with_detector();
    let listed: serde_json::Value =
        serde_json::from_str(&work.succeed(&["--json", "detectors", "list"])).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&listed).unwrap(), @"");
    let shown = work.succeed(&["detectors", "show", "lstm@1"]);
    // The figures below depend on the processor.
    let (facts, _) = shown.split_once("stopping loss").unwrap();
    insta::assert_snapshot!(facts, @"");
    let shown = work.succeed(&["--json", "detectors", "show", "lstm"]);
    let manifest: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(manifest["metrics"][0], "requests");
    assert_eq!(manifest["threshold"]["false_alarms_per_week"], 1.0);
}

#[test]
fn mistakes_are_explained() {
    let work = Workplace::with_detector();
    insta::assert_snapshot!(work.run(&["detectors", "show", "gru"]), @"");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm@9"]), @"");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm@x"]), @"");
    work.write("warehouse/detectors/lstm/1/detector.json", "{");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm"]), @"");
    insta::assert_snapshot!(work.run(&["--json", "detectors", "list"]), @"");
}
