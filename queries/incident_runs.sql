-- incident_runs: runs of unusual windows of one series, of which incidents are made.
-- reads:      scored_windows, calendar
-- writes:     incident_runs, in memory: incidents reads it, and what an incident depends on is told by it
-- grain:      one row per run; without an anomaly in it, `started_at` and what follows are NULL
-- order:      site, run_from
-- parameters: $since, $until TIMESTAMP: the windows read; $step BIGINT: the length of a window in
--             microseconds; $stop_ratio DOUBLE, $bridge BIGINT, $bridge_unknown BIGINT: the rules,
--             times in microseconds
--
-- A window is hot if it is above the stop level. A run is hot windows of which any two that follow
-- each other are at most $bridge of calm windows and $bridge_unknown of windows without a score
-- apart. Its incident begins with its first anomaly; hot windows before that are left out.
--
-- Fewer errors than usual and faster answers are good news, and never hot.
--
-- What was planned is never hot: all windows that a maintenance covers a part of, at an event those with
-- more than expected, at a holiday those with less.
--
-- Sums are over whole numbers, so that they do not depend on the order of their parts.
--
-- Impact is how much usual traffic was lost or came on top, failed or was late, as the time in which
-- so much comes usually, in microseconds: what a metric was off by, in total, over what is usual in a
-- window. Usual is what was expected of the metric; for errors, requests, so that an hour in which half
-- of the requests fail has an impact of half an hour.
WITH numbered AS (
    SELECT
        *,
        -- An anomaly is hot by definition; the comparison of rounded numbers need not say so.
        is_anomaly OR 1 - anomaly_score <= (1 - threshold) * $stop_ratio AS is_hot,
        count(anomaly_score) OVER (
            PARTITION BY site ORDER BY window_start
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS scored_number
    FROM scored_windows
    WHERE window_start >= $since AND window_start < $until
),

hot AS (
    SELECT
        *,
        CAST(window_start AS BIGINT) / $step AS slot,
        CASE top_metric
            WHEN 'requests' THEN requests
            WHEN 'bytes' THEN bytes
            WHEN 'client_errors' THEN client_errors
            WHEN 'server_errors' THEN server_errors
            WHEN 'unique_clients' THEN unique_clients
            WHEN 'latency_p50' THEN latency_p50
            WHEN 'latency_p95' THEN latency_p95
        END AS actual_value
    FROM numbered
    WHERE
        is_hot
        AND NOT coalesce(
            numbered.direction = 'dip'
            AND top_metric IN ('client_errors', 'server_errors', 'latency_p50', 'latency_p95'),
            FALSE
        )
        AND NOT EXISTS (
            SELECT 1
            FROM calendar
            WHERE
                (calendar.site = '*' OR calendar.site = numbered.site)
                AND CAST(numbered.window_start AS BIGINT) + $step > CAST(calendar.start AS BIGINT)
                AND numbered.window_start < calendar."end"
                AND (
                    calendar.kind = 'maintenance'
                    OR (calendar.kind = 'event' AND numbered.direction = 'spike')
                    OR (calendar.kind = 'holiday' AND numbered.direction = 'dip')
                )
        )
),

gaps AS (
    SELECT
        *,
        scored_number - lag(scored_number) OVER previous - 1 AS calm,
        slot - lag(slot) OVER previous - (scored_number - lag(scored_number) OVER previous) AS unscored
    FROM hot
    WINDOW previous AS (PARTITION BY site ORDER BY window_start)
),

runs AS (
    SELECT
        *,
        sum(CASE WHEN calm * $step <= $bridge AND unscored * $step <= $bridge_unknown THEN 0 ELSE 1 END)
            OVER (
                PARTITION BY site ORDER BY window_start
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS run
    FROM gaps
),

begun AS (
    SELECT
        *,
        max(CASE WHEN is_anomaly THEN 1 ELSE 0 END) OVER (
            PARTITION BY site, run ORDER BY window_start
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) = 1 AS is_incident
    FROM runs
),

-- What one metric shows on one side of what was expected of it.
sides AS (
    SELECT
        site,
        run,
        is_incident,
        top_metric,
        direction,
        min(window_start) AS first_window,
        max(window_start) AS last_window,
        count(*) AS windows,
        max(anomaly_score) AS peak_score,
        max(CASE severity WHEN 'high' THEN 2 WHEN 'medium' THEN 1 ELSE 0 END) AS rarity,
        -- Surprise in millionths of a nine: a score of 0.999 has three nines.
        sum(CAST(round(-1e6 * log10(1 - anomaly_score)) AS BIGINT)) AS surprise,
        sum(CAST(expected_value AS DECIMAL(28, 3))) AS expected_total,
        sum(CAST(actual_value AS DECIMAL(28, 3))) AS actual_total,
        sum(requests) AS requests,
        first_value(run_id ORDER BY window_start) AS run_id
    FROM begun
    GROUP BY site, run, is_incident, top_metric, direction
),

weighed AS (
    SELECT
        *,
        CASE
            -- No request is later than late.
            WHEN top_metric IN ('latency_p50', 'latency_p95') THEN least(usual_windows, windows)
            ELSE usual_windows
        END
        * $step AS impact
    FROM (
        SELECT
            *,
            CAST(abs(actual_total - expected_total) AS DOUBLE)
                -- At least one a window, so that one request at night is no crowd.
                / greatest(
                    CAST(
                        CASE WHEN top_metric IN ('client_errors', 'server_errors') THEN requests ELSE expected_total END
                        AS DOUBLE
                    ),
                    windows
                )
                * windows AS usual_windows
        FROM sides
    )
)

SELECT
    site,
    min(first_window) AS run_from,
    arrow_cast(CAST(max(last_window) AS BIGINT) + $step, 'Timestamp(Microsecond, Some("UTC"))') AS run_to,
    min(first_window) FILTER (WHERE is_incident) AS started_at,
    CAST(sum(windows) FILTER (WHERE is_incident) AS BIGINT) AS windows,
    max(peak_score) FILTER (WHERE is_incident) AS peak_score,
    max(rarity) FILTER (WHERE is_incident) AS rarity,
    -- Of the metric in which it is largest, which need not be the most surprising one.
    max(impact) FILTER (WHERE is_incident) AS impact,
    first_value(top_metric ORDER BY surprise DESC, top_metric, direction) FILTER (WHERE is_incident) AS top_metric,
    first_value(direction ORDER BY surprise DESC, top_metric, direction) FILTER (WHERE is_incident) AS direction,
    CAST(first_value(expected_total ORDER BY surprise DESC, top_metric, direction) FILTER (WHERE is_incident) AS DOUBLE)
        AS expected_total,
    CAST(first_value(actual_total ORDER BY surprise DESC, top_metric, direction) FILTER (WHERE is_incident) AS DOUBLE)
        AS actual_total,
    first_value(run_id ORDER BY first_window, top_metric, direction) FILTER (WHERE is_incident) AS run_id
FROM weighed
GROUP BY site, run
ORDER BY site, run_from
