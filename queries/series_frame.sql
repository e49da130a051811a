-- series_frame: from which window to which each series has rows.
-- reads:      series_range, log_coverage
-- writes:     series_frame, in memory: traffic_windows reads it
-- grain:      one row per series, from its first request to the end of all logs, or to the end of
--             its own logs where those ended more than a week before
-- parameters: $step BIGINT, the length of a window in microseconds
--
-- Windows are counted from the Unix epoch; a slot is a window's number.
WITH covered AS (
    SELECT site, max(CAST(covered_to AS BIGINT)) / $step AS last_slot
    FROM log_coverage
    GROUP BY site
),

last_slot AS (
    SELECT max(slot) AS slot
    FROM (
        SELECT max(last_slot) AS slot FROM series_range
        UNION ALL
        SELECT max(last_slot) AS slot FROM covered
    )
),

-- A series without logs for more than a week has ended; until then their absence shows.
series_end AS (
    SELECT
        series_range.series,
        min(series_range.first_slot) AS first_slot,
        greatest(max(series_range.last_slot), max(coalesce(covered.last_slot, 0))) AS own_last_slot
    FROM series_range
    LEFT JOIN covered ON series_range.site = covered.site
    GROUP BY series_range.series
)

SELECT
    series_end.series,
    series_end.first_slot,
    CASE
        WHEN (last_slot.slot - series_end.own_last_slot) * $step > 604800000000
            THEN series_end.own_last_slot
        ELSE last_slot.slot
    END AS last_slot
FROM series_end
CROSS JOIN last_slot
