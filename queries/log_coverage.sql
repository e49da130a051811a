-- log_coverage: for which time there are logs of which site, with or without requests in them.
-- reads:      log_files, linked_logs
-- writes:     nothing; registered as a view
-- grain:      one row per source of logs and site; ranges of one site may overlap
-- parameters: none
SELECT site, covered_from, covered_to
FROM log_files
UNION ALL
-- A source that mentions a site at all says of its whole range whether the site had traffic, as a
-- log file does.
SELECT
    site,
    min(min(timestamp)) OVER (PARTITION BY source) AS covered_from,
    max(max(timestamp)) OVER (PARTITION BY source) AS covered_to
FROM linked_logs
GROUP BY source, site
