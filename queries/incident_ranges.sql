-- incident_ranges: the stretches of time that tell what explains incidents.
-- reads:      explained_incidents (incident_id, series, metric, started_at and ended_at of the part
--             that is looked at, before_from), scored_windows
-- writes:     incident_ranges, in memory: it is read several times
-- grain:      one row per incident, stretch and UTC day of it, counted from the Unix epoch
-- parameters: none
--
-- An incident is compared with the same time 1, 2, 3 and 7 days ago, as far as the series had requests
-- then, and no anomaly, which would pass for what is usual. Where there is no such day, it is compared
-- with the time right before it, from before_from on.
WITH days AS (
    SELECT
        incident_id,
        started_at - back AS range_start,
        ended_at - back AS range_end
    FROM explained_incidents
    CROSS JOIN (
        VALUES (INTERVAL '1 day'), (INTERVAL '2 days'), (INTERVAL '3 days'), (INTERVAL '7 days')
    ) AS comparison (back)
),

usable_days AS (
    SELECT days.incident_id, range_start, range_end
    FROM days
    INNER JOIN explained_incidents ON days.incident_id = explained_incidents.incident_id
    INNER JOIN scored_windows
        ON explained_incidents.series = scored_windows.site
        AND window_start >= range_start AND window_start < range_end
    GROUP BY days.incident_id, range_start, range_end
    HAVING sum(requests) > 0 AND count(*) FILTER (WHERE is_anomaly) = 0
),

ranges AS (
    SELECT incident_id, true AS is_during, started_at AS range_start, ended_at AS range_end
    FROM explained_incidents
    UNION ALL
    SELECT incident_id, false AS is_during, range_start, range_end
    FROM usable_days
    UNION ALL
    SELECT incident_id, false AS is_during, before_from AS range_start, started_at AS range_end
    FROM explained_incidents
    WHERE incident_id NOT IN (SELECT incident_id FROM usable_days)
),

numbered AS (
    SELECT
        *,
        CAST(range_start AS BIGINT) / 86400000000 AS first_day,
        (CAST(range_end AS BIGINT) - 1) / 86400000000 AS last_day
    FROM ranges
),

-- None is longer than a day, so each has one day or two.
days_of_ranges AS (
    SELECT *, first_day AS day
    FROM numbered
    UNION ALL
    SELECT *, last_day AS day
    FROM numbered
    WHERE last_day > first_day
)

SELECT
    days_of_ranges.incident_id,
    series,
    metric,
    is_during,
    range_start,
    range_end,
    day
FROM days_of_ranges
INNER JOIN explained_incidents ON days_of_ranges.incident_id = explained_incidents.incident_id
