-- incident_requests: who asked for what during incidents and before.
-- reads:      incident_ranges, series_requests (access_logs and the column `series`) of the dates and
--             logs in question
-- writes:     nothing: it is counted twice, in incident_totals and incident_amounts
-- grain:      one row per incident and request
-- parameters: none
--
-- `weight` is what is counted: requests with a 4xx status for incidents of client_errors, with a 5xx
-- status for server_errors, milliseconds of latency for latencies, KiB for bytes, else requests.
-- The columns behind it are the dimensions; NULL is no value of one.
--
-- Values come from whoever sends requests: they are compared, and never interpreted.
WITH requests AS (
    SELECT
        incident_id, client_ip, path, status, method, user_agent,
        is_during,
        CASE
            WHEN metric = 'client_errors' THEN CASE WHEN status BETWEEN 400 AND 499 THEN 1 ELSE 0 END
            WHEN metric = 'server_errors' THEN CASE WHEN status BETWEEN 500 AND 599 THEN 1 ELSE 0 END
            WHEN metric IN ('latency_p50', 'latency_p95') THEN coalesce(CAST(round(latency_ms) AS BIGINT), 0)
            WHEN metric = 'bytes' THEN coalesce(bytes / 1024, 0)
            ELSE 1
        END AS weight
    FROM series_requests
    INNER JOIN incident_ranges
        ON series_requests.series = incident_ranges.series
        -- Few ranges have one day, so few are tried for a request.
        AND CAST(timestamp AS BIGINT) / 86400000000 = day
        AND timestamp >= range_start AND timestamp < range_end
)

SELECT
    incident_id,
    is_during,
    CAST(weight AS BIGINT) AS weight,
    client_ip,
    client_network(client_ip) AS client_network,
    path,
    path_folder(path) AS path_folder,
    user_agent,
    CAST(status AS VARCHAR) AS status,
    method
FROM requests
WHERE weight > 0 OR NOT is_during
