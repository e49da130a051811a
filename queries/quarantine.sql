-- quarantine: what is no request in logs, line by line.
-- reads:      rejected_lines (of logs in text, kept when they are ingested), set_aside_rows (of Parquet logs
--             that are linked, read where they lie)
-- writes:     nothing; registered as a view
-- grain:      one row per line or row that is no request
-- parameters: none
SELECT file, line_number, reason, raw
FROM rejected_lines
UNION ALL
SELECT file, line_number, reason, raw
FROM set_aside_rows
