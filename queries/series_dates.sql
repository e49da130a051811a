-- series_dates: from when to when each series has requests in each date, by site.
-- reads:      series_requests (access_logs and the column `series`)
-- writes:     series_dates, in memory series_range: other queries read both
-- grain:      one row per date, series and site
-- parameters: $step BIGINT, the length of a window in microseconds
SELECT
    date,
    series,
    site,
    min(CAST(timestamp AS BIGINT)) / $step AS first_slot,
    max(CAST(timestamp AS BIGINT)) / $step AS last_slot
FROM series_requests
GROUP BY date, series, site
ORDER BY date, series, site
