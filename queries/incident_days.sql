-- incident_days: the days before an incident that it is compared with.
-- reads:      scored_windows
-- writes:     nothing: parameters of incident_facets
-- grain:      one row per day: 1, 2, 3 or 7 days ago
-- order:      days_ago
-- parameters: $series STRING: the incident's; $started_at, $ended_at TIMESTAMP: the part of it that is
--             looked at
--
-- On such a day the series had requests at the same time of day, and no anomaly, which would pass for
-- what is usual.
SELECT days_ago
FROM (
    SELECT
        -- Whole ones: what is looked at is shorter than a day.
        CAST(ceil((CAST($started_at AS BIGINT) - CAST(window_start AS BIGINT)) / 864e8) AS BIGINT) AS days_ago,
        requests,
        is_anomaly
    FROM scored_windows
    WHERE
        site = $series
        AND (
            (window_start >= $started_at - INTERVAL '1 day' AND window_start < $ended_at - INTERVAL '1 day')
            OR (window_start >= $started_at - INTERVAL '2 days' AND window_start < $ended_at - INTERVAL '2 days')
            OR (window_start >= $started_at - INTERVAL '3 days' AND window_start < $ended_at - INTERVAL '3 days')
            OR (window_start >= $started_at - INTERVAL '7 days' AND window_start < $ended_at - INTERVAL '7 days')
        )
)
GROUP BY days_ago
HAVING sum(requests) > 0 AND count(*) FILTER (WHERE is_anomaly) = 0
ORDER BY days_ago
