-- demo labels: what each detector makes of each simulated anomaly.
-- reads:      scored_windows, labels
-- writes:     nothing: printed by `anomalog demo`
-- grain:      one row per label; a column is the detector's best score in nines (3 = 0.999)
-- parameters: none
SELECT
    labels.kind,
    labels.site,
    to_char(labels.start, '%Y-%m-%d %H:%M') AS started_at,
    round(-log10(1 - max(rnn_score)), 1) AS rnn,
    round(-log10(1 - max(lstm_score)), 1) AS lstm,
    round(-log10(1 - max(gru_score)), 1) AS gru,
    round(-log10(1 - max(clstm_score)), 1) AS clstm,
    count(*) FILTER (WHERE is_anomaly) AS anomalous_windows,
    count(*) AS windows
FROM labels
INNER JOIN scored_windows
    ON labels.site = scored_windows.site
    AND scored_windows.window_start >= labels.start
    AND scored_windows.window_start < labels."end"
GROUP BY labels.kind, labels.site, labels.start
ORDER BY labels.start, labels.site
