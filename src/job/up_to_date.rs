//! Whether a night has anything to do.

use crate::incremental::partitions;
use crate::schema::Table;
use crate::warehouse::commit::Writer;

/// Whether the tables are what these inputs make of them, and nobody took a file away.
pub(super) fn is_up_to_date(writer: &Writer, inputs: &str) -> bool {
    let manifest = writer.manifest();
    manifest.settled.as_deref() == Some(inputs)
        && [
            Table::SeriesDates,
            Table::TrafficWindows,
            Table::ScoredWindows,
            Table::Incidents,
            Table::IncidentCauses,
        ]
        .into_iter()
        .all(|table| {
            manifest
                .partitions(table)
                .all(|(date, found)| partitions::is_there(writer.warehouse(), table, date, found))
        })
}
