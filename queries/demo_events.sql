-- demo events: the strongest anomalies beside what the simulator did.
-- reads:      scored_windows, labels
-- writes:     nothing: printed by `anomalog demo`
-- grain:      one row per run of anomalous windows of one site, at most 5 quiet windows apart
-- parameters: none
WITH anomalies AS (
    SELECT
        site, window_start, anomaly_score, top_metric, direction, severity,
        CASE WHEN window_start <= lag(window_start) OVER w + INTERVAL '6 minutes' THEN 0 ELSE 1 END AS starts_event
    FROM scored_windows
    WHERE is_anomaly
    WINDOW w AS (PARTITION BY site ORDER BY window_start)
),

numbered AS (
    SELECT *, sum(starts_event) OVER (PARTITION BY site ORDER BY window_start) AS event
    FROM anomalies
),

events AS (
    SELECT
        site,
        min(window_start) AS started_at,
        max(window_start) + INTERVAL '1 minute' AS ended_at,
        count(*) AS windows,
        max(anomaly_score) AS peak_score,
        first_value(top_metric ORDER BY anomaly_score DESC, window_start) AS top_metric,
        first_value(direction ORDER BY anomaly_score DESC, window_start) AS direction,
        first_value(severity ORDER BY anomaly_score DESC, window_start) AS severity
    FROM numbered
    GROUP BY site, event
),

labelled AS (
    SELECT
        events.site, events.started_at, events.windows, events.peak_score, events.severity,
        events.top_metric, events.direction, string_agg(labels.kind, ', ') AS true_label
    FROM events
    LEFT JOIN labels
        ON events.site = labels.site
        AND events.started_at < labels."end"
        AND events.ended_at > labels.start
    GROUP BY
        events.site, events.started_at, events.windows, events.peak_score, events.severity,
        events.top_metric, events.direction
)

SELECT
    site,
    to_char(started_at, '%Y-%m-%d %H:%M') AS started_at,
    windows,
    round(-log10(1 - peak_score), 1) AS nines,
    severity,
    top_metric,
    direction,
    coalesce(true_label, '-') AS true_label
FROM labelled
ORDER BY peak_score DESC, site, started_at
LIMIT 20
