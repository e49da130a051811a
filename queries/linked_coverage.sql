-- linked_coverage: for which time each file of linked sources has requests of which site.
-- reads:      linked_logs
-- writes:     nothing; registered as a view: log_coverage reads it several times
-- grain:      one row per file and site
-- parameters: none
SELECT
    source,
    stream,
    site,
    min(timestamp) AS covered_from,
    max(timestamp) AS covered_to,
    count(*) AS requests
FROM linked_logs
GROUP BY source, stream, site
