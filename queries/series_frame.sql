-- series_frame: from which window to which each series has rows.
-- reads:      series_range, log_coverage
-- writes:     series_frame, in memory: traffic_windows reads it
-- grain:      one row per series, from its first request to the end of all logs, or to the end of
--             its own logs where those ended more than a week before
-- parameters: $step BIGINT, the length of a window in microseconds
--
-- Windows are counted from the Unix epoch; a slot is a window's number.
WITH covered AS (
    SELECT
        site,
        max(CAST(covered_to AS BIGINT)) / $step AS last_slot,
        -- To the end of the last log that names the site.
        max(CASE WHEN requests IS NOT NULL THEN CAST(covered_to AS BIGINT) END) / $step
            AS named_last_slot
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

series_end AS (
    SELECT
        series_range.series,
        min(series_range.first_slot) AS first_slot,
        greatest(
            max(series_range.last_slot), max(coalesce(covered.named_last_slot, 0))
        ) AS named_last_slot,
        max(coalesce(covered.last_slot, 0)) AS covered_last_slot
    FROM series_range
    LEFT JOIN covered ON series_range.site = covered.site
    GROUP BY series_range.series
),

-- A virtual host that was silent in shared logs for longer than a week, and for longer than it was
-- ever heard, has ended: names that somebody asked for once are no series for ever.
own_end AS (
    SELECT
        series,
        first_slot,
        CASE
            WHEN covered_last_slot - named_last_slot
                > greatest(604800000000 / $step, named_last_slot - first_slot)
                THEN named_last_slot
            ELSE greatest(named_last_slot, covered_last_slot)
        END AS own_last_slot
    FROM series_end
)

-- A series without logs for more than a week has ended; until then their absence shows.
SELECT
    own_end.series,
    own_end.first_slot,
    CASE
        WHEN (last_slot.slot - own_end.own_last_slot) * $step > 604800000000
            THEN own_end.own_last_slot
        ELSE last_slot.slot
    END AS last_slot
FROM own_end
CROSS JOIN last_slot
