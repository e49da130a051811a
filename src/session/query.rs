//! The files of `queries/`.

/// A file of `queries/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// Every request.
    AccessLogs,
    /// What is no request.
    Quarantine,
    /// For which time each linked file has requests of which site.
    LinkedCoverage,
    /// For which time there are logs of which site.
    LogCoverage,
    /// From when to when each series has requests in each date.
    SeriesDates,
    /// From which window to which each series has rows.
    SeriesFrame,
    /// For which windows the logs of a series are there.
    ObservedRange,
    /// What requests amount to.
    Traffic,
    /// The same from windows.
    CountedTraffic,
    /// Traffic per series and window.
    TrafficWindows,
    /// Windows with scores.
    ScoredWindows,
    /// Runs of unusual windows.
    IncidentRuns,
    /// Incidents.
    Incidents,
    /// The stretches of time that tell what explains incidents.
    IncidentRanges,
    /// Who asked for what during incidents and before.
    IncidentRequests,
    /// What explains incidents.
    IncidentCauses,
    /// What windows had during incidents, and usually.
    IncidentFacts,
    /// When a series is known not to have been as usual.
    KnownAnomalies,
    /// How the windows of a date compare with what was expected of them.
    Drift,
    /// The windows around incidents.
    IncidentPictures,
    /// The traffic of every series over a range.
    ReportTimeline,
    /// How much is known of every series.
    ReportQuality,
    /// The logs of a range.
    ReportLogs,
    /// Why lines of logs are no requests.
    ReportRejected,
    /// The demo's strongest anomalies.
    DemoEvents,
    /// The demo's labels and what detectors make of them.
    DemoLabels,
}

impl Query {
    /// Every file.
    pub const ALL: [Self; 26] = [
        Self::AccessLogs,
        Self::Quarantine,
        Self::LinkedCoverage,
        Self::LogCoverage,
        Self::SeriesDates,
        Self::SeriesFrame,
        Self::ObservedRange,
        Self::Traffic,
        Self::CountedTraffic,
        Self::TrafficWindows,
        Self::ScoredWindows,
        Self::IncidentRuns,
        Self::Incidents,
        Self::IncidentRanges,
        Self::IncidentRequests,
        Self::IncidentCauses,
        Self::IncidentFacts,
        Self::KnownAnomalies,
        Self::Drift,
        Self::IncidentPictures,
        Self::ReportTimeline,
        Self::ReportQuality,
        Self::ReportLogs,
        Self::ReportRejected,
        Self::DemoEvents,
        Self::DemoLabels,
    ];

    /// The SQL, with a heading that says what it reads and writes.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AccessLogs => include_str!("../../queries/access_logs.sql"),
            Self::Quarantine => include_str!("../../queries/quarantine.sql"),
            Self::LinkedCoverage => include_str!("../../queries/linked_coverage.sql"),
            Self::LogCoverage => include_str!("../../queries/log_coverage.sql"),
            Self::SeriesDates => include_str!("../../queries/series_dates.sql"),
            Self::SeriesFrame => include_str!("../../queries/series_frame.sql"),
            Self::ObservedRange => include_str!("../../queries/observed_range.sql"),
            Self::Traffic => include_str!("../../queries/traffic.sql"),
            Self::CountedTraffic => include_str!("../../queries/counted_traffic.sql"),
            Self::TrafficWindows => include_str!("../../queries/traffic_windows.sql"),
            Self::ScoredWindows => include_str!("../../queries/scored_windows.sql"),
            Self::IncidentRuns => include_str!("../../queries/incident_runs.sql"),
            Self::Incidents => include_str!("../../queries/incidents.sql"),
            Self::IncidentRanges => include_str!("../../queries/incident_ranges.sql"),
            Self::IncidentRequests => include_str!("../../queries/incident_requests.sql"),
            Self::IncidentCauses => include_str!("../../queries/incident_causes.sql"),
            Self::IncidentFacts => include_str!("../../queries/incident_facts.sql"),
            Self::KnownAnomalies => include_str!("../../queries/known_anomalies.sql"),
            Self::Drift => include_str!("../../queries/drift.sql"),
            Self::IncidentPictures => include_str!("../../queries/incident_pictures.sql"),
            Self::ReportTimeline => include_str!("../../queries/report_timeline.sql"),
            Self::ReportQuality => include_str!("../../queries/report_quality.sql"),
            Self::ReportLogs => include_str!("../../queries/report_logs.sql"),
            Self::ReportRejected => include_str!("../../queries/report_rejected.sql"),
            Self::DemoEvents => include_str!("../../queries/demo_events.sql"),
            Self::DemoLabels => include_str!("../../queries/demo_labels.sql"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn every_file_says_what_it_reads_and_writes() {
        for query in Query::ALL {
            for heading in ["-- reads: ", "-- writes: ", "-- grain: ", "-- parameters: "] {
                assert!(
                    query.text().contains(heading),
                    "{query:?} lacks {heading:?}"
                );
            }
        }
    }
}
