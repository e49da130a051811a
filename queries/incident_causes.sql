-- incident_causes: which clients, paths, statuses, methods and user agents explain incidents.
-- reads:      explained_incidents (incident_id, metric, direction; expected_ratio: expected_total over
--             actual_total, NULL for none), incident_ranges, incident_totals (incident_id, and of all its
--             requests during, before, requests_before), incident_amounts (incident_id, dimension, value,
--             and of the requests with it the same, squares_during and squares_before of weights, and
--             the largest)
-- writes:     incident_causes
-- grain:      one row per incident, dimension and value that explains a part of the change
-- order:      incident_id, rank
-- parameters: none
--
-- What is before says which share a value usually has; how much there should have been in all, the
-- detector says, who knows the level of the day.
WITH lengths AS (
    -- How many times as long as the incident what is before is.
    SELECT
        incident_id,
        CAST(sum(CAST(range_end AS BIGINT) - CAST(range_start AS BIGINT)) FILTER (WHERE NOT is_during) AS DOUBLE)
            / CAST(sum(CAST(range_end AS BIGINT) - CAST(range_start AS BIGINT)) FILTER (WHERE is_during) AS DOUBLE)
            AS ranges_before
    FROM (
        -- Once, whatever days it has.
        SELECT DISTINCT incident_id, is_during, range_start, range_end
        FROM incident_ranges
    )
    GROUP BY incident_id
),

totals AS (
    SELECT
        sums.*,
        direction,
        CASE WHEN direction = 'dip' THEN -1 ELSE 1 END AS sign,
        expected_ratio,
        ranges_before,
        -- Errors are few before. Those of 30 requests are taken to be spread as all requests are.
        CASE WHEN metric IN ('client_errors', 'server_errors') THEN 30.0 ELSE 0.0 END AS supposed
    FROM incident_totals AS sums
    INNER JOIN explained_incidents ON sums.incident_id = explained_incidents.incident_id
    INNER JOIN lengths ON sums.incident_id = lengths.incident_id
),

-- How much was expected in all, and how much the incident is off by: in its direction, and at least
-- by a twentieth, so that shares of it are shares of something.
change AS (
    SELECT
        *,
        sign
            * greatest(
                CASE WHEN direction = 'dip' THEN expected - during ELSE during - expected END,
                0.05 * greatest(during, expected),
                1
            ) AS change
    FROM (
        SELECT *, coalesce(during * expected_ratio, before / ranges_before) AS expected
        FROM totals
    )
),

shares AS (
    SELECT
        amounts.incident_id,
        amounts.dimension,
        amounts.value,
        CASE WHEN change.during > 0 THEN amounts.during / change.during ELSE 0 END AS share_during,
        CASE
            WHEN change.requests_before > 0 AND change.before + change.supposed > 0
                THEN (amounts.before + change.supposed * amounts.requests_before / change.requests_before)
                    / (change.before + change.supposed)
            ELSE 0
        END AS share_before,
        amounts.during,
        change.during AS total,
        change.expected,
        change.change,
        -- Variance of what is tested below: squares of weights say how much chance moves their sum, and
        -- the last term is for what was never seen before.
        amounts.squares_during
            + amounts.squares_before * power(change.during / greatest(change.before, 1), 2)
            + power(amounts.largest, 2) AS variance
    FROM incident_amounts AS amounts
    INNER JOIN change ON amounts.incident_id = change.incident_id
),

-- Explanatory power and surprise are those of Bhagwan et al., "Adtributor: Revenue Debugging in
-- Advertising Systems" (NSDI 2014): the share of the change that a value has, and its term of the
-- Jensen-Shannon divergence of shares before and during. Of the power, the value's usual share is
-- taken off: where all traffic changes alike, nobody explains it. Deviate tests whether the share
-- changed at all, as of two proportions.
explained AS (
    SELECT
        incident_id,
        dimension,
        value,
        share_during,
        share_before,
        during - share_before * expected AS excess,
        least((during - share_before * total) / change, 1.0) AS explanatory_power,
        0.5 * (
            CASE WHEN share_before > 0 THEN share_before * ln(2 * share_before / (share_before + share_during)) ELSE 0 END
            + CASE WHEN share_during > 0 THEN share_during * ln(2 * share_during / (share_before + share_during)) ELSE 0 END
        ) AS surprise,
        abs(during - share_before * total) / sqrt(variance) AS deviate,
        -- The narrower a dimension is, the more a value of it says.
        CASE dimension
            WHEN 'client_ip' THEN 1
            WHEN 'client_network' THEN 2
            WHEN 'path' THEN 3
            WHEN 'path_folder' THEN 4
            WHEN 'user_agent' THEN 5
            WHEN 'status' THEN 6
            ELSE 7
        END AS breadth
    FROM shares
),

-- Less is what chance and habit do, and accuses nobody.
notable AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY incident_id, dimension ORDER BY explanatory_power DESC, surprise DESC, value
        ) AS dimension_rank
    FROM explained
    WHERE explanatory_power >= 0.05 AND deviate >= 3
        -- The status or the method of most requests, before as during, tells nobody apart.
        AND NOT (dimension IN ('status', 'method') AND share_before > 0.5 AND share_during > 0.5)
),

strongest AS (
    SELECT incident_id, max(explanatory_power) AS explanatory_power
    FROM notable
    GROUP BY incident_id
),

-- Of values that explain about as much as the best one does, the narrowest comes first: a client
-- before its network, a path before the user agent that asked for it.
ranked AS (
    SELECT
        notable.*,
        CASE WHEN notable.explanatory_power >= 0.8 * strongest.explanatory_power THEN breadth ELSE 8 END
            AS precedence
    FROM notable
    INNER JOIN strongest ON notable.incident_id = strongest.incident_id
    WHERE dimension_rank <= 5
)

SELECT
    incident_id,
    dimension,
    value,
    share_during,
    share_before,
    excess,
    explanatory_power,
    surprise,
    CAST(row_number() OVER (PARTITION BY incident_id ORDER BY precedence, explanatory_power DESC, dimension, dimension_rank) AS INT) AS rank,
    CAST(dimension_rank AS INT) AS dimension_rank
FROM ranked
ORDER BY incident_id, rank
