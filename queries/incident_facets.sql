-- incident_facets: who asked for what during an incident and before.
-- reads:      series_requests (access_logs and the column `series`)
-- writes:     nothing; registered as a view
-- grain:      one row per request and dimension in which it has a value
-- parameters: $series STRING, $metric STRING: the incident's; $started_at, $ended_at TIMESTAMP: the part
--             of it that is looked at; $day_1, $day_2, $day_3, $day_7 BOOLEAN: whether it is compared
--             with the same time so many days ago, and $has_days BOOLEAN: with any; $before_from
--             TIMESTAMP: with the time from here on if with none
--
-- `weight` is what is counted: requests with a 4xx status for incidents of client_errors, with a 5xx
-- status for server_errors, milliseconds of latency for latencies, KiB for bytes, else requests.
--
-- Values come from whoever sends requests: they are compared, and never interpreted.
-- A flag is compared with true because the type of a parameter must be told by what it stands with.
WITH requests AS (
    SELECT
        client_ip, path, status, method, user_agent,
        timestamp >= $started_at AS is_during,
        CASE
            WHEN $metric = 'client_errors' THEN CASE WHEN status BETWEEN 400 AND 499 THEN 1 ELSE 0 END
            WHEN $metric = 'server_errors' THEN CASE WHEN status BETWEEN 500 AND 599 THEN 1 ELSE 0 END
            WHEN $metric IN ('latency_p50', 'latency_p95') THEN coalesce(CAST(round(latency_ms) AS BIGINT), 0)
            WHEN $metric = 'bytes' THEN coalesce(bytes / 1024, 0)
            ELSE 1
        END AS weight
    FROM series_requests
    WHERE
        series = $series
        -- The dates by themselves, so that files of others are not even listed.
        AND date IN (
            CAST($before_from AS DATE), CAST($started_at AS DATE), CAST($ended_at AS DATE),
            CAST($started_at - INTERVAL '1 day' AS DATE), CAST($ended_at - INTERVAL '1 day' AS DATE),
            CAST($started_at - INTERVAL '2 days' AS DATE), CAST($ended_at - INTERVAL '2 days' AS DATE),
            CAST($started_at - INTERVAL '3 days' AS DATE), CAST($ended_at - INTERVAL '3 days' AS DATE),
            CAST($started_at - INTERVAL '7 days' AS DATE), CAST($ended_at - INTERVAL '7 days' AS DATE)
        )
        AND (
            (timestamp >= $started_at AND timestamp < $ended_at)
            OR ($day_1 = true AND timestamp >= $started_at - INTERVAL '1 day' AND timestamp < $ended_at - INTERVAL '1 day')
            OR ($day_2 = true AND timestamp >= $started_at - INTERVAL '2 days' AND timestamp < $ended_at - INTERVAL '2 days')
            OR ($day_3 = true AND timestamp >= $started_at - INTERVAL '3 days' AND timestamp < $ended_at - INTERVAL '3 days')
            OR ($day_7 = true AND timestamp >= $started_at - INTERVAL '7 days' AND timestamp < $ended_at - INTERVAL '7 days')
            OR (
                $has_days = false
                AND timestamp >= $before_from AND timestamp < $started_at
            )
        )
),

facets AS (
    SELECT
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

SELECT is_during, weight, facet['dimension'] AS dimension, facet['value'] AS value
FROM facets
WHERE facet['value'] IS NOT NULL
