-- Ten queries as dashboards send them: the same text for both sides.
-- Traffic and score of one site on one day.
SELECT window_start, requests, expected_value, anomaly_score
FROM scored_windows
WHERE
    site = 'site-0007'
    AND window_start >= TIMESTAMP '2026-06-01 00:00:00' AND window_start < TIMESTAMP '2026-06-02 00:00:00'
ORDER BY window_start;
-- Anomalous windows of the last day that there is, worst first.
SELECT site, window_start, top_metric, anomaly_score
FROM scored_windows
WHERE is_anomaly AND window_start >= TIMESTAMP '2027-03-01 00:00:00'
ORDER BY anomaly_score DESC, site, window_start
LIMIT 50;
-- Traffic of all sites by day, over a month.
SELECT date_trunc('day', window_start) AS day, sum(requests) AS requests, sum(server_errors) AS errors
FROM scored_windows
WHERE window_start >= TIMESTAMP '2026-09-01 00:00:00' AND window_start < TIMESTAMP '2026-10-01 00:00:00'
GROUP BY 1
ORDER BY 1;
-- The year of one site by day.
SELECT date_trunc('day', window_start) AS day, sum(requests) AS requests, max(latency_p95) AS latency
FROM scored_windows
WHERE site = 'site-0021'
GROUP BY 1
ORDER BY 1;
-- Share of anomalous windows by site, over the year.
SELECT site, count(*) FILTER (WHERE is_anomaly) AS anomalous, count(*) AS windows
FROM scored_windows
GROUP BY site
ORDER BY anomalous DESC, site
LIMIT 20;
-- Open incidents of a week, worst first.
SELECT incident_id, site, started_at, ended_at, severity, kind, impact_minutes
FROM incidents
WHERE started_at >= TIMESTAMP '2027-02-01 00:00:00' AND started_at < TIMESTAMP '2027-02-08 00:00:00'
ORDER BY impact_minutes DESC, incident_id
LIMIT 20;
-- Incidents by month and kind.
SELECT date_trunc('month', started_at) AS month, kind, count(*) AS incidents
FROM incidents
GROUP BY 1, 2
ORDER BY 1, 2;
-- The hours in which most goes wrong.
SELECT date_part('hour', window_start) AS hour, sum(server_errors) AS errors
FROM scored_windows
WHERE window_start >= TIMESTAMP '2027-01-01 00:00:00'
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 5;
-- Errors against the week before, of a day.
SELECT now.site, now.errors, before.errors AS errors_before
FROM (
    SELECT site, sum(client_errors) AS errors
    FROM scored_windows
    WHERE window_start >= TIMESTAMP '2027-02-10 00:00:00' AND window_start < TIMESTAMP '2027-02-11 00:00:00'
    GROUP BY site
) AS now
INNER JOIN (
    SELECT site, sum(client_errors) AS errors
    FROM scored_windows
    WHERE window_start >= TIMESTAMP '2027-02-03 00:00:00' AND window_start < TIMESTAMP '2027-02-04 00:00:00'
    GROUP BY site
) AS before ON now.site = before.site
ORDER BY now.errors - before.errors DESC, now.site
LIMIT 10;
-- Windows around the incidents of a day.
SELECT incidents.incident_id, scored_windows.window_start, scored_windows.requests
FROM incidents
INNER JOIN scored_windows
    ON incidents.site = scored_windows.site
    AND scored_windows.window_start >= incidents.started_at - INTERVAL '1 hour'
    AND scored_windows.window_start < incidents.ended_at + INTERVAL '1 hour'
WHERE
    incidents.started_at >= TIMESTAMP '2027-02-10 00:00:00' AND incidents.started_at < TIMESTAMP '2027-02-11 00:00:00'
    AND scored_windows.window_start >= TIMESTAMP '2027-02-09 00:00:00'
    AND scored_windows.window_start < TIMESTAMP '2027-02-13 00:00:00'
ORDER BY 1, 2
