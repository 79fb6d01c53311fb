//! Evaluation (langdef.md, "Evaluation"). Recursion is as deep as the tree, which compilation has bounded.

use core::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::compile::{Binary, Body, Each, Literal, Node};
use super::value::{List, Map, Value, equal, no_overload, order};
use super::{Budget, EvaluationError, Facts};
use crate::text::{cut, excerpt};

/// Characters of a path that an error shows.
const MAX_PATH: usize = 160;

/// The evaluation of one condition.
pub(super) struct Evaluation<'e, 'b> {
    facts: &'e Facts<'e>,
    budget: &'b mut Budget,
    /// The elements that the macros around are at.
    locals: Vec<Value<'e>>,
}

type Outcome<'e> = Result<Value<'e>, EvaluationError>;

impl<'e, 'b> Evaluation<'e, 'b> {
    /// Nothing is evaluated yet.
    pub(super) fn new(facts: &'e Facts<'e>, budget: &'b mut Budget) -> Self {
        Self { facts, budget, locals: Vec::new() }
    }

    /// The value of a part.
    pub(super) fn value(&mut self, node: &'e Node) -> Outcome<'e> {
        self.budget.spend(1)?;
        match node {
            Node::Literal(literal) => Ok(literal.value()),
            Node::Fact(name) => self.facts.get(name).map_or_else(|| Err(missing(node)), Value::fact),
            Node::Local { slot, .. } => self.locals.get(*slot).cloned().ok_or_else(|| missing(node)),
            Node::Field { of, name } => match self.value(of)? {
                Value::Map(map) => {
                    self.budget.read(name.len())?;
                    map.get(name).unwrap_or_else(|| Err(missing(node)))
                }
                other => Err(no_overload("selecting a field", &[&other])),
            },
            Node::Has { of, name } => match self.value(of)? {
                Value::Map(map) => {
                    self.budget.read(name.len())?;
                    Ok(Value::Bool(map.contains(name)))
                }
                other => Err(no_overload("has", &[&other])),
            },
            Node::Index(parts) => self.index(parts),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Not(of) => Ok(Value::Bool(!self.truth(of, "!")?)),
            Node::Negate(of) => negate(self.value(of)?),
            Node::And(sides) => self.both(sides, false, "&&"),
            Node::Or(sides) => self.both(sides, true, "||"),
            Node::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                if self.truth(condition, "?:")? { self.value(yes) } else { self.value(no) }
            }
            Node::Binary(operator, sides) => self.binary(*operator, sides),
            Node::Call(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.value(argument)?);
                }
                function.call(&values, self.budget)
            }
            Node::Each(each) => self.each(each),
        }
    }

    fn truth(&mut self, node: &'e Node, operation: &'static str) -> Result<bool, EvaluationError> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(no_overload(operation, &[&other])),
        }
    }

    /// `&&`, which false decides, or `||`, which true decides (langdef.md, "Logical Operators"). An error on one side counts
    /// only when the other side does not decide. The left side is looked at first, and its error is the one that is told.
    fn both(&mut self, sides: &'e [Node; 2], decides: bool, operation: &'static str) -> Outcome<'e> {
        let [left, right] = sides;
        let left = within_budget(self.truth(left, operation))?;
        if left == Ok(decides) {
            return Ok(Value::Bool(decides));
        }
        let right = within_budget(self.truth(right, operation))?;
        if right == Ok(decides) {
            return Ok(Value::Bool(decides));
        }
        Ok(Value::Bool(left.and(right)?))
    }

    fn index(&mut self, parts: &'e [Node; 2]) -> Outcome<'e> {
        let [from, index] = parts;
        let (of, index) = (self.value(from)?, self.value(index)?);
        match (&of, &index) {
            (Value::List(list), Value::Int(index)) => {
                let place = usize::try_from(*index).ok();
                let size = u64::try_from(list.len()).unwrap_or(u64::MAX);
                let outside = EvaluationError::Index { index: *index, size };
                place.and_then(|place| list.get(place)).unwrap_or(Err(outside))
            }
            (Value::Map(map), Value::Text(key)) => {
                self.budget.read(key.get().len())?;
                map.get(key.get()).unwrap_or_else(|| {
                    let path = format!("{}[{:?}]", path(from), excerpt(key.get()));
                    Err(EvaluationError::Missing { path: cut(&path, MAX_PATH) })
                })
            }
            _ => Err(no_overload("[]", &[&of, &index])),
        }
    }

    fn list(&mut self, items: &'e [Node]) -> Outcome<'e> {
        self.budget.spend(items.len())?;
        let values: Result<Vec<_>, _> = items.iter().map(|item| self.value(item)).collect();
        values.map(Value::list)
    }

    fn map(&mut self, entries: &'e [[Node; 2]]) -> Outcome<'e> {
        self.budget.spend(entries.len())?;
        let mut map = BTreeMap::new();
        for [key, value] in entries {
            let key = match self.value(key)? {
                Value::Text(key) => key,
                other => return Err(no_overload("a key of a map", &[&other])),
            };
            self.budget.read(key.get().len())?;
            let value = self.value(value)?;
            if map.insert(key.clone(), value).is_some() {
                return Err(EvaluationError::DuplicateKey { key: excerpt(key.get()) });
            }
        }
        Ok(Value::Map(Map::Made(Rc::new(map))))
    }

    fn binary(&mut self, operator: Binary, sides: &'e [Node; 2]) -> Outcome<'e> {
        let [left, right] = sides;
        let (left, right) = (self.value(left)?, self.value(right)?);
        let ordered = |holds: fn(Ordering) -> bool, budget: &mut Budget| {
            let order = order(operator.text(), &left, &right, budget)?;
            Ok(Value::Bool(order.is_some_and(holds)))
        };
        match operator {
            Binary::Equals => equal(left, right, self.budget).map(Value::Bool),
            Binary::NotEquals => equal(left, right, self.budget).map(|same| Value::Bool(!same)),
            Binary::Less => ordered(Ordering::is_lt, self.budget),
            Binary::LessEquals => ordered(Ordering::is_le, self.budget),
            Binary::Greater => ordered(Ordering::is_gt, self.budget),
            Binary::GreaterEquals => ordered(Ordering::is_ge, self.budget),
            Binary::In => self.contained(left, &right),
            Binary::Add => match (&left, &right) {
                (Value::Text(left), Value::Text(right)) => self.concatenated(left.get(), right.get()),
                (Value::List(left), Value::List(right)) => self.chained(left, right),
                _ => arithmetic(operator, &left, &right),
            },
            _ => arithmetic(operator, &left, &right),
        }
    }

    fn contained(&mut self, item: Value<'e>, of: &Value<'e>) -> Outcome<'e> {
        match of {
            Value::List(list) => {
                for other in list.iter() {
                    self.budget.spend(1)?;
                    if equal(item.clone(), other?, self.budget)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Value::Map(map) => match &item {
                Value::Text(key) => {
                    self.budget.read(key.get().len())?;
                    Ok(Value::Bool(map.contains(key.get())))
                }
                _ => Ok(Value::Bool(false)),
            },
            other => Err(no_overload("in", &[&item, other])),
        }
    }

    fn concatenated(&mut self, left: &str, right: &str) -> Outcome<'e> {
        self.budget.spend(left.len().saturating_add(right.len()))?;
        Ok(Value::text(&[left, right].concat()))
    }

    fn chained(&mut self, left: &List<'e>, right: &List<'e>) -> Outcome<'e> {
        self.budget.spend(left.len().saturating_add(right.len()))?;
        let items: Result<Vec<_>, _> = left.iter().chain(right.iter()).collect();
        items.map(Value::list)
    }

    /// What a macro goes through: a list, or the keys of a map.
    fn range(&mut self, node: &'e Node) -> Result<List<'e>, EvaluationError> {
        match self.value(node)? {
            Value::List(list) => Ok(list),
            Value::Map(map) => {
                self.budget.spend(map.len())?;
                Ok(List::Made(Rc::new(map.keys().into_iter().map(Value::Text).collect())))
            }
            other => Err(no_overload("a macro over elements", &[&other])),
        }
    }

    fn each(&mut self, each: &'e Each) -> Outcome<'e> {
        let range = self.range(&each.range)?;
        match &each.body {
            Body::All(condition) => self.chain(&range, each.slot, condition, false),
            Body::Exists(condition) => self.chain(&range, each.slot, condition, true),
            Body::ExistsOne(condition) => {
                let mut found = 0_u32;
                for item in range.iter() {
                    let item = self.element(item)?;
                    if self.with(each.slot, item, |this| this.truth(condition, "exists_one"))? {
                        found = found.saturating_add(1);
                    }
                }
                Ok(Value::Bool(found == 1))
            }
            Body::Collect { filter, transform } => {
                let mut items = Vec::new();
                for item in range.iter() {
                    let item = self.element(item)?;
                    let made = self.with(each.slot, item, |this| match filter {
                        Some(filter) if !this.truth(filter, "filter")? => Ok(None),
                        _ => this.value(transform).map(Some),
                    })?;
                    items.extend(made);
                }
                Ok(Value::list(items))
            }
        }
    }

    /// `all`, which false decides, or `exists`, which true decides: chains of `&&` and `||` (langdef.md, "Macros").
    fn chain(&mut self, range: &List<'e>, slot: usize, condition: &'e Node, decides: bool) -> Outcome<'e> {
        let operation = if decides { "exists" } else { "all" };
        let mut first_error = None;
        for item in range.iter() {
            let held = match self.element(item) {
                Ok(item) => self.with(slot, item, |this| this.truth(condition, operation)),
                Err(error) => Err(error),
            };
            match within_budget(held)? {
                Ok(held) if held == decides => return Ok(Value::Bool(decides)),
                Ok(_) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(Value::Bool(!decides)), Err)
    }

    /// Pays for an element that is gone through.
    fn element(&mut self, item: Outcome<'e>) -> Outcome<'e> {
        self.budget.spend(1)?;
        item
    }

    /// Does something while this element is the local variable of a slot.
    fn with<T>(&mut self, slot: usize, item: Value<'e>, then: impl FnOnce(&mut Self) -> T) -> T {
        self.locals.truncate(slot);
        self.locals.push(item);
        let done = then(self);
        self.locals.truncate(slot);
        done
    }
}

/// A spent budget ends everything; any other error is one side's own.
fn within_budget(outcome: Result<bool, EvaluationError>) -> Result<Result<bool, EvaluationError>, EvaluationError> {
    match outcome {
        Err(error @ EvaluationError::Steps { .. }) => Err(error),
        other => Ok(other),
    }
}

fn negate(value: Value<'_>) -> Outcome<'_> {
    match value {
        Value::Int(int) => {
            int.checked_neg().map(Value::Int).ok_or(EvaluationError::Range { operation: "-", range: "int" })
        }
        Value::Double(double) => Ok(Value::Double(-double)),
        Value::Duration(span) => Ok(Value::Duration(span.negated())),
        other => Err(no_overload("-", &[&other])),
    }
}

/// Arithmetic (langdef.md, "Overflow"): of two ints, two doubles, or moments and time spans; never of an int and a double.
fn arithmetic<'v>(operator: Binary, left: &Value<'_>, right: &Value<'_>) -> Outcome<'v> {
    let operation = operator.text();
    let (value, range) = match (operator, left, right) {
        (Binary::Divide | Binary::Modulo, Value::Int(_), Value::Int(0)) => {
            return Err(EvaluationError::DivisionByZero);
        }
        (_, Value::Int(left), Value::Int(right)) => {
            let (left, right) = (*left, *right);
            let value = match operator {
                Binary::Add => left.checked_add(right),
                Binary::Subtract => left.checked_sub(right),
                Binary::Multiply => left.checked_mul(right),
                Binary::Divide => left.checked_div(right),
                _ => left.checked_rem(right),
            };
            (value.map(Value::Int), "int")
        }
        (Binary::Add, Value::Double(left), Value::Double(right)) => (Some(Value::Double(left + right)), "double"),
        (Binary::Subtract, Value::Double(left), Value::Double(right)) => (Some(Value::Double(left - right)), "double"),
        (Binary::Multiply, Value::Double(left), Value::Double(right)) => (Some(Value::Double(left * right)), "double"),
        (Binary::Divide, Value::Double(left), Value::Double(right)) => (Some(Value::Double(left / right)), "double"),
        (Binary::Add, Value::Timestamp(moment), Value::Duration(span))
        | (Binary::Add, Value::Duration(span), Value::Timestamp(moment)) => {
            (moment.plus(*span).map(Value::Timestamp), "timestamp")
        }
        (Binary::Subtract, Value::Timestamp(moment), Value::Duration(span)) => {
            (moment.minus(*span).map(Value::Timestamp), "timestamp")
        }
        (Binary::Subtract, Value::Timestamp(left), Value::Timestamp(right)) => {
            (left.since(*right).map(Value::Duration), "duration")
        }
        (Binary::Add, Value::Duration(left), Value::Duration(right)) => {
            (left.plus(*right).map(Value::Duration), "duration")
        }
        (Binary::Subtract, Value::Duration(left), Value::Duration(right)) => {
            (left.minus(*right).map(Value::Duration), "duration")
        }
        _ => return Err(no_overload(operation, &[left, right])),
    };
    value.ok_or(EvaluationError::Range { operation, range })
}

/// What a part of the condition names is not there.
fn missing(node: &Node) -> EvaluationError {
    EvaluationError::Missing { path: cut(&path(node), MAX_PATH) }
}

/// A part as the condition writes it, as far as it is made of names.
fn path(node: &Node) -> String {
    match node {
        Node::Fact(name) | Node::Local { name, .. } => name.clone(),
        Node::Field { of, name } => format!("{}.{name}", path(of)),
        Node::Index(parts) => {
            let [of, index] = &**parts;
            match index {
                Node::Literal(Literal::Text(key)) => format!("{}[{key:?}]", path(of)),
                Node::Literal(Literal::Int(index)) => format!("{}[{index}]", path(of)),
                _ => format!("{}[…]", path(of)),
            }
        }
        _ => "(…)".to_owned(),
    }
}
