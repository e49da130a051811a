-- known_anomalies: when a series is known not to have been as it usually is.
-- reads:      incidents, labels, calendar
-- writes:     nothing: no detector learns from these windows
-- grain:      one row per incident, label and entry of the calendar
-- parameters: none
--
-- A site `*` stands for every one. An incident that people called false is no anomaly.
SELECT site, started_at AS start, ended_at AS "end"
FROM incidents
WHERE NOT EXISTS (
    SELECT 1
    FROM labels
    WHERE labels.incident_id = incidents.incident_id AND labels.kind = 'normal'
)
UNION ALL
SELECT site, start, "end"
FROM labels
WHERE kind IS DISTINCT FROM 'normal'
UNION ALL
SELECT site, start, "end"
FROM calendar
