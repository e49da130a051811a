//! The functions as DataFusion calls them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Builder, StringViewArray, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{exec_datafusion_err, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::documentation;
use super::learn;
use super::networks::{PrefixLengths, address, client_network};
use super::paths::{DEPTH, MOST_DEPTH, path_group};
use super::places::PlaceKind;
use super::sources::{Enrichment, EnrichmentError};
use super::texts;

/// Registers the functions.
///
/// # Errors
/// When the registry cannot take functions.
pub fn register(registry: &mut dyn FunctionRegistry, enrichment: &Arc<Enrichment>) -> Result<()> {
    for function in Function::ALL {
        let function = ScalarUDF::new_from_impl(RequestFunction {
            function,
            enrichment: Arc::clone(enrichment),
            // What a file says may be otherwise in another session.
            signature: Signature::user_defined(Volatility::Stable),
        });
        registry.register_udf(Arc::new(function))?;
    }
    learn::register(registry)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    UserAgentClass,
    PathGroup,
    ClientNetwork,
    Country,
    Asn,
}

impl Function {
    const ALL: [Self; 5] = [
        Self::UserAgentClass,
        Self::PathGroup,
        Self::ClientNetwork,
        Self::Country,
        Self::Asn,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::UserAgentClass => "user_agent_class",
            Self::PathGroup => "path_group",
            Self::ClientNetwork => "client_network",
            Self::Country => "country",
            Self::Asn => "asn",
        }
    }

    const fn usage(self) -> &'static str {
        match self {
            Self::UserAgentClass => "user_agent_class(user_agent)",
            Self::PathGroup => "path_group(path)` or `path_group(path, 4)",
            Self::ClientNetwork => {
                "client_network(client_ip)` or `client_network(client_ip, 16, 32)"
            }
            Self::Country => "country(client_ip)",
            Self::Asn => "asn(client_ip)",
        }
    }

    /// Numbers that may follow the text, each with what it is and its range.
    const fn numbers(self) -> &'static [(&'static str, usize, usize)] {
        match self {
            Self::PathGroup => &[("depth", 1, MOST_DEPTH)],
            Self::ClientNetwork => &[
                ("length of IPv4 prefixes", 0, 32),
                ("length of IPv6 prefixes", 0, 128),
            ],
            Self::UserAgentClass | Self::Country | Self::Asn => &[],
        }
    }

    const fn result_type(self) -> DataType {
        match self {
            Self::Asn => DataType::Int64,
            _ => DataType::Utf8View,
        }
    }
}

struct RequestFunction {
    function: Function,
    enrichment: Arc<Enrichment>,
    signature: Signature,
}

impl fmt::Debug for RequestFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestFunction")
            .field(&self.function)
            .finish()
    }
}

// Two functions of one name over the same files are the same function: plans compare them.
impl PartialEq for RequestFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && Arc::ptr_eq(&self.enrichment, &other.enrichment)
    }
}

impl Eq for RequestFunction {}

impl Hash for RequestFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
        Arc::as_ptr(&self.enrichment).hash(state);
    }
}

impl ScalarUDFImpl for RequestFunction {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let numbers = self.function.numbers();
        match found {
            [text, given @ ..]
                if given.len() <= numbers.len() && given.iter().all(DataType::is_integer) =>
            {
                if let Some(text) = text_type(text) {
                    let given = given.iter().map(|_| DataType::Int64);
                    return Ok([text].into_iter().chain(given).collect());
                }
            }
            _ => {}
        }
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        plan_err!(
            "`{}` expects text{}, found ({})\nhint: `{}`",
            self.name(),
            if numbers.is_empty() {
                ""
            } else {
                " and whole numbers"
            },
            found.join(", "),
            self.function.usage()
        )
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.function.result_type())
    }

    /// Checks what is known when a query is planned: the numbers, and that files are there.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.numbers(
            |at| args.scalar_arguments.get(at).copied().flatten().cloned(),
            args.arg_fields.len(),
        )?;
        let ready = match self.function {
            Function::UserAgentClass => self.enrichment.open_user_agents(),
            Function::Country => self.enrichment.places(PlaceKind::Country).map(drop),
            Function::Asn => self.enrichment.places(PlaceKind::Asn).map(drop),
            Function::PathGroup => self.enrichment.path_patterns().map(drop),
            Function::ClientNetwork => Ok(()),
        };
        if let Err(error) = ready {
            return plan_err!("{}", told(&error));
        }
        let is_nullable = self.function != Function::UserAgentClass;
        Ok(Arc::new(Field::new(
            self.name(),
            self.function.result_type(),
            is_nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = |at: usize| match args.args.get(at) {
            Some(ColumnarValue::Scalar(value)) => Some(value.clone()),
            _ => None,
        };
        let numbers = self.numbers(scalar, args.args.len())?;
        let Some(text) = args.args.first() else {
            return exec_err!("`{}` expects text", self.name());
        };
        let is_scalar = matches!(text, ColumnarValue::Scalar(_));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let values = texts::map(&text.to_array(rows)?, |distinct| {
            self.of(distinct, &numbers)
        })?;
        Ok(if is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
        } else {
            ColumnarValue::Array(values)
        })
    }
}

