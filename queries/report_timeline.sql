-- report_timeline: the traffic of every series over a range, in few stretches.
-- reads:      scored_windows
-- writes:     nothing: the report draws it
-- grain:      one row per series and stretch, which are counted from the Unix epoch
-- order:      site, stretch
-- parameters: $since, $until TIMESTAMP: the windows read; $stretch BIGINT: length of a stretch in
--             microseconds
SELECT
    site,
    CAST(window_start AS BIGINT) / $stretch AS stretch,
    CAST(sum(requests) AS DOUBLE) AS requests,
    CAST(count(requests) AS BIGINT) AS observed,
    max(anomaly_score) AS score
FROM scored_windows
WHERE window_start >= $since AND window_start < $until
GROUP BY site, CAST(window_start AS BIGINT) / $stretch
ORDER BY site, stretch
