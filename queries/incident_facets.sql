-- incident_facets: who asked for what during incidents and before.
-- reads:      incident_ranges, series_requests (access_logs and the column `series`) of the dates and
--             logs in question
-- writes:     nothing; registered as a view
-- grain:      one row per incident, request and dimension in which the request has a value
-- parameters: none
--
-- `weight` is what is counted: requests with a 4xx status for incidents of client_errors, with a 5xx
-- status for server_errors, milliseconds of latency for latencies, KiB for bytes, else requests.
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
),

facets AS (
    SELECT
        incident_id,
        is_during,
        weight,
        unnest(make_array(
            named_struct('dimension', 'client_ip', 'value', CAST(client_ip AS VARCHAR)),
            named_struct('dimension', 'client_network', 'value', CAST(client_network(client_ip) AS VARCHAR)),
            named_struct('dimension', 'path', 'value', CAST(path AS VARCHAR)),
            named_struct('dimension', 'path_folder', 'value', CAST(path_folder(path) AS VARCHAR)),
            named_struct('dimension', 'user_agent', 'value', CAST(user_agent AS VARCHAR)),
            named_struct('dimension', 'status', 'value', CAST(status AS VARCHAR)),
            named_struct('dimension', 'method', 'value', CAST(method AS VARCHAR))
        )) AS facet
    FROM requests
    WHERE weight > 0 OR NOT is_during
)

SELECT incident_id, is_during, weight, facet['dimension'] AS dimension, facet['value'] AS value
FROM facets
WHERE facet['value'] IS NOT NULL
