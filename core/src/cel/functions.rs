//! Functions that conditions may call: one table, and what each does (langdef.md, "Functions"; the string functions are
//! those of cel-go's ext/strings).

use super::compile::Literal;
use super::moment::{Part, Span, Timestamp};
use super::value::{List, Text, Value, no_overload, whole};
use super::{Budget, ConditionError, EvaluationError};
use crate::text::excerpt;

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Substring,
    IndexOf,
    Replace,
    Int,
    Double,
    String,
    Bool,
    Timestamp,
    Duration,
    Dyn,
    Part(Part),
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `f(x)`.
    Global,
    /// `x.f()`.
    Member,
    /// Either way.
    Both,
}

/// A row of the table: the name, how it is called, the arguments it takes at least and at most, what it is called on
/// counted.
type Row = (&'static str, Style, usize, usize, Function);

const TABLE: [Row; 29] = [
    ("size", Style::Both, 1, 1, Function::Size),
    ("contains", Style::Member, 2, 2, Function::Contains),
    ("startsWith", Style::Member, 2, 2, Function::StartsWith),
    ("endsWith", Style::Member, 2, 2, Function::EndsWith),
    ("lowerAscii", Style::Member, 1, 1, Function::LowerAscii),
    ("upperAscii", Style::Member, 1, 1, Function::UpperAscii),
    ("trim", Style::Member, 1, 1, Function::Trim),
    ("split", Style::Member, 2, 2, Function::Split),
    ("join", Style::Member, 1, 2, Function::Join),
    ("substring", Style::Member, 2, 3, Function::Substring),
    ("indexOf", Style::Member, 2, 2, Function::IndexOf),
    ("replace", Style::Member, 3, 3, Function::Replace),
    ("int", Style::Global, 1, 1, Function::Int),
    ("double", Style::Global, 1, 1, Function::Double),
    ("string", Style::Global, 1, 1, Function::String),
    ("bool", Style::Global, 1, 1, Function::Bool),
    ("timestamp", Style::Global, 1, 1, Function::Timestamp),
    ("duration", Style::Global, 1, 1, Function::Duration),
    ("dyn", Style::Global, 1, 1, Function::Dyn),
    ("getFullYear", Style::Member, 1, 1, Function::Part(Part::FullYear)),
    ("getMonth", Style::Member, 1, 1, Function::Part(Part::Month)),
    ("getDate", Style::Member, 1, 1, Function::Part(Part::Date)),
    ("getDayOfMonth", Style::Member, 1, 1, Function::Part(Part::DayOfMonth)),
    ("getDayOfWeek", Style::Member, 1, 1, Function::Part(Part::DayOfWeek)),
    ("getDayOfYear", Style::Member, 1, 1, Function::Part(Part::DayOfYear)),
    ("getHours", Style::Member, 1, 1, Function::Part(Part::Hours)),
    ("getMinutes", Style::Member, 1, 1, Function::Part(Part::Minutes)),
    ("getSeconds", Style::Member, 1, 1, Function::Part(Part::Seconds)),
    ("getMilliseconds", Style::Member, 1, 1, Function::Part(Part::Milliseconds)),
];

/// Macros that the parser leaves as calls when their arguments are wrong.
const MACROS: [(&str, &str); 7] = [
    ("has", "takes one selection, as in has(x.y)"),
    ("all", "takes a name and a condition, as in x.all(e, e > 0)"),
    ("exists", "takes a name and a condition, as in x.exists(e, e > 0)"),
    ("exists_one", "takes a name and a condition, as in x.exists_one(e, e > 0)"),
    ("existsOne", "takes a name and a condition, as in x.existsOne(e, e > 0)"),
    ("filter", "takes a name and a condition, as in x.filter(e, e > 0)"),
    ("map", "takes a name, optionally a condition, and a value, as in x.map(e, e + 1)"),
];

/// Finds a function by name, by whether it is called on something, and by its arguments.
pub(super) fn find(name: &str, on_something: bool, arguments: usize) -> Result<Function, ConditionError> {
    let error = |problem: String| Err(ConditionError::UnknownFunction { name: excerpt(name), problem });
    if name == "matches" {
        let problem = "is not offered, nor is any regular expression: use startsWith, endsWith, contains, split or ==";
        return error(problem.to_owned());
    }
    if let Some((_, usage)) = MACROS.iter().find(|(known, _)| *known == name) {
        return error((*usage).to_owned());
    }
    let Some((_, style, least, most, function)) = TABLE.iter().find(|row| row.0 == name) else {
        let known: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
        return error(format!("is not offered: there are {}", known.join(", ")));
    };
    match (style, on_something) {
        (Style::Global, true) => return error(format!("is called as {name}(x)")),
        (Style::Member, false) => return error(format!("is called as x.{name}()")),
        _ => {}
    }
    let given = arguments.saturating_add(usize::from(on_something));
    if !(*least..=*most).contains(&given) {
        let own = usize::from(on_something);
        let (least, most) = (least.saturating_sub(own), most.saturating_sub(own));
        let range = if least == most { least.to_string() } else { format!("{least} or {most}") };
        return error(format!("takes {range} arguments, and {arguments} are given"));
    }
    Ok(*function)
}

impl Function {
    /// The name, as errors give it.
    fn name(self) -> &'static str {
        TABLE.iter().find(|row| row.4 == self).map_or("", |row| row.0)
    }

    /// What it gives, where that is no truth value for certain.
    pub(super) const fn not_boolean(self) -> Option<&'static str> {
        match self {
            Self::Contains | Self::StartsWith | Self::EndsWith | Self::Bool | Self::Dyn => None,
            Self::Size | Self::IndexOf | Self::Int | Self::Double | Self::Part(_) => Some("a number"),
            Self::LowerAscii
            | Self::UpperAscii
            | Self::Trim
            | Self::Join
            | Self::Substring
            | Self::Replace
            | Self::String => Some("a string"),
            Self::Split => Some("a list"),
            Self::Timestamp => Some("a timestamp"),
            Self::Duration => Some("a duration"),
        }
    }

    /// Calls it. Whatever is read or made is paid for before.
    pub(super) fn call<'v>(self, arguments: &[Value<'v>], budget: &mut Budget) -> Result<Value<'v>, EvaluationError> {
        for argument in arguments {
            if let Value::Text(text) = argument {
                budget.read(text.get().len())?;
            }
        }
        let done = match (self, arguments) {
            (Self::Dyn, [value]) => Some(value.clone()),
            (Self::Size, [value]) => size(value),
            (Self::Int, [value]) => int(value)?,
            (Self::Double, [value]) => double(value)?,
            (Self::Bool, [value]) => boolean(value)?,
            (Self::String, [value]) => string(value, budget)?,
            (Self::Timestamp, [value]) => timestamp(value)?,
            (Self::Duration, [value]) => duration(value)?,
            (Self::Part(part), [Value::Timestamp(moment)]) => Some(Value::Int(moment.part(part))),
            (Self::Part(part), [Value::Duration(span)]) => span.part(part).map(Value::Int),
            (Self::Join, [Value::List(list)]) => Some(join(list, "", budget)?),
            (Self::Join, [Value::List(list), Value::Text(between)]) => Some(join(list, between.get(), budget)?),
            (_, [Value::Text(text)]) => self.of_text(text.get(), budget)?,
            (_, [Value::Text(text), Value::Text(other)]) => self.of_texts(text.get(), other.get(), budget)?,
            (Self::Substring, [Value::Text(text), Value::Int(start)]) => {
                Some(substring(text.get(), *start, None, budget)?)
            }
            (Self::Substring, [Value::Text(text), Value::Int(start), Value::Int(end)]) => {
                Some(substring(text.get(), *start, Some(*end), budget)?)
            }
            (Self::Replace, [Value::Text(text), Value::Text(from), Value::Text(to)]) => {
                Some(replace(text.get(), from.get(), to.get(), budget)?)
            }
            _ => None,
        };
        done.ok_or_else(|| no_overload(self.name(), &arguments.iter().collect::<Vec<_>>()))
    }

    fn of_text<'v>(self, text: &str, budget: &mut Budget) -> Result<Option<Value<'v>>, EvaluationError> {
        let text = match self {
            Self::LowerAscii | Self::UpperAscii => {
                budget.spend(text.len())?;
                if self == Self::LowerAscii { text.to_ascii_lowercase() } else { text.to_ascii_uppercase() }
            }
            Self::Trim => {
                let trimmed = text.trim();
                budget.spend(trimmed.len())?;
                trimmed.to_owned()
            }
            _ => return Ok(None),
        };
        Ok(Some(Value::text(&text)))
    }

    fn of_texts<'v>(self, text: &str, other: &str, budget: &mut Budget) -> Result<Option<Value<'v>>, EvaluationError> {
        Ok(Some(match self {
            Self::Contains => Value::Bool(text.contains(other)),
            Self::StartsWith => Value::Bool(text.starts_with(other)),
            Self::EndsWith => Value::Bool(text.ends_with(other)),
            Self::IndexOf => {
                let before = text.find(other).and_then(|octet| text.get(..octet));
                Value::Int(before.map_or(-1, |before| count(before.chars().count())))
            }
            Self::Split => split(text, other, budget)?,
            _ => return Ok(None),
        }))
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn conversion(text: &str, to: &'static str) -> EvaluationError {
    EvaluationError::Conversion { text: excerpt(text), to }
}

/// Code points, elements, entries.
fn size<'v>(value: &Value<'_>) -> Option<Value<'v>> {
    let size = match value {
        Value::Text(text) => text.get().chars().count(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => return None,
    };
    Some(Value::Int(count(size)))
}

