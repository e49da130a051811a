//! Parquet logs that are read where they lie: their columns as those of `access_logs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::{coalesce, get_field};
use datafusion::logical_expr::expr_fn::{try_cast, when};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::{DataFrame, Expr, SessionContext, cast, col, ident, lit};

use super::linked_files::{FROM, LinkedFiles, ROW, SITE, SOURCE, STREAM, UNTIL, key_column};
use crate::functions::log_values::LogValue;
use crate::functions::row_text::row_text;
use crate::logs::linked::{FileColumns, LinkedFile, Place, TextPart};
use crate::logs::{LatencyUnit, LogColumn};
use crate::schema::{ACCESS_LOGS, DATE_PARTITION, QUARANTINE, timestamp_type};

/// Why a row is set aside.
pub(super) const REASON: &str = "reason";

/// Every row of some files of linked sources, as [`rows_schema`] has them.
pub(super) fn rows_of<'a>(
    context: &SessionContext,
    files: impl IntoIterator<Item = &'a LinkedFile>,
) -> Result<DataFrame> {
    let mut all: Option<DataFrame> = None;
    for (columns, files) in alike(files) {
        let rows = linked_table(context, columns, &files)?;
        all = Some(match all {
            Some(others) => others.union(rows)?,
            None => rows,
        });
    }
    match all {
        Some(all) => Ok(all),
        None => empty_frame(context, &rows_schema()),
    }
}

/// The requests among some rows.
pub(super) fn requests(rows: DataFrame) -> Result<DataFrame> {
    let columns = ACCESS_LOGS.fields().iter().map(|field| ident(field.name()));
    let names = [DATE_PARTITION, "source", "stream"].map(ident);
    rows.filter(is_request())?
        .select(columns.chain(names).collect::<Vec<_>>())
}

/// The files of some rows, and why each row is no request if it is none.
pub(super) fn fates(rows: DataFrame) -> Result<DataFrame> {
    rows.select(vec![col("source"), reason()?.alias(REASON)])
}

/// The rows of files that are no requests, as the table `quarantine` has them. They are read when they
/// are asked for.
pub(super) fn set_aside<'a>(
    context: &SessionContext,
    files: impl IntoIterator<Item = &'a LinkedFile>,
) -> Result<DataFrame> {
    let mut all: Option<DataFrame> = None;
    for (columns, files) in alike(files) {
        let rows = set_aside_of(context, columns, &files)?;
        all = Some(match all {
            Some(others) => others.union(rows)?,
            None => rows,
        });
    }
    match all {
        Some(all) => Ok(all),
        None => empty_frame(context, &QUARANTINE),
    }
}

/// Files by what they have where, in which types.
fn alike<'a>(
    files: impl IntoIterator<Item = &'a LinkedFile>,
) -> Vec<(&'a FileColumns, Vec<&'a LinkedFile>)> {
    let mut alike: BTreeMap<(String, &FileColumns), Vec<&LinkedFile>> = BTreeMap::new();
    for file in files {
        let types = file.schema.fields().iter();
        let types = types.map(|field| format!("{} {}\n", field.name(), field.data_type()));
        alike
            .entry((types.collect(), &file.columns))
            .or_default()
            .push(file);
    }
    let alike = alike.into_iter();
    alike
        .map(|((_, columns), files)| (columns, files))
        .collect()
}

/// The keys of paths that are read.
fn keys_of(columns: &FileColumns) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for place in columns.places() {
        match place {
            Place::Key(key) if !keys.contains(&key.as_str()) => keys.push(key),
            _ => {}
        }
    }
    keys
}

/// The rows of files of the same columns, as [`rows_schema`] has them.
fn linked_table(
    context: &SessionContext,
    columns: &FileColumns,
    files: &[&LinkedFile],
) -> Result<DataFrame> {
    let table = context.read_table(Arc::new(LinkedFiles::new(files, &keys_of(columns))?))?;
    let fields = ACCESS_LOGS.fields().iter();
    let mut read: Vec<Expr> = fields
        .map(|field| {
            let value = match field.name().as_str() {
                "timestamp" => time(columns, files),
                _ => column(columns, field)?,
            };
            Ok(value.alias(field.name()))
        })
        .collect::<Result<_>>()?;
    let text = |name: &str| cast(ident(name), DataType::Utf8);
    read.extend([
        text(SOURCE).alias("source"),
        text(STREAM).alias("stream"),
        ident(FROM),
        ident(UNTIL),
    ]);
    let rows = table.select(read)?;
    let date = cast(col("timestamp"), DataType::Date32);
    rows.with_column(DATE_PARTITION, date)
}

/// The rows of files of the same columns that are no requests.
fn set_aside_of(
    context: &SessionContext,
    columns: &FileColumns,
    files: &[&LinkedFile],
) -> Result<DataFrame> {
    let table = LinkedFiles::new(files, &keys_of(columns))?.numbered();
    let table = context.read_table(Arc::new(table))?;
    let status = ACCESS_LOGS.field_with_name("status")?;
    let mut places: Vec<&Place> = columns.places().collect();
    places.sort_unstable();
    places.dedup();
    let read = places
        .into_iter()
        .map(|place| (name_of(place), expression(place)));
    let rows = table.select(vec![
        cast(ident(SOURCE), DataType::Utf8).alias("file"),
        (ident(ROW) + lit(1_i64)).alias("line_number"),
        row_text(read.collect()).alias("raw"),
        time(columns, files).alias("timestamp"),
        column(columns, status)?.alias("status"),
        ident(FROM),
        ident(UNTIL),
    ])?;
    rows.filter(reason()?.is_not_null())?.select(vec![
        col("file"),
        col("line_number"),
        reason()?.alias(REASON),
        col("raw"),
    ])
}

