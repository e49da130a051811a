-- incidents: what went wrong when, one row per thing to look at.
-- reads:      incident_runs
-- writes:     incidents
-- grain:      one row per incident that starts in the range asked for
-- order:      started_at, site
-- parameters: $since, $until TIMESTAMP: incidents that start from the one to before the other;
--             $min_length BIGINT, $medium_impact BIGINT, $high_impact BIGINT: the rules, in
--             microseconds; $min_severity BIGINT: 0, 1 or 2
--
-- Severity adds up how rare the rarest window is in normal traffic, from 0 for the threshold to 2 for
-- once a year, and how large the impact is, from 0 to 2.
WITH weighed AS (
    SELECT
        *,
        run_to AS ended_at,
        rarity + CASE WHEN impact >= $high_impact THEN 2 WHEN impact >= $medium_impact THEN 1 ELSE 0 END
            AS weight
    FROM incident_runs
    WHERE started_at IS NOT NULL
),

kept AS (
    SELECT
        *,
        incident_id(site, started_at) AS incident_id,
        CASE WHEN weight >= 3 THEN 2 WHEN weight = 2 THEN 1 ELSE 0 END AS severity_rank
    FROM weighed
    WHERE
        CAST(ended_at AS BIGINT) - CAST(started_at AS BIGINT) >= $min_length
        AND CASE WHEN weight >= 3 THEN 2 WHEN weight = 2 THEN 1 ELSE 0 END >= $min_severity
),

-- Incidents that overlap, of whichever series, are one group, also by way of others.
first_of_group AS (
    SELECT
        *,
        CASE
            WHEN started_at < max(ended_at) OVER (
                ORDER BY started_at, site ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) THEN 0
            ELSE 1
        END AS starts_group
    FROM kept
),

grouped AS (
    SELECT
        *,
        sum(starts_group) OVER (
            ORDER BY started_at, site ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS group_number
    FROM first_of_group
),

identified AS (
    SELECT
        *,
        first_value(incident_id) OVER (
            PARTITION BY group_number ORDER BY started_at, site
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS group_id
    FROM grouped
)

SELECT
    incident_id,
    group_id,
    site,
    started_at,
    ended_at,
    windows,
    peak_score,
    CASE severity_rank WHEN 2 THEN 'high' WHEN 1 THEN 'medium' ELSE 'low' END AS severity,
    direction,
    top_metric,
    expected_total,
    actual_total,
    impact / 6e7 AS impact_minutes,
    -- Told once it is known what explains them.
    CAST(NULL AS VARCHAR) AS kind,
    CAST(NULL AS VARCHAR) AS kind_evidence,
    CAST(NULL AS BIGINT) AS requests,
    run_id
FROM identified
WHERE started_at >= $since AND started_at < $until
ORDER BY started_at, site
