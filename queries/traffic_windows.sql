-- traffic_windows: traffic per series and window, gaps filled.
-- reads:      traffic (or counted traffic), series_frame, observed_range
-- writes:     traffic_windows, some of its windows
-- grain:      one row per series and window of its frame
-- order:      site, window_start
-- parameters: $step BIGINT, the length of a window in microseconds;
--             $first_slot, $last_slot BIGINT: the first and the last window to be written
--
-- Windows are counted from the Unix epoch; `slot` is a window's number. A window is observed if logs
-- of one of the series' sites cover it, or if it has a request and no log begins or ends within it. Of
-- `unique_paths`, `top_client_share` and `bot_requests`, those are written that the warehouse is to have.
WITH covered_slot AS (
    SELECT DISTINCT series, slot
    FROM (
        SELECT
            series,
            unnest(generate_series(
                greatest(first_slot, $first_slot), least(last_slot, $last_slot)
            )) AS slot
        FROM observed_range
        WHERE NOT is_cut AND first_slot <= $last_slot AND last_slot >= $first_slot
    )
),

-- Windows in which logs begin or end: what they count is a part of what there was.
cut_slot AS (
    SELECT DISTINCT series, first_slot AS slot
    FROM observed_range
    WHERE is_cut AND first_slot BETWEEN $first_slot AND $last_slot
),

grid AS (
    SELECT
        series,
        unnest(generate_series(
            greatest(first_slot, $first_slot), least(last_slot, $last_slot)
        )) AS slot
    FROM series_frame
    WHERE first_slot <= $last_slot AND last_slot >= $first_slot
),

filled AS (
    SELECT
        grid.series,
        grid.slot,
        covered_slot.slot IS NOT NULL OR traffic.slot IS NOT NULL AND cut_slot.slot IS NULL
            AS is_observed,
        traffic.requests,
        traffic.bytes,
        traffic.client_errors,
        traffic.server_errors,
        traffic.unique_clients,
        traffic.latency_p50,
        traffic.latency_p95,
        traffic.unique_paths,
        traffic.top_client_share,
        traffic.bot_requests
    FROM grid
    LEFT JOIN traffic ON grid.series = traffic.series AND grid.slot = traffic.slot
    LEFT JOIN covered_slot ON grid.series = covered_slot.series AND grid.slot = covered_slot.slot
    LEFT JOIN cut_slot ON grid.series = cut_slot.series AND grid.slot = cut_slot.slot
)

SELECT
    series AS site,
    arrow_cast(slot * $step, 'Timestamp(Microsecond, Some("UTC"))') AS window_start,
    CASE WHEN is_observed THEN coalesce(requests, 0) END AS requests,
    CASE WHEN is_observed THEN coalesce(bytes, 0) END AS bytes,
    CASE WHEN is_observed THEN coalesce(client_errors, 0) END AS client_errors,
    CASE WHEN is_observed THEN coalesce(server_errors, 0) END AS server_errors,
    CASE WHEN is_observed THEN coalesce(unique_clients, 0) END AS unique_clients,
    CASE WHEN is_observed THEN latency_p50 END AS latency_p50,
    CASE WHEN is_observed THEN latency_p95 END AS latency_p95,
    CASE WHEN is_observed THEN coalesce(unique_paths, 0) END AS unique_paths,
    CASE WHEN is_observed THEN top_client_share END AS top_client_share,
    CASE WHEN is_observed THEN coalesce(bot_requests, 0) END AS bot_requests,
    is_observed
FROM filled
ORDER BY site, window_start
