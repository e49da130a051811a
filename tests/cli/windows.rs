//! `anomalog windows`.

use crate::Workplace;

#[test]
fn a_step_must_divide_a_day() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["windows", "--step", "7m"]), @"");
    insta::assert_snapshot!(work.run(&["windows", "--step", "fast"]), @"");
}

#[test]
fn a_series_key_is_checked_against_the_logs() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["windows", "--series-key", "sight"]), @"");
    insta::assert_snapshot!(work.run(&["windows", "--series-key", "count(*)"]), @"");
    insta::assert_snapshot!(work.run(&["windows", "--series-key", "site ||"]), @"");
}

#[test]
fn an_empty_warehouse_has_nothing_to_count() {
    let work = Workplace::new();
    insta::assert_snapshot!(work.run(&["windows"]), @"");
    assert!(!work.path().join("warehouse/traffic_windows").exists());
}
