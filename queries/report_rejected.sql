-- report_rejected: why lines of the logs that cover a part of a range are no requests.
-- reads:      log_files, rejected_lines
-- writes:     nothing: the report shows it
-- grain:      one row per file and reason, the twenty largest
-- order:      lines, from many to few, file, reason
-- parameters: $since, $until TIMESTAMP: the range
SELECT rejected_lines.file, reason, count(*) AS lines
FROM rejected_lines
WHERE file IN (SELECT file FROM log_files WHERE covered_to >= $since AND covered_from < $until)
GROUP BY rejected_lines.file, reason
ORDER BY lines DESC, rejected_lines.file, reason
LIMIT 20
