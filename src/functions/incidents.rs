//! What the queries of incidents need beside SQL.
//!
//! What they take and return is said by their [`Documentation`], from which `docs/sql.md` is made.
//!
//! NULL in gives NULL out. Values come from whoever sends requests: they are hashed or cut,
//! and never interpreted otherwise.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use crate::schema::timestamp_type;

/// Hexadecimal digits of an identity: 64 bits, so that among a million incidents two are alike with
/// a chance of 3 in 100 million.
const ID_DIGITS: usize = 16;

/// Registers every function.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in Function::ALL {
        let function = ScalarUDF::new_from_impl(IncidentFunction {
            function,
            signature: Signature::user_defined(Volatility::Immutable),
        });
        registry.register_udf(Arc::new(function))?;
    }
    Ok(())
}

/// Names the incident of a series that starts at a time, in microseconds since the epoch.
#[must_use]
pub fn incident_id(series: &str, started_at: i64) -> String {
    let mut digest = blake3::Hasher::new();
    // Fixed length first, so that no other series and time make the same bytes.
    digest.update(&started_at.to_le_bytes());
    digest.update(series.as_bytes());
    digest.finalize().to_hex()[..ID_DIGITS].to_owned()
}

/// The path up to and with its last slash: what `/orders/1` and `/orders/2` have in common.
#[must_use]
pub fn path_folder(path: &str) -> &str {
    &path[..path.rfind('/').map_or(0, |slash| slash + 1)]
}

const INCIDENTS: DocSection = DocSection {
    include: true,
    label: "Incidents",
    description: Some(
        "Scalar functions that the tables of incidents are made with, of use where requests are grouped. \
         NULL gives NULL. Texts come from whoever sends requests: they are hashed or cut, \
         and never interpreted otherwise.",
    ),
};

static INCIDENT_ID: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        INCIDENTS,
        "Names the incident of a series that starts at a time: the `incident_id` of `incidents`. The \
         result is a STRING of 16 hexadecimal digits, a BLAKE3 digest of both, and so the same in every \
         run and version.",
        "incident_id(series, started_at)",
    )
    .with_argument(
        "series",
        "STRING: the series, which is `site` in `incidents`.",
    )
    .with_argument(
        "started_at",
        "TIMESTAMP: the start of its first window, read in microseconds. One without a zone is UTC.",
    )
    .with_sql_example(
        "\
```sql
SELECT incident_id('shop', TIMESTAMP '2026-02-25T06:13:20Z') AS incident_id
```

```text
+------------------+
| incident_id      |
+------------------+
| 1edd7265fe434ffd |
+------------------+
```",
    )
    .build()
});

static PATH_FOLDER: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        INCIDENTS,
        "Cuts a path after its last slash: what `/orders/1` and `/orders/2` have in common. The result is \
         a STRING, empty for a path without a slash.",
        "path_folder(path)",
    )
    .with_argument("path", "STRING: the path of a request, without its query.")
    .with_sql_example(
        "\
```sql
SELECT path, path_folder(path) AS folder
FROM   (VALUES ('/v1/orders/17'), ('/'), ('*')) AS t(path)
ORDER  BY path
```

```text
+---------------+-------------+
| path          | folder      |
+---------------+-------------+
| *             |             |
| /             | /           |
| /v1/orders/17 | /v1/orders/ |
+---------------+-------------+
```",
    )
    .build()
});

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    IncidentId,
    PathFolder,
}

impl Function {
    const ALL: [Self; 2] = [Self::IncidentId, Self::PathFolder];

    const fn name(self) -> &'static str {
        match self {
            Self::IncidentId => "incident_id",
            Self::PathFolder => "path_folder",
        }
    }

    fn documentation(self) -> &'static Documentation {
        match self {
            Self::IncidentId => &INCIDENT_ID,
            Self::PathFolder => &PATH_FOLDER,
        }
    }

    fn argument_types(self) -> Vec<DataType> {
        match self {
            Self::IncidentId => vec![DataType::Utf8View, timestamp_type()],
            Self::PathFolder => vec![DataType::Utf8View],
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::IncidentId => "incident_id(site, started_at)",
            Self::PathFolder => "path_folder(path)",
        }
    }

    fn of(self, arguments: &[ArrayRef]) -> ArrayRef {
        let texts = arguments[0].as_string_view();
        match self {
            Self::IncidentId => {
                let times = arguments[1].as_primitive::<TimestampMicrosecondType>();
                let rows = texts.iter().zip(times);
                let ids = rows.map(|(series, time)| Some(incident_id(series?, time?)));
                Arc::new(ids.collect::<StringViewArray>())
            }
            // Paths share folders.
            Self::PathFolder => Arc::new(deduplicated(texts, |path| Some(path_folder(path)))),
        }
    }
}

/// What a function makes of texts, each result kept once.
fn deduplicated<'a, T: AsRef<str>>(
    texts: &'a StringViewArray,
    function: impl Fn(&'a str) -> Option<T>,
) -> StringViewArray {
    let mut results = StringViewBuilder::with_capacity(texts.len()).with_deduplicate_strings();
    for text in texts {
        results.append_option(text.and_then(&function));
    }
    results.finish()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct IncidentFunction {
    function: Function,
    signature: Signature,
}

impl ScalarUDFImpl for IncidentFunction {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(self.function.documentation())
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let expected = self.function.argument_types();
        let is_text = |found: &DataType| found.is_string() || found.is_null();
        let is_time =
            |found: &DataType| matches!(found, DataType::Timestamp(..)) || found.is_null();
        let fits =
            expected.len() == found.len() && is_text(&found[0]) && found.get(1).is_none_or(is_time);
        if !fits {
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            return plan_err!(
                "`{}` expects text{}, found ({})\nhint: `{}`",
                self.name(),
                if expected.len() > 1 {
                    " and a timestamp"
                } else {
                    ""
                },
                found.join(", "),
                self.function.example()
            );
        }
        Ok(expected)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(self.function.of(&arrays)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_paths() {
        for (path, folder) in [
            ("/v1/orders/17", "/v1/orders/"),
            ("/v1/orders/", "/v1/orders/"),
            ("/", "/"),
            ("/é/ü", "/é/"),
            ("*", ""),
            ("", ""),
        ] {
            assert_eq!(path_folder(path), folder);
        }
    }

    #[test]
    fn identities_depend_on_series_and_time_alone() {
        let id = incident_id("shop", 1_772_000_000_000_000);
        assert_eq!(id.len(), ID_DIGITS);
        assert_eq!(id, incident_id("shop", 1_772_000_000_000_000));
        assert_ne!(id, incident_id("shop", 1_772_000_060_000_000));
        assert_ne!(id, incident_id("blog", 1_772_000_000_000_000));
        // Written down, so that an update of the program cannot rename stored incidents.
        assert_eq!(id, "1edd7265fe434ffd");
    }
}
