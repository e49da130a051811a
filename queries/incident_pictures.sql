-- incident_pictures: the windows around incidents, for pictures of them.
-- reads:      pictured_incidents (incident_id, series, metric, picture_from, picture_until), scored_windows
-- writes:     nothing: the report and `anomalog incidents show` draw it
-- grain:      one row per incident and window around it
-- order:      incident_id, window_start
-- parameters: none
--
-- What is expected is known of the metric that stands out most in a window, and of no other.
SELECT
    incident_id,
    window_start,
    CAST(
        CASE metric
            WHEN 'requests' THEN requests
            WHEN 'bytes' THEN bytes
            WHEN 'client_errors' THEN client_errors
            WHEN 'server_errors' THEN server_errors
            WHEN 'unique_clients' THEN unique_clients
            WHEN 'latency_p50' THEN latency_p50
            WHEN 'latency_p95' THEN latency_p95
        END AS DOUBLE
    ) AS actual,
    CASE WHEN top_metric = metric THEN expected_value END AS expected,
    CASE WHEN top_metric = metric THEN lower_bound END AS lower,
    CASE WHEN top_metric = metric THEN upper_bound END AS upper,
    anomaly_score AS score
FROM pictured_incidents
INNER JOIN scored_windows
    ON pictured_incidents.series = scored_windows.site
    AND window_start >= picture_from AND window_start < picture_until
ORDER BY incident_id, window_start
