//! Conditions in CEL, as hostile as they come: nothing panics, and every outcome is the same twice.
#![allow(clippy::expect_used, reason = "a test that cannot go on ends, and says where")]

use bulla_core::cel::{Budget, Condition, ConditionError, EvaluationError, Fact, Facts};
use bulla_core::limits::MAX_CEL_STEPS;
use bulla_core::time::UnixTime;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::json;

const NAMES: [&str; 3] = ["doc", "now", "entry"];

/// What conditions are written with, wrong and right.
const WORDS: [&str; 96] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'a':",
    ",",
    ".",
    ":",
    "?",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "<",
    ">",
    "==",
    "!=",
    "<=",
    ">=",
    "&&",
    "||",
    " in ",
    "doc",
    "now",
    "entry",
    "e",
    ".all(e,",
    ".exists(e,",
    ".exists_one(e,",
    ".filter(e,",
    ".map(e,",
    "has(",
    "size(",
    ".size()",
    ".contains(",
    ".startsWith(",
    ".split(",
    ".join(",
    ".substring(",
    ".replace(",
    ".indexOf(",
    ".trim()",
    ".upperAscii()",
    "int(",
    "double(",
    "string(",
    "bool(",
    "timestamp(",
    "duration(",
    ".getHours()",
    ".getFullYear()",
    ".getDayOfWeek()",
    ".text",
    ".list",
    ".map",
    ".int",
    ".huge",
    ".time",
    ".nope",
    "['text']",
    "[0]",
    "[1]",
    "true",
    "false",
    "null",
    "0",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "1e300",
    "0x7f",
    "'é🐱'",
    "''",
    "\"a\"",
    "'-1h'",
    "'2026-01-31T12:00:05Z'",
    "r'\\'",
    "b'x'",
    "1u",
    "`a`",
    "€",
    "//",
    "\n",
    "if",
    "matches(",
    "\\",
    "'",
    "doc.list",
    "doc.map",
    "doc.text",
    "doc.int",
];

fn facts() -> Facts<'static> {
    let document = json!({
        "text": "x".repeat(3000), "list": [1, 2.5, "é", null, {"text": "y"}], "map": {"text": "z", "int": 1},
        "int": -7, "huge": u64::MAX,
    });
    let entry = [("time".to_owned(), Fact::Time(UnixTime(0))), ("int".to_owned(), json!(1).into())];
    Facts::new().with("doc", document).with("now", UnixTime(1_769_860_805)).with("entry", Fact::Members(entry.into()))
}

/// Compiles and evaluates, twice.
fn outcome(source: &str) -> Result<Result<bool, EvaluationError>, ConditionError> {
    let condition = Condition::compile(source, &NAMES)?;
    let (mut first, mut second) = (Budget::new(), Budget::new());
    let outcome = condition.holds(&facts(), &mut first);
    assert_eq!(condition.holds(&facts(), &mut second), outcome, "{source}");
    assert_eq!(first, second, "{source}");
    assert!(first.spent() <= MAX_CEL_STEPS, "{source}");
    Ok(outcome)
}

/// Expressions that are mostly right, of a few levels.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("doc.int"),
        Just("doc.text"),
        Just("doc.list"),
        Just("doc.map"),
        Just("now"),
        Just("entry.time"),
        Just("true"),
        Just("false"),
        Just("1"),
        Just("0"),
        Just("2.5"),
        Just("'é'"),
        Just("duration('1h')"),
        Just("doc.nope"),
        Just("doc.huge"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 48, 3, |inner| {
        let operator = prop_oneof![
            Just("+"),
            Just("-"),
            Just("*"),
            Just("/"),
            Just("%"),
            Just("=="),
            Just("!="),
            Just("<"),
            Just(">="),
            Just("&&"),
            Just("||"),
            Just(" in "),
        ];
        let each = prop_oneof![Just("all"), Just("exists"), Just("exists_one"), Just("filter"), Just("map")];
        let function = prop_oneof![
            Just("size"),
            Just("string"),
            Just("int"),
            Just("double"),
            Just("bool"),
            Just("timestamp"),
            Just("duration"),
            Just("dyn"),
        ];
        let method = prop_oneof![
            Just("contains"),
            Just("startsWith"),
            Just("endsWith"),
            Just("split"),
            Just("join"),
            Just("indexOf"),
            Just("substring"),
        ];
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), each, inner.clone()).prop_map(|(a, each, b)| format!("{a}.{each}(e, {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (function, inner.clone()).prop_map(|(function, a)| format!("{function}({a})")),
            (inner.clone(), method, inner.clone()).prop_map(|(a, method, b)| format!("{a}.{method}({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'k': {a}, 'l': {b}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.prop_map(|a| format!("-{a}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_are_refused_or_evaluated(words in vec(0..WORDS.len(), 0..60)) {
        let source: String = words.into_iter().filter_map(|word| WORDS.get(word).copied()).collect();
        let _ = outcome(&source);
    }

    #[test]
    fn any_text_is_refused_or_evaluated(source in any::<String>()) {
        let _ = outcome(&source);
    }

    #[test]
    fn a_few_words_many_times_are_refused_or_evaluated(words in vec(0..WORDS.len(), 1..5), times in 1usize..300) {
        let unit: String = words.into_iter().filter_map(|word| WORDS.get(word).copied()).collect();
        let _ = outcome(&unit.repeat(times));
    }

    #[test]
    fn expressions_mean_the_same_from_both_sides(left in expression(), right in expression()) {
        let _ = outcome(&left);
        // What decides, decides from either side; steps aside, which these do not exhaust.
        let and = (outcome(&format!("{left} && {right}")), outcome(&format!("{right} && {left}")));
        if let (Ok(one), Ok(other)) = and {
            prop_assert_eq!(one.ok(), other.ok());
        }
    }

    #[test]
    fn equality_is_symmetric_and_its_opposite_is_its_opposite(left in expression(), right in expression()) {
        let equal = outcome(&format!("{left} == {right}"));
        if let (Ok(one), Ok(other)) = (&equal, outcome(&format!("{right} == {left}"))) {
            prop_assert_eq!(one.clone().ok(), other.ok());
        }
        if let (Ok(Ok(equal)), Ok(unequal)) = (&equal, outcome(&format!("{left} != {right}"))) {
            prop_assert_eq!(unequal, Ok(!equal));
        }
    }

    #[test]
    fn integers_and_moments_are_exact(left in any::<i64>(), right in any::<i64>(), seconds in -62_135_596_800_i64..253_402_300_800) {
        let calculate = |operator: &str, expected: Option<i64>| {
            let source = format!("{left} {operator} ({right}) == {}", expected.unwrap_or(0));
            let outcome = outcome(&source).expect("it compiles");
            prop_assert!(if expected.is_some() { outcome == Ok(true) } else { outcome.is_err() }, "{}", source);
            Ok(())
        };
        calculate("+", left.checked_add(right))?;
        calculate("-", left.checked_sub(right))?;
        calculate("*", left.checked_mul(right))?;
        calculate("/", left.checked_div(right))?;
        calculate("%", left.checked_rem(right))?;
        let moment = format!("int(timestamp(string(timestamp({seconds})))) == {seconds}");
        prop_assert_eq!(outcome(&moment), Ok(Ok(true)));
    }
}
