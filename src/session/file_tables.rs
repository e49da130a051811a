//! Files that a query names: `FROM 'windows/*.parquet'`.
//!
//! A name with a slash, or that ends as such files do, is a path or a pattern of paths, from the working
//! directory. All files that it matches are one table: Parquet, CSV with a header, or JSON lines, as the
//! names end. Tables of the warehouse go before files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

use super::files::{file_url, listing_options};
use super::overlay::{schema_of, with_schema};

/// How the names of files end that can be read.
const ENDINGS: [&str; 5] = ["parquet", "csv", "json", "jsonl", "ndjson"];

/// Tables, and files beside them.
struct FileTables {
    /// For what reading a file needs: its tables are not looked at.
    base: SessionContext,
    tables: Arc<dyn SchemaProvider>,
}

impl fmt::Debug for FileTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTables")
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

/// A context whose queries can name files, too.
pub(super) fn with_files(base: &SessionContext) -> Result<SessionContext> {
    let files = FileTables {
        base: base.clone(),
        tables: schema_of(base)?,
    };
    with_schema(base, Arc::new(files))
}

#[async_trait]
impl SchemaProvider for FileTables {
    fn table_names(&self) -> Vec<String> {
        self.tables.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match self.tables.table(name).await? {
            None if is_path(name) => self.open(name).await.map(Some),
            table => Ok(table),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.table_exist(name)
    }
}

impl FileTables {
    async fn open(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let mut files = files_of(name)?;
        let options = options_of(&files)?;
        for file in &mut files {
            *file = std::path::absolute(&*file)?;
        }
        let urls = files
            .iter()
            .map(|file| ListingTableUrl::parse(file_url(file)));
        let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
            .with_listing_options(options.with_file_extension(""))
            .infer_schema(&self.base.state())
            .await
            .map_err(|error| error.context(format!("file `{name}`")))?;
        Ok(Arc::new(ListingTable::try_new(config)?))
    }
}

/// Whether a name is meant as a path.
fn is_path(name: &str) -> bool {
    name.contains('/') || ending(Path::new(name)).is_some()
}

/// How a name ends, if files of that ending can be read.
fn ending(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    ENDINGS.into_iter().find(|known| *known == ending)
}

/// The files that a path or pattern names, in order: of a folder, the Parquet files directly in it.
fn files_of(name: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let pattern = if path.is_dir() {
        let folder = glob::Pattern::escape(name.trim_end_matches('/'));
        format!("{folder}/*.parquet")
    } else {
        name.to_owned()
    };
    let fault = |why: &dyn fmt::Display| DataFusionError::Plan(format!("file `{name}`: {why}"));
    let found = glob::glob(&pattern).map_err(|error| fault(&error))?;
    let found: Vec<PathBuf> = found
        .filter_map(|file| match file {
            Ok(file) if file.is_file() => Some(Ok(file)),
            Ok(_) => None,
            Err(error) => Some(Err(fault(&error))),
        })
        .collect::<Result<_>>()?;
    if found.is_empty() {
        let why = if path.is_dir() {
            "the folder holds no Parquet file"
        } else {
            "there is no such file"
        };
        return Err(fault(&why));
    }
    Ok(found)
}

/// How files are read, which must all be of one kind.
fn options_of(files: &[PathBuf]) -> Result<ListingOptions> {
    let kind = |file: &PathBuf| match ending(file) {
        Some(kind @ ("parquet" | "csv")) => Some(kind),
        Some(_) => Some("json"),
        None => None,
    };
    let mut kinds: Vec<_> = files.iter().map(|file| (kind(file), file)).collect();
    kinds.dedup_by_key(|(kind, _)| *kind);
    if let [(_, one), (_, other), ..] = kinds[..] {
        return Err(DataFusionError::Plan(format!(
            "`{}` and `{}` are of different kinds, and one table is of files of one",
            one.display(),
            other.display()
        )));
    }
    match kinds.first() {
        Some((Some("parquet"), _)) => Ok(listing_options()),
        Some((Some("csv"), _)) => Ok(ListingOptions::new(Arc::new(
            CsvFormat::default().with_has_header(true),
        ))),
        Some((Some(_), _)) => Ok(ListingOptions::new(Arc::new(JsonFormat::default()))),
        Some((None, file)) => Err(DataFusionError::Plan(format!(
            "`{}` must end with one of .{}",
            file.display(),
            ENDINGS.join(", .")
        ))),
        None => Err(DataFusionError::Plan("no file is named".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::message::message_of;

    async fn rows(sql: &str) -> Result<usize, String> {
        let context = with_files(&SessionContext::new()).unwrap();
        let counted = async { context.sql(sql).await?.count().await };
        counted.await.map_err(|error| message_of(&error))
    }

    #[tokio::test]
    async fn a_table_is_all_files_that_a_pattern_matches() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("a 1.csv"), "x,y\n1,2\n3,4\n").unwrap();
        std::fs::write(path("b.csv"), "x,y\n5,6\n").unwrap();
        std::fs::write(path("c.ndjson"), "{\"x\": 1}\n").unwrap();
        std::fs::write(path("d.txt"), "x\n").unwrap();
        let of = |name: &str| format!("SELECT x FROM '{}'", path(name));
        assert_eq!(rows(&of("a 1.csv")).await, Ok(2));
        assert_eq!(rows(&of("*.csv")).await, Ok(3));
        assert_eq!(rows(&of("c.ndjson")).await, Ok(1));
        let fault = |name: &'static str| {
            let folder = folder.path().display().to_string();
            let sql = of(name);
            async move { rows(&sql).await.unwrap_err().replace(&folder, "DIR") }
        };
        insta::assert_snapshot!(fault("[ab]*.parquet").await, @"file `DIR/[ab]*.parquet`: there is no such file");
        insta::assert_snapshot!(fault("").await, @"file `DIR/`: the folder holds no Parquet file");
        insta::assert_snapshot!(fault("d.txt").await, @"`DIR/d.txt` must end with one of .parquet, .csv, .json, .jsonl, .ndjson");
        insta::assert_snapshot!(fault("[bc].*").await, @"`DIR/b.csv` and `DIR/c.ndjson` are of different kinds, and one table is of files of one");
        insta::assert_snapshot!(fault("***").await, @"file `DIR/***`: Pattern syntax error near position 18: wildcards are either regular `*` or recursive `**`");
    }

    #[tokio::test]
    async fn other_names_are_tables() {
        assert!(rows("SELECT * FROM windows").await.is_err());
        assert!(!is_path("windows") && !is_path("windows.txt"));
        assert!(is_path("windows.parquet") && is_path("./windows") && is_path("W.CSV"));
    }
}
