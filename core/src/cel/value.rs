//! Values (langdef.md, "Values"): lent by facts and conditions wherever that is possible, cheap to clone always.

use core::borrow::Borrow;
use core::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Map as Members;

use super::moment::{Span, Timestamp};
use super::{Budget, EvaluationError, Fact};
use crate::ordered::sorted;

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text<'v>),
    Timestamp(Timestamp),
    Duration(Span),
    List(List<'v>),
    Map(Map<'v>),
}

/// A string. Two are the same when their octets are.
#[derive(Debug, Clone)]
pub(super) enum Text<'v> {
    Lent(&'v str),
    Made(Rc<str>),
}

/// A list.
#[derive(Debug, Clone)]
pub(super) enum List<'v> {
    Json(&'v [serde_json::Value]),
    Made(Rc<Vec<Value<'v>>>),
}

/// A map with string keys, in the order of their octets.
#[derive(Debug, Clone)]
pub(super) enum Map<'v> {
    Json(&'v Members<String, serde_json::Value>),
    Facts(&'v BTreeMap<String, Fact<'v>>),
    Made(Rc<BTreeMap<Text<'v>, Value<'v>>>),
}

impl<'v> Value<'v> {
    /// Lends a value of a document.
    ///
    /// # Errors
    /// [`EvaluationError::Range`] for an integer that does not fit an int.
    pub(super) fn json(value: &'v serde_json::Value) -> Result<Self, EvaluationError> {
        Ok(match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Self::Int(int),
                (None, Some(double)) if number.is_f64() => Self::Double(double),
                _ => return Err(EvaluationError::Range { operation: "an integer in a document", range: "int" }),
            },
            serde_json::Value::String(text) => Self::Text(Text::Lent(text)),
            serde_json::Value::Array(items) => Self::List(List::Json(items)),
            serde_json::Value::Object(members) => Self::Map(Map::Json(members)),
        })
    }

    /// Lends a fact.
    ///
    /// # Errors
    /// [`EvaluationError::Range`] for a number or moment that CEL does not have.
    pub(super) fn fact(fact: &'v Fact<'v>) -> Result<Self, EvaluationError> {
        match fact {
            Fact::Json(value) => Self::json(value),
            Fact::Time(moment) => Timestamp::from_seconds(moment.0)
                .map(Self::Timestamp)
                .ok_or(EvaluationError::Range { operation: "a moment", range: "timestamp" }),
            Fact::Members(members) => Ok(Self::Map(Map::Facts(members))),
        }
    }

    /// The text, made here.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// The list, made here.
    pub(super) fn list(items: Vec<Value<'v>>) -> Self {
        Self::List(List::Made(Rc::new(items)))
    }

    /// The name of the type (langdef.md, "Values"); `null` for `null_type`.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Timestamp(_) => "timestamp",
            Self::Duration(_) => "duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }
}

impl Text<'_> {
    /// The text.
    pub(super) fn get(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self.get()
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(other.get())
    }
}

impl<'v> List<'v> {
    /// Elements there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    /// The element at a place.
    pub(super) fn get(&self, index: usize) -> Option<Result<Value<'v>, EvaluationError>> {
        match self {
            Self::Json(items) => items.get(index).map(Value::json),
            Self::Made(items) => items.get(index).cloned().map(Ok),
        }
    }

    /// Every element, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<Value<'v>, EvaluationError>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'v> Map<'v> {
    /// Entries there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(members) => members.len(),
            Self::Facts(members) => members.len(),
            Self::Made(members) => members.len(),
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Result<Value<'v>, EvaluationError>> {
        match self {
            Self::Json(members) => members.get(key).map(Value::json),
            Self::Facts(members) => members.get(key).map(Value::fact),
            Self::Made(members) => members.get(key).cloned().map(Ok),
        }
    }

    /// Whether there is a value for a key.
    pub(super) fn contains(&self, key: &str) -> bool {
        match self {
            Self::Json(members) => members.contains_key(key),
            Self::Facts(members) => members.contains_key(key),
            Self::Made(members) => members.contains_key(key),
        }
    }

    /// Every key, in the order of octets.
    pub(super) fn keys(&self) -> Vec<Text<'v>> {
        let keys: Vec<Text<'v>> = match self {
            Self::Json(members) => members.keys().map(|key| Text::Lent(key)).collect(),
            Self::Facts(members) => members.keys().map(|key| Text::Lent(key)).collect(),
            Self::Made(members) => members.keys().cloned().collect(),
        };
        // They are sorted, unless some crate of a host turns serde_json's feature `preserve_order` on.
        sorted(keys, |one, other| one < other)
    }
}

