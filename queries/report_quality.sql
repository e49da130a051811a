-- report_quality: how much is known of every series over a range.
-- reads:      scored_windows
-- writes:     nothing: the report shows it
-- grain:      one row per series and detector
-- order:      site, detector, detector_version
-- parameters: $since, $until TIMESTAMP: the windows read
SELECT
    site,
    detector,
    CAST(detector_version AS BIGINT) AS detector_version,
    count(*) AS windows,
    count(*) FILTER (WHERE NOT is_observed) AS without_log,
    count(*) FILTER (WHERE requests > 0 AND latency_p95 IS NULL) AS without_latency,
    count(anomaly_score) AS scored,
    count(*) FILTER (WHERE status = 'warmup') AS warm_up,
    count(*) FILTER (WHERE status = 'short_history') AS short_history,
    count(*) FILTER (WHERE is_anomaly) AS anomalies,
    count(*) FILTER (WHERE anomaly_score >= 0.9) AS unusual,
    CAST(coalesce(sum(requests), 0) AS BIGINT) AS requests
FROM scored_windows
WHERE window_start >= $since AND window_start < $until
GROUP BY site, detector, detector_version
ORDER BY site, detector, detector_version
