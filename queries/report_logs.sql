-- report_logs: the logs that cover a part of a range, and what of them was no request.
-- reads:      log_files
-- writes:     nothing: the report shows it
-- grain:      one row per format
-- order:      format
-- parameters: $since, $until TIMESTAMP: the range
SELECT
    format,
    count(*) AS files,
    CAST(sum(lines) AS BIGINT) AS lines,
    CAST(sum(rejected) AS BIGINT) AS rejected
FROM (
    -- A file has a row for each of its sites.
    SELECT format, file, max(lines) AS lines, max(rejected) AS rejected
    FROM log_files
    WHERE covered_to >= $since AND covered_from < $until
    GROUP BY format, file
)
GROUP BY format
ORDER BY format
