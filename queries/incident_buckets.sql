-- incident_buckets: how much of what is counted falls into which bucket of values.
-- reads:      incident_facets
-- writes:     incident_buckets, in memory: incident_causes reads it several times
-- grain:      one row per incident, dimension and bucket, of which a dimension has 4096
-- parameters: none
SELECT
    incident_id,
    dimension,
    value_bucket(value) AS bucket,
    CAST(coalesce(sum(weight) FILTER (WHERE is_during), 0) AS DOUBLE) AS during,
    CAST(coalesce(sum(weight) FILTER (WHERE NOT is_during), 0) AS DOUBLE) AS before,
    CAST(count(*) FILTER (WHERE NOT is_during) AS DOUBLE) AS requests_before
FROM incident_facets
GROUP BY incident_id, dimension, value_bucket(value)