/// `==` (langdef.md, "Equality"): numbers by value whatever their type, everything else by type and value. Not recursive.
///
/// # Errors
/// [`EvaluationError::Steps`], and [`EvaluationError::Range`] for a number in a document that cannot be read.
pub(super) fn equal<'v>(left: Value<'v>, right: Value<'v>, budget: &mut Budget) -> Result<bool, EvaluationError> {
    let mut pairs = vec![(left, right)];
    while let Some(pair) = pairs.pop() {
        let same = match pair {
            (Value::Null, Value::Null) => true,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => {
                let (left, right) = (left.get(), right.get());
                if left.len() == right.len() {
                    budget.read(left.len())?;
                }
                left == right
            }
            (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
            (Value::Duration(left), Value::Duration(right)) => left == right,
            (Value::List(left), Value::List(right)) => {
                if left.len() == right.len() {
                    budget.spend(left.len())?;
                    for (left, right) in left.iter().zip(right.iter()) {
                        pairs.push((left?, right?));
                    }
                }
                left.len() == right.len()
            }
            (Value::Map(left), Value::Map(right)) => {
                let mut same = left.len() == right.len();
                if same {
                    budget.spend(left.len())?;
                    for key in left.keys() {
                        budget.read(key.get().len())?;
                        match (left.get(key.get()), right.get(key.get())) {
                            (Some(left), Some(right)) => pairs.push((left?, right?)),
                            _ => same = false,
                        }
                    }
                }
                same
            }
            (left, right) => numbers(&left, &right).is_some_and(|order| order == Some(Ordering::Equal)),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `<` and its like (langdef.md, "Ordering"). `Ok(None)` for a number that is none.
///
/// # Errors
/// [`EvaluationError::Type`] for types without an order between them.
pub(super) fn order(
    operation: &'static str,
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut Budget,
) -> Result<Option<Ordering>, EvaluationError> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Ok(Some(left.cmp(right))),
        (Value::Text(left), Value::Text(right)) => {
            budget.read(left.get().len().min(right.get().len()))?;
            Ok(Some(left.cmp(right)))
        }
        (Value::Timestamp(left), Value::Timestamp(right)) => Ok(Some(left.cmp(right))),
        (Value::Duration(left), Value::Duration(right)) => Ok(Some(left.cmp(right))),
        _ => numbers(left, right).ok_or_else(|| no_overload(operation, &[left, right])),
    }
}

/// There is no such operation for values of these types.
pub(super) fn no_overload(operation: &'static str, values: &[&Value<'_>]) -> EvaluationError {
    let kinds: Vec<&str> = values.iter().map(|value| value.kind()).collect();
    EvaluationError::Type { operation, got: kinds.join(" and ") }
}

/// The order of two numbers; nothing where one of them is not a number type.
fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Option<Ordering>> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(Some(left.cmp(right))),
        (Value::Double(left), Value::Double(right)) => Some(left.partial_cmp(right)),
        (Value::Int(left), Value::Double(right)) => Some(int_to_double(*left, *right)),
        (Value::Double(left), Value::Int(right)) => Some(int_to_double(*right, *left).map(Ordering::reverse)),
        _ => None,
    }
}

/// Exact: a conversion of the int to a double would lose its last digits.
fn int_to_double(int: i64, double: f64) -> Option<Ordering> {
    match whole(double) {
        Some(whole) => {
            Some(int.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal)))
        }
        None => (0.0).partial_cmp(&double),
    }
}

/// The integer part of a double, where it fits an int.
pub(super) fn whole(double: f64) -> Option<i64> {
    // 2^63, which i64::MAX is not; both bounds are exact doubles.
    let limit = 9_223_372_036_854_775_808.0;
    #[allow(clippy::cast_possible_truncation, reason = "that is what is asked for, and the range was checked")]
    (double >= -limit && double < limit).then(|| double.trunc() as i64)
}
