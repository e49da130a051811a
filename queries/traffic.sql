-- traffic: what requests amount to, per series and window.
-- reads:      series_requests (access_logs and the column `series`)
-- writes:     nothing; registered as a view: traffic_windows reads it
-- grain:      one row per series and window with a request
-- parameters: $step BIGINT, the length of a window in microseconds
--
-- The last three columns are computed where they are asked for: what reads this view takes those that
-- it needs.
SELECT
    series,
    slot,
    requests,
    bytes,
    client_errors,
    server_errors,
    unique_clients,
    latency[1] AS latency_p50,
    latency[2] AS latency_p95,
    unique_paths,
    top_client_share,
    bot_requests
FROM (
    SELECT
        series,
        window_number(timestamp, $step) AS slot,
        count(*) AS requests,
        sum(bytes) AS bytes,
        count(*) FILTER (WHERE status BETWEEN 400 AND 499) AS client_errors,
        count(*) FILTER (WHERE status BETWEEN 500 AND 599) AS server_errors,
        unique_count(client_ip) AS unique_clients,
        quantiles(latency_ms, 0.5, 0.95) AS latency,
        unique_count(path) AS unique_paths,
        top_share(client_ip) AS top_client_share,
        count(*) FILTER (
            WHERE user_agent_class(user_agent) IN ('crawler', 'ai_crawler', 'scanner', 'tool')
        ) AS bot_requests
    FROM series_requests
    GROUP BY series, slot
)
