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
WITH covered AS (
    SELECT
        series,
        first_slot,
        last_slot,
        -- Whether no earlier range reaches to this one.
        coalesce(first_slot > max(last_slot) OVER earlier + 1, true) AS is_apart
    FROM observed_range
    WHERE NOT is_cut AND first_slot <= $last_slot AND last_slot >= $first_slot
    WINDOW earlier AS (
        PARTITION BY series
        ORDER BY first_slot, last_slot
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),

numbered_range AS (
    SELECT
        series,
        first_slot,
        last_slot,
        sum(CASE WHEN is_apart THEN 1 ELSE 0 END) OVER (
            PARTITION BY series
            ORDER BY first_slot, last_slot
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS range_number
    FROM covered
),

-- Ranges that logs cover, apart from each other.
covered_range AS (
    SELECT series, min(first_slot) AS first_slot, max(last_slot) AS last_slot
    FROM numbered_range
    GROUP BY series, range_number
),

frame AS (
    SELECT
        series,
        greatest(first_slot, $first_slot) AS first_slot,
        least(last_slot, $last_slot) AS last_slot
    FROM series_frame
    WHERE first_slot <= $last_slot AND last_slot >= $first_slot
),

covered_segment AS (
    SELECT
        frame.series,
        greatest(frame.first_slot, covered_range.first_slot) AS first_slot,
        least(frame.last_slot, covered_range.last_slot) AS last_slot,
        frame.first_slot AS frame_first_slot
    FROM frame
    INNER JOIN covered_range ON frame.series = covered_range.series
    WHERE covered_range.first_slot <= frame.last_slot AND covered_range.last_slot >= frame.first_slot
),

-- A frame is made of what logs cover, what lies before each such range, and what is left at the end.
segment AS (
    SELECT series, first_slot, last_slot, true AS is_covered
    FROM covered_segment
    UNION ALL
    SELECT
        series,
        coalesce(lag(last_slot) OVER of_series + 1, frame_first_slot) AS first_slot,
        first_slot - 1 AS last_slot,
        false AS is_covered
    FROM covered_segment
    WINDOW of_series AS (PARTITION BY series ORDER BY first_slot)
    UNION ALL
    SELECT
        frame.series,
        coalesce(max(covered_segment.last_slot) + 1, frame.first_slot) AS first_slot,
        frame.last_slot,
        false AS is_covered
    FROM frame
    LEFT JOIN covered_segment ON frame.series = covered_segment.series
    GROUP BY frame.series, frame.first_slot, frame.last_slot
),

-- Windows in which logs begin or end: what they count is a part of what there was.
cut_slot AS (
    SELECT DISTINCT series, first_slot AS slot
    FROM observed_range
    WHERE is_cut AND first_slot BETWEEN $first_slot AND $last_slot
),

grid AS (
    SELECT series, is_covered, unnest(generate_series(first_slot, last_slot)) AS slot
    FROM segment
    WHERE first_slot <= last_slot
),

filled AS (
    SELECT
        grid.series,
        grid.slot,
        grid.is_covered OR traffic.slot IS NOT NULL AND cut_slot.slot IS NULL AS is_observed,
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
