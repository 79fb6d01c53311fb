//! Conditions in CEL (Common Expression Language, cel-spec, doc/langdef.md), evaluated within a counted budget.
//!
//! Lexer, parser, syntax tree and macros are those of the crate `cel`; the evaluator is ours, because the library's has no
//! budget, recurses as deep as the source is long, and depends on the width of a pointer in places. Walking the tree
//! ourselves makes the count exact: every host takes the same steps, natively and in the sandbox, and what a condition may
//! cost in time and memory follows from [`MAX_CEL_STEPS`] alone.
//!
//! # What is offered
//! * Literals: null, bool, int, double, string, lists, maps with string keys. No bytes, no unsigned integers, no messages.
//! * Operators: `+ - * / % == != < <= > >= in && || ! ?:`, selection, index. Integers are checked, never wrapped.
//! * Macros: `has`, `all`, `exists`, `exists_one`, `filter`, `map` with two and with three arguments. Over a map they go
//!   through its keys, in the order of their octets.
//! * Functions: the table in `functions.rs`. `matches` is not among them: no regular expression runs here.
//!
//! # Errors
//! As the specification says, `&&` and `||` are commutative also where a side fails: `fails && false` is false and
//! `fails || true` is true, from either side, and `all` and `exists` are such chains. Everything else that has a failing
//! part fails. A spent budget is never absorbed. Whoever asks takes an error as *not satisfied*.
//!
//! # One deviation
//! An integer in a document is an int. One beyond 64 bits with sign fails where it is used, and becomes no double.

mod compile;
mod evaluate;
mod functions;
mod moment;
mod value;

mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::limits::{MAX_CEL_BYTES, MAX_CEL_COMPREHENSIONS, MAX_CEL_DEPTH, MAX_CEL_NODES, MAX_CEL_STEPS};
use crate::time::UnixTime;

pub(crate) use moment::moment;

use compile::Node;
use evaluate::Evaluation;
use value::Value;

/// Seconds since the epoch, rounded down, of a moment as RFC 3339, section 5.6, writes it, with any offset and fraction.
pub(crate) fn rfc3339_seconds(text: &str) -> Option<i64> {
    moment::Timestamp::parse(text).ok().map(moment::Timestamp::seconds)
}

/// A condition that was compiled and found small enough to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    source: String,
    root: Node,
}

impl Condition {
    /// Compiles a condition over facts with these names.
    ///
    /// # Errors
    /// [`ConditionError`], about the first thing that is wrong.
    pub fn compile(source: &str, facts: &[&str]) -> Result<Self, ConditionError> {
        Ok(Self { source: source.to_owned(), root: compile::compile(source, facts)? })
    }

    /// Whether the condition holds for these facts.
    ///
    /// # Errors
    /// [`EvaluationError`]: the condition is neither true nor false for these facts, which does not satisfy it.
    pub fn holds(&self, facts: &Facts<'_>, budget: &mut Budget) -> Result<bool, EvaluationError> {
        match Evaluation::new(facts, budget).value(&self.root)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(EvaluationError::NotBoolean { got: other.kind() }),
        }
    }

    /// The condition as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// What conditions are about: variables by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts<'f>(BTreeMap<String, Fact<'f>>);

/// One variable, or one member of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact<'f> {
    /// A document, lent or owned. Integers in it are ints.
    Json(Cow<'f, serde_json::Value>),
    /// A moment: a timestamp of CEL.
    Time(UnixTime),
    /// A map of facts, for moments inside of it.
    Members(BTreeMap<String, Fact<'f>>),
}

impl<'f> Facts<'f> {
    /// No facts.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// These facts and one more. The last one of a name counts.
    #[must_use]
    pub fn with(mut self, name: &str, fact: impl Into<Fact<'f>>) -> Self {
        self.0.insert(name.to_owned(), fact.into());
        self
    }

    fn get(&self, name: &str) -> Option<&Fact<'f>> {
        self.0.get(name)
    }
}

impl From<serde_json::Value> for Fact<'_> {
    fn from(value: serde_json::Value) -> Self {
        Self::Json(Cow::Owned(value))
    }
}

impl<'f> From<&'f serde_json::Value> for Fact<'f> {
    fn from(value: &'f serde_json::Value) -> Self {
        Self::Json(Cow::Borrowed(value))
    }
}

impl From<UnixTime> for Fact<'_> {
    fn from(value: UnixTime) -> Self {
        Self::Time(value)
    }
}

