-- access_logs: every request, whichever way it came into the warehouse.
-- reads:      ingested_logs (Parquet written by `anomalog ingest`), linked_logs (Parquet linked in place)
-- writes:     nothing; registered as a view
-- grain:      one row per request
-- parameters: none
SELECT
    timestamp, site, client_ip, method, path, query, protocol, status, bytes, latency_ms, referer,
    user_agent, date
FROM ingested_logs
UNION ALL
SELECT
    timestamp, site, client_ip, method, path, query, protocol, status, bytes, latency_ms, referer,
    user_agent, date
FROM linked_logs
