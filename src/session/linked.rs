//! Parquet logs that are read where they lie: their columns as those of `access_logs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Date32Type, Field, Int64Type, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::{coalesce, get_field};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr_fn::{try_cast, when};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::{DataFrame, Expr, cast, col, ident, lit};

use super::Session;
use super::linked_files::{FROM, LinkedFiles, SITE, SOURCE, STREAM, UNTIL, key_column};
use super::names::{LINKED_LOGS, LINKED_ROWS};
use crate::functions::log_values::{LatencyUnit, LogValue};
use crate::logs::LogColumn;
use crate::logs::linked::{FileColumns, LeftOut, LinkedFile, LinkedSource, Place, TextPart};
use crate::schema::{ACCESS_LOGS, DATE_PARTITION, timestamp_type};

/// Why a row is set aside.
const REASON: &str = "reason";

/// Rows of a file by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRows {
    /// All of them.
    pub rows: u64,
    /// Those that are no requests, by the reason.
    pub set_aside: BTreeMap<String, u64>,
}

impl FileRows {
    /// Adds the rows of another file.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (reason, rows) in &other.set_aside {
            *self.set_aside.entry(reason.clone()).or_default() += rows;
        }
    }

    /// Whether there are rows, and none is a request.
    #[must_use]
    pub fn are_no_requests(&self) -> bool {
        self.rows > 0 && self.rows == self.set_aside.values().sum::<u64>()
    }

    /// How many rows are set aside, and why; nothing if none are.
    #[must_use]
    pub fn reasons(&self) -> Option<String> {
        let count = self.set_aside.values().sum::<u64>();
        if count == 0 {
            return None;
        }
        let mut text = format!("{count} of {} rows are set aside", self.rows);
        for (place, (reason, rows)) in self.set_aside.iter().enumerate() {
            let _ = write!(
                text,
                "{} {rows} × {reason}",
                if place == 0 { ":" } else { ";" }
            );
        }
        Some(text)
    }

    /// The same of a file.
    #[must_use]
    pub fn said_of(&self, file: &str) -> Option<String> {
        let reasons = self.reasons()?;
        Some(format!("`{file}`: {reasons}"))
    }
}

impl Session {
    /// Each file of linked sources and each date that it has requests of, in order.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub async fn linked_dates(&self) -> Result<Vec<(String, NaiveDate)>> {
        let rows = self.context.table(LINKED_LOGS).await?;
        let rows = rows
            .select(vec![
                cast(col("source"), DataType::Utf8).alias("source"),
                col(DATE_PARTITION),
            ])?
            .distinct()?
            .sort_by(vec![col("source"), col(DATE_PARTITION)])?;
        let mut found = Vec::new();
        for batch in rows.collect().await? {
            let sources = datafusion::arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
            let days = batch.column(1).as_primitive::<Date32Type>();
            for (row, source) in sources.as_string::<i32>().iter().enumerate() {
                let date = Date32Type::to_naive_date_opt(days.value(row));
                found.extend(source.map(str::to_owned).zip(date));
            }
        }
        Ok(found)
    }

    /// What became of the rows of some files of linked sources, by the paths of the files.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn linked_rows(
        &self,
        files: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, FileRows>> {
        let mut found: BTreeMap<String, FileRows> = BTreeMap::new();
        if files.is_empty() {
            return Ok(found);
        }
        let names = files.iter().map(|file| lit(file.as_str())).collect();
        let rows = self.context.table(LINKED_ROWS).await?;
        let rows = rows
            .filter(col("source").in_list(names, false))?
            .aggregate(
                vec![col("source"), col(REASON)],
                vec![count(lit(1)).alias("rows")],
            )?;
        for batch in rows.collect().await? {
            let text = |column: usize| {
                datafusion::arrow::compute::cast(batch.column(column), &DataType::Utf8)
            };
            let (sources, reasons) = (text(0)?, text(1)?);
            let counts = batch.column(2).as_primitive::<Int64Type>();
            let sources = sources.as_string::<i32>().iter();
            let reasons = reasons.as_string::<i32>().iter();
            for ((source, reason), rows) in sources.zip(reasons).zip(counts.values()) {
                let rows = u64::try_from(*rows).unwrap_or_default();
                let file = found
                    .entry(source.unwrap_or_default().to_owned())
                    .or_default();
                file.rows += rows;
                if let Some(reason) = reason {
                    *file.set_aside.entry(reason.to_owned()).or_default() += rows;
                }
            }
        }
        Ok(found)
    }

    /// Registers the requests of linked sources, and all their rows; returns what is left out.
    pub(super) fn register_linked_logs(&self) -> super::Result<Vec<LeftOut>> {
        let mut files = Vec::new();
        let mut left_out = Vec::new();
        for (_, looked) in LinkedSource::look_at_all(&self.warehouse)? {
            files.extend(looked.files);
            left_out.extend(looked.left_out);
        }
        let mut alike: BTreeMap<(String, &FileColumns), Vec<&LinkedFile>> = BTreeMap::new();
        for file in &files {
            let types = file.schema.fields().iter();
            let types = types.map(|field| format!("{} {}\n", field.name(), field.data_type()));
            alike
                .entry((types.collect(), &file.columns))
                .or_default()
                .push(file);
        }
        let mut all: Option<DataFrame> = None;
        for ((_, columns), files) in alike {
            let rows = self.linked_table(columns, &files)?;
            all = Some(match all {
                Some(others) => others.union(rows)?,
                None => rows,
            });
        }
        let all = match all {
            Some(all) => all,
            None => self.empty_frame(&rows_schema())?,
        };
        let requests = all.clone().filter(is_request())?;
        let columns = ACCESS_LOGS.fields().iter().map(|field| ident(field.name()));
        let names = [DATE_PARTITION, "source", "stream"].map(ident);
        let requests = requests.select(columns.chain(names).collect::<Vec<_>>())?;
        let all = all.select(vec![col("source"), reason()?.alias(REASON)])?;
        self.context
            .register_table(LINKED_LOGS, requests.into_view())?;
        self.context.register_table(LINKED_ROWS, all.into_view())?;
        Ok(left_out)
    }

    /// The rows of files of the same columns, as [`rows_schema`] has them.
    fn linked_table(&self, columns: &FileColumns, files: &[&LinkedFile]) -> Result<DataFrame> {
        let mut keys: Vec<&str> = Vec::new();
        for place in columns.places() {
            match place {
                Place::Key(key) if !keys.contains(&key.as_str()) => keys.push(key),
                _ => {}
            }
        }
        let table = self
            .context
            .read_table(Arc::new(LinkedFiles::new(files, &keys)?))?;
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

    /// A relation without rows, which the optimizer drops from unions.
    fn empty_frame(&self, schema: &Schema) -> Result<DataFrame> {
        let schema = Arc::new(DFSchema::try_from(schema.clone())?);
        let plan = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema,
        });
        Ok(DataFrame::new(self.context.state(), plan))
    }
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
