-- observed_range: for which windows the logs of a series' sites are there.
-- reads:      series_range, log_coverage
-- writes:     observed_range, in memory: traffic_windows reads it
-- grain:      one row per series, site and range of windows, and one per window that logs cover only
--             in part (`is_cut`); ranges of one series may overlap
-- parameters: $step BIGINT, the length of a window in microseconds

-- Logs rotate hourly or more rarely, so no file is missing between two ranges of one site that
-- are less than an hour apart: the site was silent. Such ranges become one.
WITH coverage AS (
    SELECT
        site,
        covered_from,
        covered_to,
        -- Microseconds from one request to the next, on average. A few requests say nothing of it.
        CASE
            WHEN requests > 10
                THEN (CAST(covered_to AS BIGINT) - CAST(covered_from AS BIGINT)) / (requests - 1)
        END AS spacing
    FROM log_coverage
),

range_start AS (
    SELECT
        site,
        covered_from,
        covered_to,
        spacing,
        CASE
            WHEN covered_from < max(covered_to) OVER earlier + INTERVAL '1 hour' THEN 0
            ELSE 1
        END AS starts_range
    FROM coverage
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
        spacing,
        sum(starts_range) OVER (
            PARTITION BY site
            ORDER BY covered_from, covered_to
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS range_number
    FROM range_start
),

ends AS (
    SELECT
        site,
        range_number,
        CAST(covered_from AS BIGINT) AS covered_from,
        CAST(covered_to AS BIGINT) AS covered_to,
        spacing,
        CAST(min(covered_from) OVER of_range AS BIGINT) AS range_from,
        CAST(max(covered_to) OVER of_range AS BIGINT) AS range_to
    FROM numbered_range
    WINDOW of_range AS (PARTITION BY site, range_number)
),

covered_range AS (
    SELECT
        site,
        range_from,
        range_to,
        range_from / $step AS first_slot,
        range_to / $step AS last_slot,
        min(CASE WHEN covered_from = range_from THEN spacing END) AS first_spacing,
        min(CASE WHEN covered_to = range_to THEN spacing END) AS last_spacing
    FROM ends
    GROUP BY site, range_number, range_from, range_to
),

-- A log covers a window to its end if at most one request is to be expected in what is left of it,
-- at the rate of the whole log and in times of whole seconds. Where the window ends at a full hour,
-- at which logs rotate, up to ten are: rates change over the day. So for the beginning.
cut_range AS (
    SELECT
        site,
        first_slot,
        last_slot,
        coalesce(
            range_from - first_slot * $step
            > 1000000 + first_spacing
            * CASE WHEN first_slot * $step % 3600000000 = 0 THEN 10 ELSE 1 END,
            false
        ) AS is_first_cut,
        coalesce(
            (last_slot + 1) * $step - range_to
            > 1000000 + last_spacing
            * CASE WHEN (last_slot + 1) * $step % 3600000000 = 0 THEN 10 ELSE 1 END,
            false
        ) AS is_last_cut
    FROM covered_range
),

slot_range AS (
    SELECT
        site,
        first_slot + CASE WHEN is_first_cut THEN 1 ELSE 0 END AS first_slot,
        last_slot - CASE WHEN is_last_cut THEN 1 ELSE 0 END AS last_slot,
        false AS is_cut
    FROM cut_range
    UNION ALL
    SELECT site, first_slot, first_slot AS last_slot, true AS is_cut
    FROM cut_range
    WHERE is_first_cut
    UNION ALL
    SELECT site, last_slot AS first_slot, last_slot, true AS is_cut
    FROM cut_range
    WHERE is_last_cut
)

SELECT
    series_range.series,
    slot_range.first_slot,
    slot_range.last_slot,
    slot_range.is_cut
FROM series_range
INNER JOIN slot_range ON series_range.site = slot_range.site
WHERE slot_range.first_slot <= slot_range.last_slot
