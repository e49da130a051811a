//! `anomalog detectors`.

use crate::Workplace;

#[test]
fn none_but_the_shipped_ones_yet() {
    let work = Workplace::new();
    let listed = work.succeed(&["detectors", "list"]);
    let shipped = listed.lines().filter(|line| line.contains("| shipped |"));
    assert_eq!(shipped.count(), 4, "{listed}");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm"]), @"
    --- stderr
    error: there is no detector `lstm`; there are shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    assert!(!work.path().join("warehouse").exists());
}

#[test]
fn trained_ones() {
    let work = Workplace::with_detector();
    let listed: serde_json::Value =
        serde_json::from_str(&work.succeed(&["--json", "detectors", "list"])).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&listed["detectors"][0]).unwrap(), @r#"
    {
      "architecture": "lstm",
      "fault": null,
      "is_current": true,
      "is_shipped": false,
      "metrics": [
        "requests"
      ],
      "name": "lstm",
      "objective": "forecast",
      "version": 1
    }
    "#);
    let shown = work.succeed(&["detectors", "show", "lstm@1"]);
    // The figures below depend on the processor.
    let (facts, _) = shown.split_once("stopping loss").unwrap();
    insta::assert_snapshot!(facts, @"
    detector        lstm@1
    architecture    lstm, hidden 8
    objective       forecast
    metrics         requests
    window step     60 s
    trained on      2520 rows of 1 series, 2026-03-02T00:00:00Z to 2026-03-03T18:00:00Z
      weights       until 2026-03-03T05:08:00Z, 4 steps, seed 0
      stopping      until 2026-03-03T09:20:00Z
      calibration   until 2026-03-03T18:00:00Z, 520 windows
    ");
    let shown = work.succeed(&["--json", "detectors", "show", "lstm"]);
    let manifest: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(manifest["metrics"][0], "requests");
    assert_eq!(manifest["threshold"]["false_alarms_per_week"], 1.0);
}

#[test]
fn mistakes_are_explained() {
    let work = Workplace::with_detector();
    insta::assert_snapshot!(work.run(&["detectors", "show", "gru"]), @"
    --- stderr
    error: there is no detector `gru`; there are lstm(requests), shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm@9"]), @"
    --- stderr
    error: there is no detector `lstm@9`; there are lstm(requests), shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm@x"]), @"
    --- stderr
    error: `lstm@x` is not a detector reference, expected `name` or `name@version`
    hint: for example 'lstm', 'lstm@3', or, for windows of 5 minutes, 'pretrained-lstm:5m'
    --- exit 1
    ");
    work.write("warehouse/detectors/lstm/1/detector.json", "{");
    insta::assert_snapshot!(work.run(&["detectors", "show", "lstm"]), @"
    --- stderr
    error: `warehouse/detectors/lstm/1/detector.json` is not a detector manifest: EOF while parsing an object at line 1 column 1
    hint: restore the detector's folder from a copy, or train it again
    --- exit 1
    ");
    let listed = work.succeed(&["--json", "detectors", "list"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    insta::assert_snapshot!(listed["detectors"][0], @r#"{"architecture":null,"fault":"`warehouse/detectors/lstm/1/detector.json` is not a detector manifest","is_current":true,"is_shipped":false,"metrics":[],"name":"lstm","objective":null,"version":1}"#);
}

#[test]
fn versions_are_promoted_rolled_back_and_verified() {
    let work = Workplace::with_detector();
    insta::assert_snapshot!(work.run(&["detectors", "rollback", "lstm"]), @"
    --- stderr
    error: there is no version before `lstm@1`
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    let train = [
        "train", "--arch", "lstm", "--hidden", "8", "--steps", "4", "--seed", "9",
    ];
    work.succeed(&train);
    let current = || {
        let listed = work.succeed(&["--json", "detectors", "list"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let of_lstm = listed["detectors"].as_array().unwrap().iter();
        let current = of_lstm.filter(|one| one["name"] == "lstm" && one["is_current"] == true);
        let versions: Vec<u64> = current
            .map(|one| one["version"].as_u64().unwrap())
            .collect();
        versions
    };
    assert_eq!(current(), [2]);
    insta::assert_snapshot!(work.run(&["detectors", "rollback", "lstm"]), @"lstm@1 is current, before it was lstm@2");
    assert_eq!(current(), [1]);
    insta::assert_snapshot!(work.run(&["detectors", "promote", "lstm@2"]), @"lstm@2 is current, before it was lstm@1");
    insta::assert_snapshot!(work.run(&["detectors", "promote", "lstm@2"]), @"lstm@2 was current already");
    assert_eq!(current(), [2]);
    insta::assert_snapshot!(work.run(&["detectors", "promote", "lstm@7"]), @"
    --- stderr
    error: there is no detector `lstm@7`; there are lstm(requests), shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["detectors", "promote", "pretrained-gru"]), @"
    --- stderr
    error: detector `pretrained-gru` came with the program, and has the one version
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["detectors", "history"]), @r#"no challenger was due yet: `[retrain] every = "7d"` in the job file has them trained"#);
    insta::assert_snapshot!(work.run(&["detectors", "verify", "lstm", "pretrained-gru"]), @"
    lstm@1: whole
    lstm@2: whole
    pretrained-gru@2: whole
    ");
    insta::assert_snapshot!(work.run(&["detectors", "verify", "gru"]), @"
    --- stderr
    error: there is no detector `gru`; there are lstm(requests), shipped for any metrics: pretrained-rnn, pretrained-lstm, pretrained-gru, pretrained-clstm
    hint: `anomalog detectors list` shows them
    --- exit 1
    ");

    let weights = "warehouse/detectors/lstm/1/model.safetensors";
    let mut bytes = std::fs::read(work.path().join(weights)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    work.write(weights, bytes);
    let said = work.run(&["detectors", "verify"]);
    assert!(
        said.contains(
            "lstm@1: `warehouse/detectors/lstm/1/model.safetensors` is damaged: its SHA-256 is"
        ),
        "{said}"
    );
    assert!(
        said.contains("lstm@2: whole") && said.contains("pretrained-rnn@"),
        "{said}"
    );
    assert!(said.trim_end().ends_with("--- exit 1"), "{said}");
    // What is damaged does not become current.
    let said = work.run(&["detectors", "rollback", "lstm"]);
    assert!(said.trim_end().ends_with("--- exit 1"), "{said}");
    assert_eq!(current(), [2]);
}
