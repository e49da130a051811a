//! What lies beside the tables of an export: what the columns are, and views for DuckDB.

use std::fmt::Write as _;

use datafusion::arrow::datatypes::{DataType, Field};

use super::format::ExportFormat;
use super::star;
use super::star::StarTable;

/// How the files of a table are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One file per table.
    Flat,
    /// Tables of windows as a folder with one file per date, all others as one file.
    Dated,
}

impl Layout {
    /// The files of a table, as a path from the folder of the export, or a pattern of paths.
    pub(crate) fn pattern(self, table: StarTable, format: ExportFormat) -> String {
        let extension = format.extension();
        let name = if format.is_one_file() {
            "anomalog"
        } else {
            table.name()
        };
        if self.has_dates(table) {
            format!("{name}/*.{extension}")
        } else {
            format!("{name}.{extension}")
        }
    }

    /// Whether a table is a folder of dates.
    pub(crate) fn has_dates(self, table: StarTable) -> bool {
        let is_large = matches!(table, StarTable::TrafficWindows | StarTable::ScoredWindows);
        self == Self::Dated && is_large
    }
}

/// The name of a type in SQL and in Parquet.
pub(super) const fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "BOOLEAN",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::Float64 => "DOUBLE",
        DataType::Timestamp(..) => "TIMESTAMP WITH TIME ZONE",
        _ => "VARCHAR",
    }
}

/// `columns.csv`: one line per column.
pub(super) fn columns_csv() -> String {
    let mut text = "table,column,type,nullable,description\n".to_owned();
    each_column(|table, field, description| {
        let _ = writeln!(
            text,
            "{},{},{},{},\"{}\"",
            table.name(),
            field.name(),
            type_name(field.data_type()),
            field.is_nullable(),
            description.replace('"', "\"\"")
        );
    });
    text
}

fn each_column(mut act: impl FnMut(StarTable, &Field, &str)) {
    for table in StarTable::ALL {
        for field in table.schema().fields() {
            let description = star::description(table, field.name()).unwrap_or_default();
            act(table, field, description);
        }
    }
}

/// `README.md`: the tables and their columns for people.
pub(super) fn readme(layout: Layout, format: ExportFormat) -> String {
    let (title, views) = (
        format.title(),
        if format.is_one_file() {
            "Times are text, as\n2026-03-02T06:05:00Z, and truth is 1 and 0."
        } else {
            "`star.sql` has views for DuckDB,\nto be run in this folder: `duckdb -init star.sql`."
        },
    );
    let mut text = format!(
        "# Export of anomalog\n\n\
         Tables as {title}. `columns.csv` has what follows for programs. {views}\n\
         Times are UTC. What NULL means stands with each column; it never means zero.\n\n\
         - `scored_windows` has the rows of `traffic_windows`, by `site` and `window_start`\n\
         - `incidents` concern the windows of their `site` from `started_at` to before `ended_at`\n\
         - `incident_causes` belong to `incidents` by `incident_id`\n\
         - `detectors` belong to `scored_windows` by `detector` and `detector_version`\n"
    );
    if matches!(format, ExportFormat::Csv | ExportFormat::Ndjson) {
        text.push_str(
            "\nPaths and user agents are as whoever sent the requests wrote them: let a spreadsheet \
             import\nthem as text, not as formulas.\n",
        );
    }
    for table in StarTable::ALL {
        let (name, grain) = (table.name(), table.grain());
        let files = layout.pattern(table, format);
        let _ = write!(
            text,
            "\n## {name}\n\n{grain}, in `{files}`\n\n\
             | column | type | can be NULL | meaning |\n|---|---|---|---|\n"
        );
        for field in table.schema().fields() {
            let description = star::description(table, field.name()).unwrap_or_default();
            let nullable = if field.is_nullable() { "yes" } else { "" };
            let (name, type_name) = (field.name(), type_name(field.data_type()));
            let _ = writeln!(
                text,
                "| `{name}` | {type_name} | {nullable} | {description} |"
            );
        }
    }
    text
}

/// `star.sql`: one view per table, with the types that the columns have; a database has its own.
pub(super) fn star_sql(layout: Layout, format: ExportFormat) -> Option<String> {
    let mut text = "-- Views over the tables of this folder, for DuckDB: duckdb -init star.sql\n\
                    SET TimeZone = 'UTC';\n"
        .to_owned();
    for table in StarTable::ALL {
        let files = layout.pattern(table, format);
        let columns = table.schema();
        let columns = columns.fields().iter();
        let columns: Vec<String> = columns
            .map(|field| format!("'{}': '{}'", field.name(), type_name(field.data_type())))
            .collect();
        let columns = columns.join(", ");
        let reads = match format {
            ExportFormat::Parquet => format!("read_parquet('{files}')"),
            ExportFormat::Csv => {
                format!("read_csv('{files}', header = true, columns = {{{columns}}})")
            }
            ExportFormat::Ndjson => format!(
                "read_json('{files}', format = 'newline_delimited', columns = {{{columns}}})"
            ),
            ExportFormat::Sqlite => return None,
        };
        let (name, grain) = (table.name(), table.grain());
        let _ = write!(
            text,
            "\n-- {grain}\nCREATE OR REPLACE VIEW {name} AS SELECT * FROM {reads};\n"
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_listed_with_their_types() {
        let text = columns_csv();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("incident_causes,ra") || line.starts_with("table"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        table,column,type,nullable,description
        incident_causes,rank,INTEGER,false,"From 1, over all dimensions"
        "#);
    }

    #[test]
    fn views_name_the_files_of_each_layout() {
        let views = |layout, format| {
            let text = star_sql(layout, format).unwrap();
            let lines = text
                .lines()
                .filter(|line| line.contains("VIEW traffic_windows"));
            lines.map(str::to_owned).collect::<String>()
        };
        insta::assert_snapshot!(views(Layout::Flat, ExportFormat::Parquet), @"CREATE OR REPLACE VIEW traffic_windows AS SELECT * FROM read_parquet('traffic_windows.parquet');");
        insta::assert_snapshot!(views(Layout::Dated, ExportFormat::Parquet), @"CREATE OR REPLACE VIEW traffic_windows AS SELECT * FROM read_parquet('traffic_windows/*.parquet');");
        insta::assert_snapshot!(views(Layout::Dated, ExportFormat::Csv), @"CREATE OR REPLACE VIEW traffic_windows AS SELECT * FROM read_csv('traffic_windows/*.csv', header = true, columns = {'site': 'VARCHAR', 'window_start': 'TIMESTAMP WITH TIME ZONE', 'requests': 'BIGINT', 'bytes': 'BIGINT', 'client_errors': 'BIGINT', 'server_errors': 'BIGINT', 'unique_clients': 'BIGINT', 'latency_p50': 'DOUBLE', 'latency_p95': 'DOUBLE', 'is_observed': 'BOOLEAN'});");
    }
}
