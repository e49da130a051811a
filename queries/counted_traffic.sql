-- counted traffic: the same as traffic, from windows that were made from the same requests.
-- reads:      counted_windows (dates of traffic_windows)
-- writes:     nothing; registered as a view in the place of traffic
-- grain:      one row per series and window with a request
-- parameters: $step BIGINT, the length of a window in microseconds
--
-- When a log ends or a site appears, windows without requests change in dates whose requests are
-- the same. Those are not counted again.
SELECT
    CAST(site AS VARCHAR) AS series,
    CAST(window_start AS BIGINT) / $step AS slot,
    requests,
    bytes,
    client_errors,
    server_errors,
    unique_clients,
    latency_p50,
    latency_p95,
    unique_paths,
    top_client_share,
    bot_requests
FROM counted_windows
WHERE requests > 0