fn int<'v>(value: &Value<'_>) -> Result<Option<Value<'v>>, EvaluationError> {
    let int = match value {
        Value::Int(int) => *int,
        Value::Double(double) => whole(*double).ok_or(EvaluationError::Range { operation: "int", range: "int" })?,
        Value::Text(text) => text.get().parse().map_err(|_| conversion(text.get(), "int"))?,
        Value::Timestamp(moment) => moment.seconds(),
        _ => return Ok(None),
    };
    Ok(Some(Value::Int(int)))
}

fn double<'v>(value: &Value<'_>) -> Result<Option<Value<'v>>, EvaluationError> {
    let double = match value {
        #[allow(clippy::cast_precision_loss, reason = "to the nearest double (langdef.md)")]
        Value::Int(int) => *int as f64,
        Value::Double(double) => *double,
        Value::Text(text) => text.get().parse().map_err(|_| conversion(text.get(), "double"))?,
        _ => return Ok(None),
    };
    Ok(Some(Value::Double(double)))
}

fn boolean<'v>(value: &Value<'_>) -> Result<Option<Value<'v>>, EvaluationError> {
    let value = match value {
        Value::Bool(value) => *value,
        Value::Text(text) => match text.get() {
            "true" | "TRUE" | "True" | "t" | "1" => true,
            "false" | "FALSE" | "False" | "f" | "0" => false,
            other => return Err(conversion(other, "bool")),
        },
        _ => return Ok(None),
    };
    Ok(Some(Value::Bool(value)))
}

