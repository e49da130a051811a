-- drift: how far the windows of a date are from what detectors and readers expect.
-- reads:      scored_windows, windows_a_week_before (traffic_windows of a week before, if there are any)
-- writes:     columns of runs
-- grain:      one row
-- parameters: $since, $until TIMESTAMP: the date, from its beginning to before its end
--
-- Of normal windows a tenth have a score of at least 0.9: that is what scores are calibrated to say. The
-- volume is that of windows that were observed both times, so that half a date is no loss.
SELECT
    avg(CASE WHEN anomaly_score >= 0.9 THEN 1.0 ELSE 0.0 END) FILTER (WHERE anomaly_score IS NOT NULL)
        AS unusual_share,
    avg(CASE WHEN scored.requests IS NULL THEN 1.0 ELSE 0.0 END) AS missing_share,
    CAST(sum(scored.requests) FILTER (WHERE earlier.requests IS NOT NULL) AS DOUBLE)
        / nullif(CAST(sum(earlier.requests) FILTER (WHERE scored.requests IS NOT NULL) AS DOUBLE), 0)
        AS volume_ratio
FROM scored_windows AS scored
LEFT JOIN windows_a_week_before AS earlier
    ON scored.site = earlier.site
    AND scored.window_start = earlier.window_start + INTERVAL '7 days'
WHERE scored.window_start >= $since AND scored.window_start < $until
