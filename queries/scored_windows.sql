-- scored windows: scores as columns, the chosen detector's verdict unpacked.
-- reads:      window_scores (windows of one step, rnn_score … clstm_score, verdict)
-- writes:     scored_windows
-- grain:      one row per series and window
-- order:      site, window_start: the order in which rows are scored
-- parameters: $since, $until TIMESTAMP: windows from the one to before the other;
--             $detector STRING, $detector_version INT: the chosen detector;
--             $run_id STRING: digest of the detectors and the windows read
--
-- Scores are computed before rows are filtered: those of the first rows need what came earlier.
SELECT
    * EXCLUDE (verdict),
    verdict['anomaly_score'] AS anomaly_score,
    verdict['is_anomaly'] AS is_anomaly,
    verdict['severity'] AS severity,
    verdict['direction'] AS direction,
    verdict['expected_value'] AS expected_value,
    verdict['lower_bound'] AS lower_bound,
    verdict['upper_bound'] AS upper_bound,
    verdict['threshold'] AS threshold,
    verdict['top_metric'] AS top_metric,
    verdict['status'] AS status,
    $detector AS detector,
    $detector_version AS detector_version,
    $run_id AS run_id
FROM window_scores
WHERE window_start >= $since AND window_start < $until
ORDER BY site, window_start
