//! TOML as a tree that owns its strings and remembers the place of every key and value.

use toml::de::{DeTable, DeValue};
use toml::map::Map;

use super::problem::{Collector, Problem};
use super::source::Span;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Table),
    /// Something stands here that has been reported already. It counts as given, so that one
    /// mistake does not make a second problem ("`bucket` is missing").
    Invalid,
}

/// A table in the order of the file.
pub(super) type Table = Map<String, Entry>;

/// A key's place, and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) node: Node,
}

impl Value {
    /// What TOML calls it, as in "found an integer".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
            Self::Invalid => "nothing",
        }
    }

    pub(super) fn as_table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Node]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}

/// Parses a document. `None` at a syntax error, which has been reported then.
pub(super) fn parse(text: &str, problems: &mut Collector) -> Option<Table> {
    let (document, errors) = DeTable::parse_recoverable(text);
    // What follows the first error is mostly its consequence.
    let start = |error: &toml::de::Error| error.span().map(|span| span.start);
    match errors.into_iter().min_by_key(start) {
        None => Some(table(document.into_inner(), problems)),
        Some(error) => {
            let mut problem = Problem::error("the manifest is not valid TOML")
                .label(error.message().trim().replace('\n', "; "));
            problem.span = error.span();
            problems.add(problem);
            None
        }
    }
}

fn table(source: DeTable<'_>, problems: &mut Collector) -> Table {
    source
        .into_iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: key.span(),
                node: node(value, problems),
            };
            (key.into_inner().into_owned(), entry)
        })
        .collect()
}

fn node(source: toml::Spanned<DeValue<'_>>, problems: &mut Collector) -> Node {
    let span = source.span();
    let value = match source.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(
                |_| {
                    refuse(
                        problems,
                        &span,
                        "this integer is too large",
                        "write it as a string",
                    )
                },
                Value::Integer,
            ),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => refuse(
                problems,
                &span,
                "Terraform has no such number",
                "write a finite one",
            ),
        },
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => refuse(
            problems,
            &span,
            "Terraform has no dates",
            "put it in quotes, as a string",
        ),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| node(item, problems)).collect())
        }
        DeValue::Table(entries) => Value::Table(table(entries, problems)),
    };
    Node { value, span }
}

fn refuse(problems: &mut Collector, span: &Span, summary: &str, hint: &str) -> Value {
    problems.add(Problem::error(summary).at(span).hint(hint));
    Value::Invalid
}