fn string<'v>(value: &Value<'v>, budget: &mut Budget) -> Result<Option<Value<'v>>, EvaluationError> {
    let text = match value {
        Value::Text(_) => return Ok(Some(value.clone())),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => double_text(*value),
        Value::Timestamp(moment) => moment.text(),
        Value::Duration(span) => span.text(),
        _ => return Ok(None),
    };
    budget.spend(text.len())?;
    Ok(Some(Value::text(&text)))
}

fn timestamp<'v>(value: &Value<'_>) -> Result<Option<Value<'v>>, EvaluationError> {
    let moment = match value {
        Value::Timestamp(moment) => *moment,
        Value::Text(text) => Timestamp::parse(text.get())?,
        Value::Int(seconds) => Timestamp::from_seconds(*seconds)
            .ok_or(EvaluationError::Range { operation: "timestamp", range: "timestamp" })?,
        _ => return Ok(None),
    };
    Ok(Some(Value::Timestamp(moment)))
}

fn duration<'v>(value: &Value<'_>) -> Result<Option<Value<'v>>, EvaluationError> {
    let span = match value {
        Value::Duration(span) => *span,
        Value::Text(text) => Span::parse(text.get())?,
        _ => return Ok(None),
    };
    Ok(Some(Value::Duration(span)))
}

