-- series_range: from when to when each series has requests, by site.
-- reads:      series_requests (access_logs and the column `series`)
-- writes:     series_range, in memory: traffic_windows reads it several times
-- grain:      one row per series and site
-- parameters: $step BIGINT, the length of a window in microseconds
SELECT
    series,
    site,
    min(CAST(timestamp AS BIGINT)) / $step AS first_slot,
    max(CAST(timestamp AS BIGINT)) / $step AS last_slot
FROM series_requests
GROUP BY series, site