/// The type that a text is read as; `None` for what is none. Dictionaries stay, so that each of their
/// values is looked at once.
fn text_type(found: &DataType) -> Option<DataType> {
    match found {
        DataType::Dictionary(_, values) if values.is_string() => Some(found.clone()),
        _ if found.is_string() || found.is_null() => Some(DataType::Utf8View),
        _ => None,
    }
}

fn told(error: &EnrichmentError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

impl RequestFunction {
    /// The numbers behind the text: those given, which must be constants.
    fn numbers(
        &self,
        constant: impl Fn(usize) -> Option<ScalarValue>,
        arguments: usize,
    ) -> Result<Vec<usize>> {
        let mut numbers = Vec::new();
        for (index, (what, least, most)) in self.function.numbers().iter().enumerate() {
            let at = index + 1;
            if at >= arguments {
                break;
            }
            match constant(at) {
                Some(ScalarValue::Int64(Some(number)))
                    if usize::try_from(number).is_ok_and(|n| (*least..=*most).contains(&n)) =>
                {
                    numbers.push(number as usize);
                }
                found => {
                    let found = found
                        .map_or_else(|| "no constant".to_owned(), |value| format!("`{value}`"));
                    return plan_err!(
                        "`{}` expects the {what} as a number from {least} to {most}, found {found}\n\
                         hint: `{}`",
                        self.name(),
                        self.function.usage()
                    );
                }
            }
        }
        Ok(numbers)
    }

    /// One value for each text.
    fn of(&self, texts: &StringViewArray, numbers: &[usize]) -> Result<ArrayRef> {
        match self.function {
            Function::UserAgentClass => {
                let agents = self
                    .enrichment
                    .user_agents()
                    .map_err(|error| exec_datafusion_err!("{}", told(&error)))?;
                let classes = texts.iter().map(|text| Some(agents.class(text).name()));
                Ok(Arc::new(classes.collect::<StringViewArray>()))
            }
            Function::PathGroup => {
                let depth = numbers.first().copied().unwrap_or(DEPTH);
                let patterns = self.enrichment.path_patterns();
                let patterns =
                    patterns.map_err(|error| exec_datafusion_err!("{}", told(&error)))?;
                Ok(strings(texts, |path| {
                    Ok(Some(path_group(path, depth, patterns)))
                })?)
            }
            Function::ClientNetwork => {
                let default = PrefixLengths::default();
                let length = |at: usize, default: u8| {
                    numbers.get(at).map_or(default, |length| *length as u8)
                };
                let lengths = PrefixLengths {
                    v4: length(0, default.v4),
                    v6: length(1, default.v6),
                };
                Ok(strings(texts, |client| {
                    Ok(client_network(client, lengths))
                })?)
            }
            Function::Country => {
                let places = self
                    .enrichment
                    .places(PlaceKind::Country)
                    .map_err(|error| exec_datafusion_err!("{}", told(&error)))?;
                strings(texts, |client| match address(client) {
                    Some(address) => places
                        .country(address)
                        .map_err(|error| exec_datafusion_err!("{error}")),
                    None => Ok(None),
                })
            }
            Function::Asn => {
                let places = self
                    .enrichment
                    .places(PlaceKind::Asn)
                    .map_err(|error| exec_datafusion_err!("{}", told(&error)))?;
                let mut numbers = Int64Builder::with_capacity(texts.len());
                for client in texts {
                    let found = client
                        .and_then(address)
                        .map(|address| places.asn(address))
                        .transpose();
                    numbers.append_option(
                        found
                            .map_err(|error| exec_datafusion_err!("{error}"))?
                            .flatten(),
                    );
                }
                Ok(Arc::new(numbers.finish()))
            }
        }
    }
}

/// What a function makes of texts that are not NULL, each result kept once.
fn strings<T: AsRef<str>>(
    texts: &StringViewArray,
    function: impl Fn(&str) -> Result<Option<T>>,
) -> Result<ArrayRef> {
    let mut results = StringViewBuilder::with_capacity(texts.len()).with_deduplicate_strings();
    for text in texts {
        results.append_option(text.map(&function).transpose()?.flatten());
    }
    Ok(Arc::new(results.finish()))
}
