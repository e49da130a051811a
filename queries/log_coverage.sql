-- log_coverage: for which time there are logs of which site, with or without requests in them.
-- reads:      log_files, linked_coverage
-- writes:     nothing; registered as a view
-- grain:      one row per log and site that it names, with the requests in the log; and one per site
--             of shared logs and range of time that they cover, whose `requests` is NULL. Ranges of
--             one site may overlap
-- parameters: none
WITH named AS (
    SELECT
        blake3 AS log,
        -- Logs of one folder whose names differ in a date and in what rotation adds go on where one
        -- of them ends; `2026/01/05` and `dt=2026-01-05` are one folder. The standard input is read
        -- anew each time.
        CASE
            WHEN file = 'stdin' THEN blake3
            ELSE regexp_replace(
                regexp_replace(
                    regexp_replace(file, '\.[^/]*$', ''), '[-_]?[0-9][-_0-9T]{3,}$', ''
                ),
                '/([A-Za-z_]+=)?[0-9]{4}[-_0-9T]*(/([A-Za-z_]+=)?[0-9]{1,2})*/', '/', 'g'
            )
        END AS stream,
        site,
        covered_from,
        covered_to,
        rows AS requests
    FROM log_files
    UNION ALL
    SELECT source AS log, stream, site, covered_from, covered_to, requests
    FROM linked_coverage
),

-- A log that mentions a site at all says of its whole range whether the site had traffic.
log AS (
    SELECT
        log,
        stream,
        min(covered_from) AS covered_from,
        max(covered_to) AS covered_to,
        sum(requests) AS requests,
        count(DISTINCT site) AS sites
    FROM named
    GROUP BY log, stream
),

-- And so does one that does not, where logs are shared: a virtual host without a line in a log
-- that others of the stream name it in was not asked for.
shared AS (
    SELECT stream
    FROM log
    GROUP BY stream
    HAVING max(sites) > 1
),

range_start AS (
    SELECT
        log.stream,
        covered_from,
        covered_to,
        CASE
            WHEN covered_from < max(covered_to) OVER earlier + INTERVAL '1 hour' THEN 0
            ELSE 1
        END AS starts_range
    FROM log
    INNER JOIN shared ON log.stream = shared.stream
    WINDOW earlier AS (
        PARTITION BY log.stream
        ORDER BY covered_from, covered_to
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),

numbered_range AS (
    SELECT
        stream,
        covered_from,
        covered_to,
        sum(starts_range) OVER (
            PARTITION BY stream
            ORDER BY covered_from, covered_to
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS range_number
    FROM range_start
),

shared_range AS (
    SELECT stream, min(covered_from) AS covered_from, max(covered_to) AS covered_to
    FROM numbered_range
    GROUP BY stream, range_number
),

shared_site AS (
    SELECT DISTINCT named.stream, named.site
    FROM named
    INNER JOIN shared ON named.stream = shared.stream
)

SELECT named.site, log.covered_from, log.covered_to, log.requests
FROM named
INNER JOIN log ON named.log = log.log AND named.stream = log.stream
UNION ALL
SELECT
    shared_site.site,
    shared_range.covered_from,
    shared_range.covered_to,
    CAST(NULL AS BIGINT) AS requests
FROM shared_site
INNER JOIN shared_range ON shared_site.stream = shared_range.stream
