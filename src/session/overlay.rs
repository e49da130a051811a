//! Tables laid over those of a context, which itself stays as it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider,
    TableProvider,
};
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;

/// The tables of a schema, and others that stand beside them or in their place.
struct Overlay {
    over: HashMap<String, Arc<dyn TableProvider>>,
    base: Arc<dyn SchemaProvider>,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("over", &self.over.keys())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for Overlay {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.base.table_names();
        names.extend(self.over.keys().cloned());
        names.sort_unstable();
        names.dedup();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match self.over.get(name) {
            Some(table) => Ok(Some(Arc::clone(table))),
            None => self.base.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.over.contains_key(name) || self.base.table_exist(name)
    }
}

/// A context with the functions, settings and tables of another, over which some tables lie.
pub(super) fn with_tables(
    context: &SessionContext,
    tables: Vec<(&str, Arc<dyn TableProvider>)>,
) -> Result<SessionContext> {
    let base = schema_of(context)?;
    let over = tables
        .into_iter()
        .map(|(name, table)| (name.to_owned(), table))
        .collect();
    with_schema(context, Arc::new(Overlay { over, base }))
}

/// The schema of the tables of a context.
pub(super) fn schema_of(context: &SessionContext) -> Result<Arc<dyn SchemaProvider>> {
    let state = context.state();
    let defaults = &state.config_options().catalog;
    let (catalog, schema) = (&defaults.default_catalog, &defaults.default_schema);
    let found = context
        .catalog(catalog)
        .and_then(|catalog| catalog.schema(schema));
    found.ok_or_else(|| {
        DataFusionError::Internal(format!("a session without the schema {catalog}.{schema}"))
    })
}

/// A context with the functions and settings of another, and the tables of a schema.
pub(super) fn with_schema(
    context: &SessionContext,
    tables: Arc<dyn SchemaProvider>,
) -> Result<SessionContext> {
    let state = context.state();
    let defaults = &state.config_options().catalog;
    let layered = MemoryCatalogProvider::new();
    layered.register_schema(&defaults.default_schema, tables)?;
    let list = MemoryCatalogProviderList::new();
    datafusion::catalog::CatalogProviderList::register_catalog(
        &list,
        defaults.default_catalog.clone(),
        Arc::new(layered),
    );
    let state = SessionStateBuilder::new_from_existing(state.clone())
        .with_catalog_list(Arc::new(list))
        .build();
    Ok(SessionContext::new_with_state(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(context: &SessionContext, sql: &str) -> usize {
        let rows = context.sql(sql).await.unwrap().collect().await.unwrap();
        rows.iter().map(arrow::array::RecordBatch::num_rows).sum()
    }

    #[tokio::test]
    async fn a_table_is_laid_over_another_for_one_context_alone() {
        let context = SessionContext::new();
        let view = |sql: &'static str| {
            let context = context.clone();
            async move { context.sql(sql).await.unwrap().into_view() }
        };
        context
            .register_table("t", view("VALUES (1), (2)").await)
            .unwrap();
        let other = view("VALUES (1), (2), (3)").await;
        let over = with_tables(&context, vec![("t", Arc::clone(&other)), ("u", other)]).unwrap();
        assert_eq!(count(&over, "SELECT * FROM t").await, 3);
        assert_eq!(count(&over, "SELECT * FROM u").await, 3);
        assert_eq!(count(&context, "SELECT * FROM t").await, 2);
        assert!(context.sql("SELECT * FROM u").await.is_err());
    }
}
