-- observed_range: for which windows the logs of a series' sites are there.
-- reads:      series_range, log_coverage
-- writes:     observed_range, in memory: traffic_windows reads it
-- grain:      one row per series, site and range of windows; ranges of one series may overlap
-- parameters: $step BIGINT, the length of a window in microseconds

-- Logs rotate hourly or more rarely, so no file is missing between two ranges of one site that
-- are less than an hour apart: the site was silent. Such ranges become one.
WITH range_start AS (
    SELECT
        site,
        covered_from,
        covered_to,
        CASE
            WHEN covered_from < max(covered_to) OVER earlier + INTERVAL '1 hour' THEN 0
            ELSE 1
        END AS starts_range
    FROM log_coverage
    WINDOW earlier AS (
        PARTITION BY site
        ORDER BY covered_from, covered_to
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),

numbered_range AS (
    SELECT
        site,
        covered_from,
        covered_to,
        sum(starts_range) OVER (
            PARTITION BY site
            ORDER BY covered_from, covered_to
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS range_number
    FROM range_start
),

covered_range AS (
    SELECT
        site,
        min(CAST(covered_from AS BIGINT)) / $step AS first_slot,
        max(CAST(covered_to AS BIGINT)) / $step AS last_slot
    FROM numbered_range
    GROUP BY site, range_number
)

SELECT series_range.series, covered_range.first_slot, covered_range.last_slot
FROM series_range
INNER JOIN covered_range ON series_range.site = covered_range.site
