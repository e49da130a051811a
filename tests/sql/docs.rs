//! `docs/sql.md` is made from what the functions and tables say of themselves, and here it is held
//! to that: every function of ours is documented, every example gives the result beside it, and the
//! file is as it would be made now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anomalog::export::{self, SCORED_WINDOWS, StarTable};
use anomalog::schema::{self, DATE_PARTITION, Table};
use anomalog::session::Session;
use anomalog_udfs::functions::verdict_fields;
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::logical_expr::{DocSection, Documentation};
use datafusion::prelude::SessionContext;

use crate::Database;

/// Set to make the file anew.
const UPDATE: &str = "UPDATE_DOCS";

const INTRODUCTION: &str = "\
# SQL reference

<!-- Made from the documentation of the functions and tables by `UPDATE_DOCS=1 cargo test --release
--workspace --test sql docs`. Edit that documentation, not this file. -->

`anomalog sql` answers queries in the dialect of [DataFusion](https://datafusion.apache.org/user-guide/sql/),
with all of its functions. This page has the functions and the tables that anomalog adds. Every example runs as it
stands, on an empty warehouse too, and a test compares its result. In a session,
`SELECT description, syntax_example FROM information_schema.routines WHERE routine_name = 'lstm_score'` tells the same.
";

const TABLES: &str = "\
## Tables

All tables are Parquet below the warehouse, in types that every tool reads. A TIMESTAMP counts microseconds
since 1970, UTC. NULL is a value that is not known, and never means zero. A table that nothing was written to yet
has no rows. `SHOW TABLES` also lists `ingested_logs` and `linked_logs`, of which `access_logs` is made,
`rejected_lines` and `set_aside_rows`, of which `quarantine` is made, and `log_coverage`, which says for which
time there are logs of which site.
";

/// A name that anomalog adds to SQL.
struct Function {
    kind: &'static str,
    documentation: Option<Documentation>,
}

/// The functions that the product registers beside those of DataFusion.
fn functions(context: &SessionContext) -> BTreeMap<String, Function> {
    let plain = SessionContext::new();
    let added = |ours: Vec<String>, theirs: Vec<String>| {
        let theirs: BTreeSet<String> = theirs.into_iter().collect();
        ours.into_iter().filter(move |name| !theirs.contains(name))
    };
    let names = |context: &SessionContext| {
        let state = context.state();
        [
            state.scalar_functions().keys().cloned().collect::<Vec<_>>(),
            state.aggregate_functions().keys().cloned().collect(),
            state.window_functions().keys().cloned().collect(),
        ]
    };
    let [scalar, aggregate, window] = names(context);
    let [known_scalar, known_aggregate, known_window] = names(&plain);
    let state = context.state();
    let mut found = BTreeMap::new();
    for name in added(scalar, known_scalar) {
        let documentation = state.scalar_functions()[&name].documentation().cloned();
        let kind = "scalar function";
        found.insert(
            name,
            Function {
                kind,
                documentation,
            },
        );
    }
    for name in added(aggregate, known_aggregate) {
        let documentation = state.aggregate_functions()[&name].documentation().cloned();
        let kind = "aggregate";
        let before = found.insert(
            name.clone(),
            Function {
                kind,
                documentation,
            },
        );
        assert!(before.is_none(), "`{name}` is registered twice");
    }
    for name in added(window, known_window) {
        let documentation = state.window_functions()[&name].documentation().cloned();
        // An aggregate of the name stands for both forms until the call is planned.
        let marker = found.get(&name).expect("a window function has both forms");
        assert_eq!(marker.documentation, documentation, "the forms of `{name}`");
        let kind = "window function, and scalar function of lists";
        found.insert(
            name,
            Function {
                kind,
                documentation,
            },
        );
    }
    found
}

/// SQL and results of the examples in a text.
fn examples(text: &str) -> Vec<(&str, &str)> {
    let block = |rest: &'_ str, language: &str| {
        let fence = format!("```{language}\n");
        let start = rest.find(&fence)? + fence.len();
        let end = start + rest[start..].find("\n```")?;
        Some((start, end))
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((start, end)) = block(rest, "sql") {
        let sql = &rest[start..end];
        rest = &rest[end..];
        let (start, end) = block(rest, "text").expect("a query is followed by its result");
        found.push((sql, &rest[start..end]));
        rest = &rest[end..];
    }
    found
}

async fn answer(session: &Session, sql: &str) -> String {
    let result = async { session.context().sql(sql).await?.collect().await };
    match result.await {
        Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
        Err(error) => error.to_string(),
    }
}

/// Does something in a session on an empty warehouse, which is there until it is done.
fn with_session<T>(act: impl AsyncFnOnce(&Session) -> T) -> T {
    let database = Database::new(1);
    database.runtime.block_on(async {
        let session = database.open().await.unwrap();
        act(&session).await
    })
}

#[test]
fn docs_of_every_function_have_an_example() {
    let functions = with_session(async |session| functions(session.context()));
    assert!(functions.contains_key("lstm_score"), "nothing was found");
    let without: Vec<&String> = functions
        .iter()
        .filter(|(_, function)| {
            let example = (function.documentation.as_ref())
                .and_then(|documentation| documentation.sql_example.as_deref());
            example.is_none_or(|example| examples(example).is_empty())
        })
        .map(|(name, _)| name)
        .collect();
    assert!(
        without.is_empty(),
        "functions without documentation that has an example: {without:?}"
    );
}

#[test]
fn docs_examples_give_their_results() {
    let wrong = with_session(async |session| {
        let mut wrong = String::new();
        for (name, function) in functions(session.context()) {
            let example = function.documentation.and_then(|found| found.sql_example);
            for (sql, expected) in examples(&example.unwrap_or_default()) {
                let found = answer(session, sql).await;
                if found != expected {
                    let _ = write!(
                        wrong,
                        "\n`{name}`:\n{sql}\nexpected\n{expected}\nfound\n{found}\n"
                    );
                }
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn docs_tell_every_field_of_a_verdict() {
    let functions = with_session(async |session| functions(session.context()));
    let documentation = functions["lstm_detect"].documentation.clone().unwrap();
    let section = documentation.doc_section.description.unwrap();
    for field in &verdict_fields() {
        let row = format!("| `{}` | {} |", field.name(), type_name(field.data_type()));
        assert!(section.contains(&row), "no row begins with `{row}`");
    }
}

#[test]
fn docs_tables_are_those_of_a_session() {
    with_session(async |session| {
        for table in Table::ALL {
            // It has no columns before something was scored.
            if table == Table::ScoredWindows {
                continue;
            }
            let found = session.context().table(table.name()).await.unwrap();
            let found: Vec<(&str, &str)> = (found.schema().fields().iter())
                .map(|field| (field.name().as_str(), type_name(field.data_type())))
                .collect();
            let fields = fields(table);
            let told: Vec<(&str, &str)> = fields
                .iter()
                .map(|field| (field.name().as_str(), type_name(field.data_type())))
                .collect();
            assert_eq!(told, found, "{}", table.name());
        }
    });
}

#[test]
fn docs_are_as_they_would_be_made_now() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sql.md");
    let made = reference(&with_session(async |session| functions(session.context())));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = made
        .lines()
        .zip(found.lines().chain(std::iter::repeat("")))
        .enumerate()
        .find(|(_, (made, found))| made != found);
    if let Some((number, (made, found))) = differing {
        panic!(
            "docs/sql.md is not what functions and tables say of themselves\nline {}: expected `{made}`, \
             found `{found}`\nhint: `{UPDATE}=1 cargo test --release --workspace --test sql docs` writes it",
            number + 1
        );
    }
    assert_eq!(
        made, found,
        "docs/sql.md has lines too many: `{UPDATE}=1 cargo test --release --workspace --test sql docs` \
         writes it"
    );
}

/// The whole file.
fn reference(functions: &BTreeMap<String, Function>) -> String {
    let mut sections: BTreeMap<&str, (DocSection, BTreeSet<&str>)> = BTreeMap::new();
    let mut documented = BTreeMap::new();
    for (name, function) in functions {
        let Some(documentation) = &function.documentation else {
            continue;
        };
        let section = &documentation.doc_section;
        let (known, names) = sections
            .entry(section.label)
            .or_insert_with(|| (section.clone(), BTreeSet::new()));
        assert_eq!(known, section, "two sections `{}`", section.label);
        names.insert(name);
        documented.insert(name.as_str(), (function.kind, documentation));
    }
    let mut text = INTRODUCTION.to_owned();
    for (label, (_, names)) in &sections {
        let links: Vec<String> = names
            .iter()
            .map(|name| format!("[`{name}`](#{name})"))
            .collect();
        let _ = write!(text, "\n- {label}: {}", links.join(", "));
    }
    let tables = Table::ALL.map(|table| format!("[`{0}`](#{0})", table.name()));
    let _ = write!(text, "\n- Tables: {}\n", tables.join(", "));
    for (label, (section, names)) in &sections {
        let _ = write!(text, "\n## {label}\n");
        if let Some(description) = section.description {
            let _ = write!(text, "\n{}\n", description.trim_end());
        }
        for name in names {
            let (kind, documentation) = documented[name];
            text.push_str(&entry(name, kind, documentation));
        }
    }
    let _ = write!(text, "\n{TABLES}");
    for table in Table::ALL {
        text.push_str(&columns(table));
    }
    text
}

fn entry(name: &str, kind: &str, documentation: &Documentation) -> String {
    let mut text = format!(
        "\n### `{name}`\n\n```sql\n{}\n",
        documentation.syntax_example
    );
    for other in documentation.alternative_syntax.iter().flatten() {
        let _ = writeln!(text, "{other}");
    }
    let _ = write!(text, "```\n\n*{kind}.* {}\n", documentation.description);
    text.push('\n');
    for (argument, meaning) in documentation.arguments.iter().flatten() {
        let _ = writeln!(text, "- `{argument}`: {meaning}");
    }
    let example = documentation.sql_example.as_deref().unwrap_or_default();
    let _ = write!(text, "\n{example}\n");
    text
}

fn columns(table: Table) -> String {
    let mut text = format!("\n### `{}`\n\nOne row per {}.", table.name(), table.row());
    if table == Table::ScoredWindows {
        text.push_str(
            " The table is there once something was scored; of the four scores by network it has those \
             that were computed.",
        );
    }
    text.push_str("\n\n| column | type | can be NULL | meaning |\n|---|---|---|---|\n");
    for field in fields(table) {
        let meaning = meaning(table, field.name());
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            field.name(),
            type_name(field.data_type()),
            if field.is_nullable() { "yes" } else { "" },
            meaning.unwrap_or_else(|| panic!("no meaning of `{}.{}`", table.name(), field.name()))
        );
    }
    text
}

/// The columns of a table as queries see them.
fn fields(table: Table) -> Vec<Field> {
    let schema: &SchemaRef = match table {
        Table::AccessLogs => &schema::ACCESS_LOGS,
        Table::LogFiles => &schema::LOG_FILES,
        Table::Quarantine => &schema::QUARANTINE,
        Table::TrafficWindows => &schema::TRAFFIC_WINDOWS,
        Table::ScoredWindows => &SCORED_WINDOWS,
        Table::Incidents => &schema::INCIDENTS,
        Table::IncidentCauses => &schema::INCIDENT_CAUSES,
        Table::Labels => &schema::INCIDENT_LABELS,
        Table::Calendar => &schema::CALENDAR,
        Table::Runs => &schema::RUNS,
        Table::SeriesDates => &schema::SERIES_DATES,
    };
    let mut fields: Vec<Field> = (schema.fields().iter())
        .map(|field| field.as_ref().clone())
        .collect();
    if table == Table::AccessLogs {
        fields.push(Field::new(DATE_PARTITION, DataType::Date32, false));
    }
    fields
}

fn meaning(table: Table, column: &str) -> Option<&'static str> {
    let exported = match table {
        Table::TrafficWindows => StarTable::TrafficWindows,
        Table::ScoredWindows => StarTable::ScoredWindows,
        Table::Incidents => StarTable::Incidents,
        Table::IncidentCauses => StarTable::IncidentCauses,
        Table::Runs => StarTable::Runs,
        Table::AccessLogs
        | Table::LogFiles
        | Table::Quarantine
        | Table::Labels
        | Table::Calendar
        | Table::SeriesDates => return table.meaning(column),
    };
    export::description(exported, column)
}

/// A type as SQL names it.
fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "BOOLEAN",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 | DataType::Utf8View => "STRING",
        DataType::Binary | DataType::BinaryView => "BINARY",
        DataType::Date32 => "DATE",
        DataType::Timestamp(..) => "TIMESTAMP",
        other => panic!("{other} has no name here"),
    }
}