/// What people call a place.
fn name_of(place: &Place) -> String {
    match place {
        Place::Column(path) => path.join("."),
        Place::Key(key) => key.clone(),
    }
}

/// A relation without rows, which the optimizer drops from unions.
fn empty_frame(context: &SessionContext, schema: &Schema) -> Result<DataFrame> {
    let schema = Arc::new(DFSchema::try_from(schema.clone())?);
    let plan = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema,
    });
    Ok(DataFrame::new(context.state(), plan))
}

/// The columns of every row of linked files.
fn rows_schema() -> Schema {
    let fields = ACCESS_LOGS
        .fields()
        .iter()
        .map(|field| field.as_ref().clone());
    let added = [
        Field::new("source", DataType::Utf8, false),
        Field::new("stream", DataType::Utf8, false),
        Field::new(FROM, timestamp_type(), false),
        Field::new(UNTIL, timestamp_type(), false),
        Field::new(DATE_PARTITION, DataType::Date32, true),
    ];
    Schema::new(fields.chain(added).collect::<Vec<_>>())
}

/// Whether a row is a request: it has a time that can be right, and a status.
fn is_request() -> Expr {
    let time = || col("timestamp");
    let in_time = time().gt_eq(ident(FROM)).and(time().lt(ident(UNTIL)));
    in_time.and(col("status").is_not_null())
}

/// Why a row is no request; NULL for one that is.
fn reason() -> Result<Expr> {
    let time = || col("timestamp");
    let beyond = time().lt(ident(FROM)).or(time().gt_eq(ident(UNTIL)));
    when(time().is_null(), lit("no timestamp that can be read"))
        .when(beyond, lit("timestamp beyond the limits"))
        .when(col("status").is_null(), lit("no status"))
        .otherwise(lit(ScalarValue::Utf8(None)))
}

/// Reads the time of requests. Of what is a timestamp already, files are found by their statistics.
fn time(columns: &FileColumns, files: &[&LinkedFile]) -> Expr {
    if let [Place::Column(path)] = &columns.time.places[..]
        && let [name] = &path[..]
    {
        let schema = files.first().map(|file| &file.schema);
        let field = schema.and_then(|schema| schema.field_with_name(name).ok());
        if field.is_some_and(|field| matches!(field.data_type(), DataType::Timestamp(..))) {
            return try_cast(ident(name), timestamp_type());
        }
    }
    let places = columns.time.places.iter().map(expression);
    LogValue::Time(columns.time.unit).of(places.collect())
}

/// Reads another column of `access_logs` from files.
fn column(columns: &FileColumns, field: &Field) -> Result<Expr> {
    let at = |ours: LogColumn| columns.others.get(&ours).map(expression);
    let text = |ours: LogColumn, part: TextPart| {
        at(ours).map(|column| LogValue::Text(part).of(vec![column]))
    };
    let whole = |ours: LogColumn| text(ours, TextPart::Whole);
    let of_request = |part: TextPart| text(LogColumn::Request, part);
    // The first that a row has.
    let candidates: Vec<Option<Expr>> = match field.name().as_str() {
        "site" => vec![
            whole(LogColumn::Site),
            text(LogColumn::Host, TextPart::HostSite),
            Some(cast(ident(SITE), DataType::Utf8)),
        ],
        "client_ip" => vec![whole(LogColumn::ClientIp)],
        "method" => vec![
            whole(LogColumn::Method),
            of_request(TextPart::RequestMethod),
        ],
        "path" => vec![
            text(LogColumn::Path, TextPart::Path),
            of_request(TextPart::RequestPath),
        ],
        "query" => vec![
            whole(LogColumn::Query),
            text(LogColumn::Path, TextPart::Query),
            of_request(TextPart::RequestQuery),
        ],
        "protocol" => vec![
            whole(LogColumn::Protocol),
            of_request(TextPart::RequestProtocol),
        ],
        "status" => vec![at(LogColumn::Status).map(|column| LogValue::Status.of(vec![column]))],
        "bytes" => vec![at(LogColumn::Bytes).map(|column| LogValue::Size.of(vec![column]))],
        "latency_ms" => [
            (LogColumn::LatencyMs, LatencyUnit::Millis),
            (LogColumn::LatencyS, LatencyUnit::Seconds),
            (LogColumn::LatencyUs, LatencyUnit::Micros),
            (LogColumn::LatencyNs, LatencyUnit::Nanos),
        ]
        .map(|(ours, unit)| at(ours).map(|column| LogValue::Latency(unit).of(vec![column])))
        .into(),
        "referer" => vec![whole(LogColumn::Referer)],
        "user_agent" => vec![whole(LogColumn::UserAgent)],
        other => {
            return datafusion::common::internal_err!("no way to read `{other}` of Parquet logs");
        }
    };
    let mut values: Vec<Expr> = candidates.into_iter().flatten().collect();
    let is_text = field.data_type() == &DataType::Utf8;
    if is_text && !field.is_nullable() {
        values.push(lit(""));
    }
    Ok(match values.len() {
        0 => cast(lit(ScalarValue::Null), field.data_type().clone()),
        1 => values.swap_remove(0),
        _ => coalesce(values),
    })
}

/// What is at a place of a file.
fn expression(place: &Place) -> Expr {
    match place {
        Place::Key(key) => cast(ident(key_column(key)), DataType::Utf8),
        Place::Column(path) => {
            let mut path = path.iter();
            let root = path.next().map_or_else(|| lit(ScalarValue::Null), ident);
            path.fold(root, |column, field| get_field(column, field.as_str()))
        }
    }
}
