-- traffic_windows: traffic per series and window, gaps filled.
-- reads:      series_requests (access_logs and the column `series`), series_range, log_coverage
-- writes:     traffic_windows
-- grain:      one row per series and window, from the series' first request to the end of all logs,
--             or to the end of its own logs where those ended more than a week before
-- order:      site, window_start
-- parameters: $step BIGINT, the length of a window in microseconds
--
-- Windows are counted from the Unix epoch; `slot` is a window's number. A window is observed if a
-- log of one of the series' sites covers part of it, or if it has a request.

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
),

covered_slot AS (
    SELECT DISTINCT series, slot
    FROM (
        SELECT
            series_range.series,
            unnest(generate_series(covered_range.first_slot, covered_range.last_slot)) AS slot
        FROM series_range
        INNER JOIN covered_range ON series_range.site = covered_range.site
    )
),

last_slot AS (
    SELECT max(slot) AS slot
    FROM (
        SELECT max(last_slot) AS slot FROM series_range
        UNION ALL
        SELECT max(last_slot) AS slot FROM covered_range
    )
),

-- A series without logs for more than a week has ended; until then their absence shows.
series_end AS (
    SELECT
        series_range.series,
        min(series_range.first_slot) AS first_slot,
        greatest(max(series_range.last_slot), max(coalesce(covered_range.last_slot, 0))) AS own_last_slot
    FROM series_range
    LEFT JOIN covered_range ON series_range.site = covered_range.site
    GROUP BY series_range.series
),

grid AS (
    SELECT series, unnest(generate_series(first_slot, last_slot)) AS slot
    FROM (
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
    )
),

traffic AS (
    SELECT
        series,
        CAST(timestamp AS BIGINT) / $step AS slot,
        count(*) AS requests,
        sum(bytes) AS bytes,
        count(*) FILTER (WHERE status BETWEEN 400 AND 499) AS client_errors,
        count(*) FILTER (WHERE status BETWEEN 500 AND 599) AS server_errors,
        unique_count(client_ip) AS unique_clients,
        quantiles(latency_ms, 0.5, 0.95) AS latency
    FROM series_requests
    GROUP BY series, slot
),

filled AS (
    SELECT
        grid.series,
        grid.slot,
        traffic.slot IS NOT NULL OR covered_slot.slot IS NOT NULL AS is_observed,
        traffic.requests,
        traffic.bytes,
        traffic.client_errors,
        traffic.server_errors,
        traffic.unique_clients,
        traffic.latency
    FROM grid
    LEFT JOIN traffic ON grid.series = traffic.series AND grid.slot = traffic.slot
    LEFT JOIN covered_slot ON grid.series = covered_slot.series AND grid.slot = covered_slot.slot
)

SELECT
    series AS site,
    arrow_cast(slot * $step, 'Timestamp(Microsecond, Some("UTC"))') AS window_start,
    CASE WHEN is_observed THEN coalesce(requests, 0) END AS requests,
    CASE WHEN is_observed THEN coalesce(bytes, 0) END AS bytes,
    CASE WHEN is_observed THEN coalesce(client_errors, 0) END AS client_errors,
    CASE WHEN is_observed THEN coalesce(server_errors, 0) END AS server_errors,
    CASE WHEN is_observed THEN coalesce(unique_clients, 0) END AS unique_clients,
    latency[1] AS latency_p50,
    latency[2] AS latency_p95,
    is_observed
FROM filled
ORDER BY site, window_start
