//! Views that are planned when a query names them: most queries read none of them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

use super::linked::set_aside;
use super::names::{LOG_COVERAGE, SET_ASIDE_ROWS};
use super::overlay::{schema_of, with_schema, with_tables};
use super::queries::{Query, view};
use crate::logs::linked::LinkedFile;
use crate::schema::Table;

/// The names of the views.
const VIEWS: [&str; 3] = [LOG_COVERAGE, SET_ASIDE_ROWS, Table::Quarantine.name()];

/// Tables, and views over them.
struct Views {
    base: SessionContext,
    tables: Arc<dyn SchemaProvider>,
    linked: Arc<[LinkedFile]>,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views")
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

/// A context with the tables of another, and views over them and over linked files.
pub(super) fn with_views(
    base: &SessionContext,
    linked: Arc<[LinkedFile]>,
) -> Result<SessionContext> {
    let views = Views {
        base: base.clone(),
        tables: schema_of(base)?,
        linked,
    };
    with_schema(base, Arc::new(views))
}

impl Views {
    fn set_aside(&self) -> Result<Arc<dyn TableProvider>> {
        Ok(set_aside(&self.base, &*self.linked)?.into_view())
    }

    async fn quarantine(&self) -> Result<Arc<dyn TableProvider>> {
        let context = with_tables(&self.base, vec![(SET_ASIDE_ROWS, self.set_aside()?)])?;
        Ok(view(&context, Query::Quarantine).await?.into_view())
    }
}

#[async_trait]
impl SchemaProvider for Views {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.tables.table_names();
        names.extend(VIEWS.map(str::to_owned));
        names.sort_unstable();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if name == LOG_COVERAGE {
            let coverage = view(&self.base, Query::LogCoverage).await?;
            Ok(Some(coverage.into_view()))
        } else if name == SET_ASIDE_ROWS {
            self.set_aside().map(Some)
        } else if name == Table::Quarantine.name() {
            self.quarantine().await.map(Some)
        } else {
            self.tables.table(name).await
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        VIEWS.contains(&name) || self.tables.table_exist(name)
    }
}