/// Without a separator: into characters, as Go splits.
fn split<'v>(text: &str, at: &str, budget: &mut Budget) -> Result<Value<'v>, EvaluationError> {
    let pieces: Box<dyn Iterator<Item = &str>> = if at.is_empty() {
        Box::new(text.split("").filter(|piece| !piece.is_empty()))
    } else {
        Box::new(text.split(at))
    };
    let mut list = Vec::new();
    for piece in pieces {
        budget.spend(piece.len().saturating_add(1))?;
        list.push(Value::text(piece));
    }
    Ok(Value::list(list))
}

fn join<'v>(list: &List<'_>, between: &str, budget: &mut Budget) -> Result<Value<'v>, EvaluationError> {
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        let item = item?;
        let Value::Text(text) = &item else { return Err(no_overload("join", &[&item])) };
        let between = if index == 0 { "" } else { between };
        budget.spend(between.len().saturating_add(text.get().len()).saturating_add(1))?;
        joined.push_str(between);
        joined.push_str(text.get());
    }
    Ok(Value::text(&joined))
}

/// Characters from `start` up to but not including `end`.
fn substring<'v>(text: &str, start: i64, end: Option<i64>, budget: &mut Budget) -> Result<Value<'v>, EvaluationError> {
    let size = text.chars().count();
    let end = end.unwrap_or_else(|| count(size));
    let within = |index: i64, from: i64| {
        let place = usize::try_from(index).ok().filter(|place| *place <= size && index >= from);
        place.ok_or(EvaluationError::Index { index, size: u64::try_from(size).unwrap_or(u64::MAX) })
    };
    let (from, to) = (within(start, 0)?, within(end, start)?);
    let rest = text.char_indices().nth(from).map_or("", |(octet, _)| text.get(octet..).unwrap_or_default());
    let end = rest.char_indices().nth(to.saturating_sub(from)).map_or(rest.len(), |(octet, _)| octet);
    let part = rest.get(..end).unwrap_or_default();
    budget.spend(part.len())?;
    Ok(Value::text(part))
}

fn replace<'v>(text: &str, from: &str, to: &str, budget: &mut Budget) -> Result<Value<'v>, EvaluationError> {
    let found = text.matches(from).count();
    budget.spend(found.saturating_mul(to.len()).saturating_add(text.len()))?;
    Ok(Value::text(&text.replace(from, to)))
}

/// As Go's `strconv.FormatFloat(f, 'g', -1, 64)`, which is what cel-go writes: the shortest digits that read back the same.
fn double_text(double: f64) -> String {
    if !double.is_finite() {
        let sign = if double < 0.0 { "-" } else { "+" };
        return if double.is_nan() { "NaN".to_owned() } else { format!("{sign}Inf") };
    }
    let written = format!("{double:e}");
    let Some((digits, exponent)) = written.split_once('e') else { return written };
    match exponent.parse::<i32>() {
        Ok(small) if (-4..6).contains(&small) => format!("{double}"),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        Err(_) => written,
    }
}

impl Literal {
    /// The value, lent.
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Text(text) => Value::Text(Text::Lent(text)),
        }
    }
}
