-- incident_facts: what windows had during incidents, and what they have usually.
-- reads:      explained_incidents, incident_ranges, scored_windows
-- writes:     nothing: the kinds of incidents are told from it
-- grain:      one row per incident
-- order:      incident_id
-- parameters: none
--
-- Means are over windows that a log covers. Sums are over whole numbers, so that they do not depend on
-- the order of their parts.
WITH ranges AS (
    -- Once, whatever days it has.
    SELECT DISTINCT incident_id, series, is_during, range_start, range_end
    FROM incident_ranges
),

sums AS (
    SELECT
        incident_id,
        is_during,
        CAST(nullif(count(requests), 0) AS DOUBLE) AS windows,
        CAST(nullif(count(latency_p95), 0) AS DOUBLE) AS windows_with_latency,
        count(*) FILTER (WHERE requests = 0) AS silent_windows,
        CAST(sum(requests) AS DOUBLE) AS requests,
        CAST(sum(client_errors) AS DOUBLE) AS client_errors,
        CAST(sum(server_errors) AS DOUBLE) AS server_errors,
        CAST(sum(CAST(latency_p95 AS DECIMAL(28, 3))) AS DOUBLE) AS latency_p95
    FROM ranges
    INNER JOIN scored_windows
        ON ranges.series = scored_windows.site
        AND window_start >= range_start AND window_start < range_end
    GROUP BY incident_id, is_during
),

days AS (
    SELECT
        incident_id,
        CAST(sum(requests) AS DOUBLE) / CAST(nullif(count(requests), 0) AS DOUBLE) AS requests
    FROM explained_incidents
    INNER JOIN scored_windows
        ON explained_incidents.series = scored_windows.site
        AND window_start >= started_at - INTERVAL '1 day' AND window_start < started_at
    GROUP BY incident_id
)

SELECT
    explained_incidents.incident_id,
    coalesce(during.windows, 0) AS windows,
    CAST(coalesce(during.silent_windows, 0) AS DOUBLE) AS silent_windows,
    during.requests AS total_requests,
    during.requests / during.windows AS requests,
    during.client_errors / during.windows AS client_errors,
    during.server_errors / during.windows AS server_errors,
    during.latency_p95 / during.windows_with_latency AS latency_p95,
    usual.requests / usual.windows AS usual_requests,
    usual.client_errors / usual.windows AS usual_client_errors,
    usual.server_errors / usual.windows AS usual_server_errors,
    usual.latency_p95 / usual.windows_with_latency AS usual_latency_p95,
    days.requests AS day_requests
FROM explained_incidents
LEFT JOIN (SELECT * FROM sums WHERE is_during) AS during
    ON explained_incidents.incident_id = during.incident_id
LEFT JOIN (SELECT * FROM sums WHERE NOT is_during) AS usual
    ON explained_incidents.incident_id = usual.incident_id
LEFT JOIN days ON explained_incidents.incident_id = days.incident_id
ORDER BY explained_incidents.incident_id