impl<'f> From<BTreeMap<String, Fact<'f>>> for Fact<'f> {
    fn from(value: BTreeMap<String, Fact<'f>>) -> Self {
        Self::Members(value)
    }
}

/// The steps that all conditions of one decision share.
///
/// One step is one node that is visited, one element that is gone through or put into a list or map, one pair of values
/// that is compared, one octet of text that is made, or 64 octets of text that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    limit: u32,
    left: u32,
}

impl Budget {
    /// The budget of one decision.
    pub const fn new() -> Self {
        Self::of(MAX_CEL_STEPS)
    }

    const fn of(limit: u32) -> Self {
        Self { limit, left: limit }
    }

    /// Steps that were taken.
    pub const fn spent(&self) -> u32 {
        self.limit.saturating_sub(self.left)
    }

    fn spend(&mut self, steps: usize) -> Result<(), EvaluationError> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.left.checked_sub(steps));
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(EvaluationError::Steps { limit: self.limit })
    }

    /// For reading this many octets of text.
    fn read(&mut self, octets: usize) -> Result<(), EvaluationError> {
        self.spend(octets / 64)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a text is not a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// More octets than [`MAX_CEL_BYTES`].
    #[error("the condition has {got} octets, at most {MAX_CEL_BYTES} are allowed")]
    TooLong {
        /// Octets there are.
        got: usize,
    },
    /// Not CEL.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line, from 1.
        line: u32,
        /// The character in it, from 1.
        column: u32,
        /// What the parser says.
        message: String,
    },
    /// More levels than [`MAX_CEL_DEPTH`]: brackets, or operators in a row.
    #[error("nested deeper than {MAX_CEL_DEPTH} levels; a chain of operators is as deep as it is long")]
    TooDeep,
    /// More parts than [`MAX_CEL_NODES`].
    #[error("more than {MAX_CEL_NODES} names, literals and operators")]
    TooManyNodes,
    /// `all`, `exists`, `map` or `filter` inside of more than [`MAX_CEL_COMPREHENSIONS`] others.
    #[error("all, exists, exists_one, map and filter may be nested {MAX_CEL_COMPREHENSIONS} levels deep")]
    Comprehensions,
    /// A variable that nobody provides.
    #[error("there is no {name:?}: there are {known}")]
    UnknownName {
        /// The name, as far as it can be shown.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A function that is not offered, or not with these arguments.
    #[error("{name}() {problem}")]
    UnknownFunction {
        /// The name, as far as it can be shown.
        name: String,
        /// What is wrong about it, and what there is instead.
        problem: String,
    },
    /// A part of CEL that is not offered.
    #[error("{what} are not offered: use {instead}")]
    NotOffered {
        /// What.
        what: &'static str,
        /// What there is instead.
        instead: &'static str,
    },
    /// Whatever the facts are, it gives something else than true or false.
    #[error("the condition gives {got}, expected true or false")]
    NotBoolean {
        /// What it gives.
        got: &'static str,
    },
}

/// Why a condition is neither true nor false for given facts. It is not satisfied then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The conditions of one decision take more steps than allowed.
    #[error("the conditions take more than {limit} steps")]
    Steps {
        /// Steps allowed.
        limit: u32,
    },
    /// A fact, or a member of one, is not there.
    #[error("there is no {path}")]
    Missing {
        /// Where it was looked for, as the condition writes it.
        path: String,
    },
    /// No such operation for values of these types.
    #[error("{operation} is not defined for {got}")]
    Type {
        /// The operator or function.
        operation: &'static str,
        /// The types there are.
        got: String,
    },
    /// The result has no place in 64 bits, or in the range of timestamps and durations.
    #[error("{operation} exceeds the range of {range}")]
    Range {
        /// The operator or function.
        operation: &'static str,
        /// The type.
        range: &'static str,
    },
    /// Division or remainder by the integer zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A place outside of a list or text.
    #[error("index {index} is outside of 0 to {size}")]
    Index {
        /// The index.
        index: i64,
        /// Elements or characters there are.
        size: u64,
    },
    /// A value that cannot be read as the type it is converted to.
    #[error("{text:?} cannot be read as {to}")]
    Conversion {
        /// The value, as far as it can be shown.
        text: String,
        /// The type.
        to: &'static str,
    },
    /// Two entries of a map literal have the same key.
    #[error("duplicate key {key:?} in a map")]
    DuplicateKey {
        /// The key, as far as it can be shown.
        key: String,
    },
    /// The condition gives something else than true or false.
    #[error("the condition gives a value of type {got}, expected true or false")]
    NotBoolean {
        /// The type.
        got: &'static str,
    },
}
