//! Expressions and what they give; a good part of them from cel-spec's tests/simple/testdata.
#![cfg(test)]

use serde_json::{Value, json};

use super::{Budget, Condition, ConditionError, EvaluationError, Fact, Facts};
use crate::limits::MAX_CEL_STEPS;
use crate::time::UnixTime;

const NAMES: [&str; 4] = ["image", "predicate", "now", "entry"];

fn document() -> Value {
    json!({
        "builder": {"id": "https://github.com/actions/runner/github-hosted"},
        "level": 3,
        "score": 7.5,
        "finishedOn": "2026-01-31T11:00:00Z",
        "reviewers": ["ann", "bob", "cleo"],
        "materials": [{"uri": "git+https://example.com/a", "digest": {"sha1": "aa"}}, {"uri": "pkg:b", "digest": {}}],
        "labels": {"team": "red", "tier": "1"},
        "nothing": null,
        "huge": u64::MAX,
        "numbers": (0..300).collect::<Vec<_>>(),
    })
}

fn facts() -> Facts<'static> {
    let entry = [("time".to_owned(), Fact::Time(UnixTime(1_769_857_205))), ("index".to_owned(), json!(7).into())];
    Facts::new()
        .with("image", json!({"repository": "docker.io/library/app", "tag": "1.4"}))
        .with("predicate", document())
        .with("now", UnixTime(1_769_860_805))
        .with("entry", Fact::Members(entry.into()))
}

fn compile(source: &str) -> Condition {
    Condition::compile(source, &NAMES).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn holds(source: &str) -> Result<bool, EvaluationError> {
    compile(source).holds(&facts(), &mut Budget::new())
}

fn refused(source: &str) -> ConditionError {
    match Condition::compile(source, &NAMES) {
        Err(error) => error,
        Ok(condition) => panic!("{source}: compiled to {condition:?}"),
    }
}

fn steps(source: &str) -> u32 {
    let mut budget = Budget::new();
    let _outcome = compile(source).holds(&facts(), &mut budget);
    budget.spent()
}

#[test]
fn conditions_that_hold() {
    for source in [
        // What policies will ask.
        "predicate.builder.id == 'https://github.com/actions/runner/github-hosted'",
        "predicate.builder.id.startsWith('https://github.com/') && predicate.level >= 3",
        "predicate.materials.exists(m, m.uri.startsWith('git+') && m.digest.sha1 == 'aa')",
        "predicate.materials.all(m, has(m.digest)) && !has(predicate.missing)",
        "'ann' in predicate.reviewers && size(predicate.reviewers) >= 2",
        "now - timestamp(predicate.finishedOn) < duration('24h')",
        "now - entry.time == duration('1h') && entry.index == 7",
        "'team' in predicate.labels && predicate.labels['team'] == 'red'",
        "image.repository.startsWith('docker.io/library/') ? image.tag != 'latest' : false",
        "predicate.score > 7 && predicate.score < 7.6",
        // parse.textproto, plumbing.textproto, basic.textproto.
        "true",
        "(((1 + 2)) * 3) == 9 && ((1) + (2)) == 3 && (((1) + 2)) == 3",
        "1 + 2 * 3 - 4 / 2 % 3 == 5",
        "false ? false : true",
        "true ? true : 1 / 0 > 0",
        "-(1) == -1 && --1 == 1 && !!true && !(!true)",
        "0x10 == 16 && -0xF == -15 && 1.5e2 == 150.0 && .5 == 0.5",
        r#""\x41\u0042\U00000043\104" == 'ABCD' && r'\n' == '\\n' && '''a'b''' == "a'b""#,
        "// a comment\n true",
        // comparisons.textproto.
        "1 == 1.0 && 1 != 1.5 && !(1 == '1') && '1' != 1 && null == null && !(null == false)",
        "9223372036854775807 != 9223372036854775808.0 && 9223372036854775807 < 9223372036854775808.0",
        "-9223372036854775808 == -9223372036854775808.0 && 1 < 1.5 && 1.5 < 2 && -1 > -1.5 && -2 < -1.5",
        "0.0 == -0.0 && !(0.0 / 0.0 == 0.0 / 0.0) && !(0.0 / 0.0 < 1) && 1.0 / 0.0 > 9223372036854775807",
        "'a' < 'b' && 'a' < 'aa' && 'Z' < 'a' && 'é' > 'z' && false < true",
        "[1, 2] == [1.0, 2.0] && [] == [] && [1] != [1, 2] && [[1]] == [[1]] && [1, 2] != [2, 1]",
        "{'a': 1, 'b': [2]} == {'b': [2.0], 'a': 1.0} && {'a': 1} != {'b': 1} && {'a': 1} != {}",
        "predicate.labels == {'team': 'red', 'tier': '1'} && predicate.labels == predicate.labels",
        "timestamp('2026-01-31T12:00:05Z') == now && duration('60s') == duration('1m')",
        // integer_math.textproto, fp_math.textproto.
        "-7 / 2 == -3 && -7 % 2 == -1 && 7 % -2 == 1",
        "9223372036854775807 + 0 > 9223372036854775806 && -9223372036854775808 < 0",
        "1.0 / 3.0 * 3.0 == 1.0 && 4.5 - 0.5 == 4.0",
        // logic.textproto: an error is absorbed by the side that decides, whichever it is.
        "true || 1 / 0 > 0",
        "1 / 0 > 0 || true",
        "!(false && 1 / 0 > 0)",
        "!(1 / 0 > 0 && false)",
        "predicate.missing == 1 || true",
        "'text' || true",
        "true || 'text'",
        "!('text' && false)",
        // macros.textproto.
        "[1, 2, 3].all(e, e > 0) && [].all(e, e > 0) && ![1, -1].all(e, e > 0)",
        "[1, 2, 3].exists(e, e == 3) && ![].exists(e, true)",
        "[1, 2, 3].exists_one(e, e > 2) && ![1, 2, 3].exists_one(e, e > 1) && ![].exists_one(e, true)",
        "[1, 2, 3].map(e, e * 2) == [2, 4, 6] && [1, 2, 3].map(e, e > 1, e * 2) == [4, 6]",
        "[1, 2, 3].filter(e, e % 2 == 1) == [1, 3] && [].filter(e, e) == [] && [].map(e, e) == []",
        "![1, 2, 3].all(e, 6 / (2 - e) == 6)",
        "[1, 2, 3].exists(e, 10 / (e - 1) == 10)",
        "{'k': 1, 'l': 2}.all(k, k in ['k', 'l']) && {'b': 1, 'a': 2}.map(k, k) == ['a', 'b']",
        "predicate.labels.exists(k, predicate.labels[k] == 'red') && entry.all(k, k in ['index', 'time'])",
        "[[1, 2], [3]].all(list, list.all(e, e < 4)) && [[1], [2]].map(l, l.map(e, e + 1)) == [[2], [3]]",
        "[1].all(now, now == 1) && [1].map(e, [2].map(e, e)) == [[2]]",
        "[1, 2].map(e, e + 1).filter(e, e > 2).map(e, [e]).all(e, e == [3])",
        "has({'a': 1}.a) && !has({'a': 1}.b) && has(predicate.nothing) && has(predicate.builder.id)",
        // lists.textproto, fields.textproto.
        "[1, 2] + [3] == [1, 2, 3] && [] + [] == [] && predicate.reviewers + ['dan'] == ['ann', 'bob', 'cleo', 'dan']",
        "[1, 2, 3][0] == 1 && [1, 2, 3][2] == 3 && {'a': {'b': 1}}.a['b'] == 1 && [[1]][0][0] == 1",
        "1 in [3, 1.0] && !('a' in [1]) && 'a' in {'a': 1} && !('b' in {'a': 1}) && !(1 in {'a': 1}) && !(1 in [])",
        "size([1, 2]) == 2 && [1].size() == 1 && size({'a': 1}) == 1 && size('é✌🐱') == 3 && ''.size() == 0",
        // string.textproto, string_ext.textproto.
        "'abc'.contains('b') && 'abc'.contains('') && !'abc'.contains('d') && 'abc'.startsWith('') && 'abc'.endsWith('c')",
        "'a' + 'b' == 'ab' && 'TacoCat'.lowerAscii() == 'tacocat' && 'tÃ'.upperAscii() == 'TÃ' && '  a\\n'.trim() == 'a'",
        "'hello hello'.replace('he', 'we') == 'wello wello' && 'ab'.replace('', '-') == '-a-b-'",
        "'a,b,,c'.split(',') == ['a', 'b', '', 'c'] && ''.split(',') == [''] && 'ab'.split('') == ['a', 'b']",
        "['a', 'b'].join() == 'ab' && ['a', 'b'].join('-') == 'a-b' && [].join('-') == ''",
        "'tacocat'.substring(4) == 'cat' && 'ta©o'.substring(2, 3) == '©' && 'a'.substring(1) == '' && ''.substring(0, 0) == ''",
        "'ta©o©αT'.indexOf('©') == 2 && 'tacocat'.indexOf('none') == -1 && 'tacocat'.indexOf('') == 0",
        // conversions.textproto.
        "int('-42') == -42 && int(-1.9) == -1 && int(1.9) == 1 && int(timestamp('1970-01-01T00:01:00.9Z')) == 60",
        "double('1.5') == 1.5 && double(3) == 3.0 && string(-5) == '-5' && string(true) == 'true' && string('a') == 'a'",
        "string(123.456) == '123.456' && string(-4.5e-3) == '-0.0045' && string(6.02214e23) == '6.02214e+23'",
        "string(1.0) == '1' && string(1e6) == '1e+06' && string(1e-7) == '1e-07' && string(0.0) == '0'",
        "bool('true') && bool('T') == false || bool('t') && !bool('0') && dyn(1) == 1",
        // timestamps.textproto.
        "string(timestamp('2009-02-13T23:31:30Z')) == '2009-02-13T23:31:30Z' && int(timestamp('2009-02-13T23:31:30Z')) == 1234567890",
        "timestamp('2009-02-13T23:31:30.25+01:30') == timestamp('2009-02-13T22:01:30.250Z')",
        "string(timestamp('0001-01-01T00:00:00Z')) == '0001-01-01T00:00:00Z' && timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
        "string(timestamp('9999-12-31T23:59:59.999999999Z')) == '9999-12-31T23:59:59.999999999Z'",
        "string(duration('1000000s')) == '1000000s' && string(duration('-1.5h')) == '-5400s' && string(duration('1ms')) == '0.001s'",
        "duration('1h1m1s1ms1us1ns') == duration('3661.001001001s') && duration('0') == duration('-0s') && duration('.5h') == duration('30m')",
        "timestamp('2009-02-13T23:31:30Z') + duration('4m') == timestamp('2009-02-13T23:35:30Z')",
        "duration('4m') + timestamp('2009-02-13T23:31:30Z') - timestamp('2009-02-13T23:31:30Z') == duration('240s')",
        "duration('1h') - duration('1m') == duration('59m') && -duration('1s') == duration('-1s') && duration('1s') < duration('1m')",
        "timestamp('2009-02-13T02:03:04.567Z').getFullYear() == 2009 && timestamp('2009-02-13T02:03:04Z').getMonth() == 1",
        "timestamp('2009-02-13T02:03:04Z').getDate() == 13 && timestamp('2009-02-13T02:03:04Z').getDayOfMonth() == 12",
        "timestamp('2009-02-13T02:03:04Z').getDayOfWeek() == 5 && timestamp('2009-02-13T02:03:04Z').getDayOfYear() == 43",
        "timestamp('2009-02-13T02:03:04.567Z').getHours() == 2 && timestamp('2009-02-13T02:03:04.567Z').getMilliseconds() == 567",
        "timestamp('1969-12-31T23:59:59.5Z').getSeconds() == 59 && timestamp('2000-02-29T00:07:00Z').getMinutes() == 7",
        "duration('3730s').getHours() == 1 && duration('3730s').getMinutes() == 62 && duration('3730s').getSeconds() == 3730",
    ] {
        assert_eq!(holds(source), Ok(true), "{source}");
    }
}

#[test]
fn conditions_that_do_not_hold() {
    for source in [
        "false",
        "predicate.level == '3'",
        "predicate.builder.id == image.repository",
        "predicate.reviewers.all(r, r in ['ann', 'bob'])",
        "now < timestamp(predicate.finishedOn)",
        "1 / 0 > 0 && false",
        "predicate.materials.all(m, m.digest.sha1 == 'bb')",
    ] {
        assert_eq!(holds(source), Ok(false), "{source}");
    }
}

#[test]
fn conditions_that_are_neither_say_why() {
    for (source, reason) in [
        ("predicate.builder.name == 'x'", "there is no predicate.builder.name"),
        ("predicate.labels['owner'] == 'x'", "there is no predicate.labels[\"owner\"]"),
        ("predicate.materials.all(m, m.digest.sha1 == 'aa')", "there is no m.digest.sha1"),
        ("predicate.materials[1].digest['a' + 'b'] == 1", "there is no predicate.materials[1].digest[\"ab\"]"),
        ("{'a': 1}.b == 1", "there is no (…).b"),
        ("has(predicate.a.b)", "there is no predicate.a"),
        ("has(predicate.level.b)", "has is not defined for int"),
        ("predicate.nothing.a == 1", "selecting a field is not defined for null"),
        ("predicate.level + 'a' == 'b'", "+ is not defined for int and string"),
        ("predicate.level + 1.5 > 0.0", "+ is not defined for int and double"),
        ("now - 5 < now", "- is not defined for timestamp and int"),
        ("now + now == now", "+ is not defined for timestamp and timestamp"),
        ("predicate.level < '4'", "< is not defined for int and string"),
        ("[1] < [2]", "< is not defined for list and list"),
        ("!predicate.level", "! is not defined for int"),
        ("-predicate.builder.id == 'x'", "- is not defined for string"),
        ("predicate.level ? true : false", "?: is not defined for int"),
        ("true && predicate.level", "&& is not defined for int"),
        ("predicate.level || false", "|| is not defined for int"),
        ("1 in 'a'", "in is not defined for int and string"),
        ("size(1) == 1", "size is not defined for int"),
        ("'a'.contains(1)", "contains is not defined for string and int"),
        ("predicate.level.startsWith('a')", "startsWith is not defined for int and string"),
        ("[1].join() == ''", "join is not defined for int"),
        ("duration('1s').getMonth() == 0", "getMonth is not defined for duration"),
        ("predicate.level.all(e, true)", "a macro over elements is not defined for int"),
        ("predicate.level", "the condition gives a value of type int, expected true or false"),
        ("{predicate.level: 1} == {}", "a key of a map is not defined for int"),
        ("{'a': 1, 'a': 2} == {}", "duplicate key \"a\" in a map"),
        ("9223372036854775807 + 1 > 0", "+ exceeds the range of int"),
        ("-9223372036854775808 - 1 < 0", "- exceeds the range of int"),
        ("5000000000 * 5000000000 > 0", "* exceeds the range of int"),
        ("-9223372036854775808 / -1 > 0", "/ exceeds the range of int"),
        ("-(-9223372036854775808) > 0", "- exceeds the range of int"),
        ("1 / 0 > 0", "division by zero"),
        ("1 % 0 > 0", "division by zero"),
        ("1.5 % 0.5 > 0.0", "% is not defined for double and double"),
        ("predicate.huge > 1", "an integer in a document exceeds the range of int"),
        ("int(1e19) > 0", "int exceeds the range of int"),
        ("int('1.5') > 0", "\"1.5\" cannot be read as int"),
        ("double('x') > 0.0", "\"x\" cannot be read as double"),
        ("bool('yes')", "\"yes\" cannot be read as bool"),
        ("predicate.reviewers[3] == 'x'", "index 3 is outside of 0 to 3"),
        ("[1][-1] == 1", "index -1 is outside of 0 to 1"),
        ("[1]['a'] == 1", "[] is not defined for list and string"),
        ("{'a': 1}[0] == 1", "[] is not defined for map and int"),
        ("'abc'.substring(2, 1) == ''", "index 1 is outside of 0 to 3"),
        ("'abc'.substring(4) == ''", "index 4 is outside of 0 to 3"),
        (
            "timestamp('2026-02-29T00:00:00Z') < now",
            "\"2026-02-29T00:00:00Z\" cannot be read as timestamp as RFC 3339 writes it",
        ),
        (
            "timestamp('0000-01-01T00:00:00Z') < now",
            "\"0000-01-01T00:00:00Z\" cannot be read as timestamp as RFC 3339 writes it",
        ),
        ("timestamp(253402300800) < now", "timestamp exceeds the range of timestamp"),
        ("timestamp('9999-12-31T23:59:59Z') + duration('1s') > now", "+ exceeds the range of timestamp"),
        ("duration('1 h') > duration('1s')", "\"1 h\" cannot be read as duration such as 1h30m"),
        ("duration('9999999999h') > duration('1s')", "\"9999999999h\" cannot be read as duration such as 1h30m"),
        // Both sides fail: the left one is told.
        ("1 / 0 > 0 || predicate.missing", "division by zero"),
        ("predicate.missing && 1 / 0 > 0", "there is no predicate.missing"),
        ("true && 1 / 0 > 0", "division by zero"),
        ("[1, 0].all(e, 1 / e > 0)", "division by zero"),
        ("[0, 1].exists(e, 1 / e > 1)", "division by zero"),
        ("[0, 1].exists_one(e, 1 / e == 1)", "division by zero"),
        ("[0, 1].filter(e, 1 / e == 1) == [1]", "division by zero"),
    ] {
        assert_eq!(holds(source).map_err(|error| error.to_string()), Err(reason.to_owned()), "{source}");
    }
}

#[test]
fn facts_that_are_not_there_are_missing() {
    let condition = compile("now == now");
    let missing = EvaluationError::Missing { path: "now".to_owned() };
    assert_eq!(condition.holds(&Facts::new(), &mut Budget::new()), Err(missing));
    let far = Facts::new().with("now", UnixTime(i64::MAX));
    let range = EvaluationError::Range { operation: "a moment", range: "timestamp" };
    assert_eq!(condition.holds(&far, &mut Budget::new()), Err(range));
}

#[test]
fn what_is_no_condition_is_refused_with_a_reason() {
    for (source, reason) in [
        ("", "line 1, column 1: Syntax error: mismatched input '<EOF>' expecting expression"),
        ("now ==", "line 1, column 7: Syntax error: mismatched input '<EOF>' expecting expression"),
        ("'é' == now now", "line 1, column 12: Syntax error: mismatched input 'now' expecting <EOF>"),
        ("now\n == 'é", "line 2, column 5: unterminated string literal"),
        ("now == €", "line 1, column 8: unexpected character"),
        ("now == now;", "line 1, column 11: unexpected character"),
        ("(now", "line 1, column 5: expected ')'"),
        ("now == 99999999999999999999", "line 1, column 8: invalid int literal"),
        ("now.?a == 1", "line 1, column 4: unsupported syntax '.?'"),
        ("if == 1", "line 1, column 1: reserved identifier: if"),
        ("has(now)", "line 1, column 5: invalid argument to has() macro"),
        ("[1].all(a.b, true)", "line 1, column 10: argument must be a simple name"),
        ("nope == 1", "there is no \"nope\": there are image, predicate, now, entry"),
        ("[1].all(e, true) && e == 1", "there is no \"e\": there are image, predicate, now, entry"),
        (".now == 1", "there is no \".now\": there are image, predicate, now, entry"),
        (
            "image.tag.matches('^1')",
            "matches() is not offered, nor is any regular expression: use startsWith, endsWith, contains, split or ==",
        ),
        ("size(1, 2) == 1", "size() takes 1 arguments, and 2 are given"),
        ("'a'.substring() == ''", "substring() takes 1 or 2 arguments, and 0 are given"),
        ("contains('a', 'b')", "contains() is called as x.contains()"),
        ("'1'.int() == 1", "int() is called as int(x)"),
        ("[1].all(e)", "all() takes a name and a condition, as in x.all(e, e > 0)"),
        ("1u == 1", "unsigned integers are not offered: use an int, without the letter u"),
        ("b'a' == 'a'", "bytes are not offered: use a string"),
        ("{1: 2} == {}", "maps with keys that are no strings are not offered: use strings as keys"),
        ("image.Tag{name: 1} == 1", "messages are not offered: use a map"),
        (
            "[1].map(a, [1].map(b, [1].map(c, c))) == []",
            "all, exists, exists_one, map and filter may be nested 2 levels deep",
        ),
        ("1 + 1", "the condition gives a sum, expected true or false"),
        ("'true'", "the condition gives a string, expected true or false"),
        ("true ? [1] : [2]", "the condition gives a list, expected true or false"),
        ("predicate.reviewers.filter(r, true)", "the condition gives a list, expected true or false"),
    ] {
        assert_eq!(refused(source).to_string(), reason, "{source}");
    }
    assert!(refused("nope() == 1").to_string().starts_with("nope() is not offered: there are size, contains,"));
    assert!(refused("math.abs(1) == 1").to_string().starts_with("abs() is not offered"));
    assert_eq!(refused(&" ".repeat(1025)), ConditionError::TooLong { got: 1025 });
    assert!(matches!(refused(&" ".repeat(1024)), ConditionError::Syntax { .. }));
}

/// As long as allowed, and as bad as can be: see docs of `compile.rs`.
fn hostile() -> Vec<String> {
    let fill = |unit: &str| unit.repeat(1024 / unit.len());
    let around = |open: &str, inner: &str, close: &str, times: usize| open.repeat(times) + inner + &close.repeat(times);
    let mut all: Vec<String> = [
        "(",
        ")",
        "[",
        "{",
        "!",
        "-",
        "!-",
        "1+",
        "1-",
        "1*",
        "'a'+",
        "1?1:",
        "1?",
        "a.",
        "now.",
        "now.size().",
        "[0]",
        "now[",
        "{'a':",
        "{a:",
        "1||",
        "1&&",
        "1==",
        "1<1&&",
        "1 in ",
        "[[",
        "((1)+",
        "((",
        "f(",
        "size(",
        "now.f(",
        "has(",
        "[1].all(e,",
        "[1].map(e,",
        "1||1&&1<1+1*[",
        "1||1&&1<1+1*(",
        "1?1:1||1&&1<1+1*-[",
        "'",
        "'''",
        "\"\\",
        "`a`.",
        "é",
        "😀",
        "//",
        "\n",
        "0x",
        "1e",
        "1u+",
        "now{",
        "now.a{",
        "a.b",
        "a,",
        "?",
        ":",
        ",",
        "now.?a",
        "now[?",
        "{?'a':1,",
        "\u{0}",
        "if",
        "in ",
        "_",
        "\\",
    ]
    .iter()
    .map(|unit| fill(unit))
    .collect();
    let complete: Vec<String> =
        all.iter().flat_map(|text| ["1", "1)", "now", "e]"].map(|end| text.clone() + end)).collect();
    all.extend(complete);
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{'a':", "}"), ("!(", ")"), ("-(", ")"), ("size(", ")"), ("now.f(", ")")]
    {
        for times in [30, 31, 32, 33, 95, 96, 97, 128, 170, 500] {
            all.push(around(open, "1", close, times));
        }
    }
    // The most frames of the parser: each level goes through every precedence, a choice and a call.
    for unit in ["1?1:1||1&&1<1+1*-[", "1||1&&1<1+1*-now.f(", "1?1:1||1&&1<1+1*-size("] {
        let close = if unit.ends_with('[') { "]" } else { ")" };
        for times in [1, 10, 14, 16, 20, 24, 28, 31] {
            all.push(around(unit, "1", close, times));
        }
    }
    // The deepest trees that the tokens allow, also where the parser clones them.
    for (unit, times) in
        [("1+", 255), ("1-", 127), ("!-", 127), ("now.a", 100), ("1?1:", 85), ("[0]", 127), ("1==", 127)]
    {
        all.push(unit.repeat(times) + "1");
        all.push(unit.repeat(times) + "now.size().size().size().size()");
    }
    all.push("now".to_owned() + &".size()".repeat(145));
    all.push("now".to_owned() + &".f(1)".repeat(127));
    all.push("now".to_owned() + &".a".repeat(240) + &".f()".repeat(15));
    all.push("(".to_owned() + &"1+".repeat(200) + "1)" + &".f()".repeat(50));
    all.push("now".to_owned() + &"[0]".repeat(127));
    all.push("now".to_owned() + &".a".repeat(254) + "{}");
    // As deep as allowed, and evaluated.
    for (open, inner, close, end) in [
        ("!(", "true", ")", ""),
        ("-(", "1", ")", " > 0"),
        ("[", "", "]", " == []"),
        ("{'a':", "1", "}", " == {}"),
        ("true?(", "true", "):true", ""),
        ("true&&(", "true", ")", ""),
        ("false||(false==(", "true", "))", ""),
        ("size([", "1", "])", " == 1"),
        ("[1].all(e,", "true", ")", ""),
        ("dyn(", "true", ")", ""),
        ("'a'.replace('a',", "'b'", ")", " == 'b'"),
        ("{'a':[", "1", "]}.a[0]", " == 1"),
        ("[1].map(e,[[", "1", "]])", " == []"),
    ] {
        all.extend((1..32).map(|times| around(open, inner, close, times) + end));
    }
    for text in &mut all {
        let mut end = text.len().min(1024);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    all
}

#[test]
fn hostile_conditions_are_refused_or_evaluated() {
    for source in hostile() {
        if let Ok(condition) = Condition::compile(&source, &NAMES) {
            let _outcome = condition.holds(&facts(), &mut Budget::new());
        }
    }
}

#[test]
fn depth_and_parts_have_limits() {
    let brackets = |times: usize| format!("{}now{} == now", "(".repeat(times), ")".repeat(times));
    assert!(Condition::compile(&brackets(31), &NAMES).is_ok());
    assert_eq!(refused(&brackets(32)), ConditionError::TooDeep);
    let chain = |times: usize| format!("{}1 > 0", "1+".repeat(times));
    assert!(Condition::compile(&chain(30), &NAMES).is_ok());
    assert_eq!(refused(&chain(31)), ConditionError::TooDeep);
    assert_eq!(refused(&chain(250)), ConditionError::TooManyNodes);
    assert_eq!(refused(&format!("{}now", "!-".repeat(60))), ConditionError::TooDeep);
    assert_eq!(refused(&format!("now{} == 1", ".a".repeat(40))), ConditionError::TooDeep);
    // A chain of && or || is a balanced tree.
    assert!(Condition::compile(&format!("{}true", "true&&".repeat(120)), &NAMES).is_ok());
    assert_eq!(refused(&format!("{}true", "true&&".repeat(128))), ConditionError::TooManyNodes);
    let list = |items: usize| format!("predicate.level in [{}3]", "1,".repeat(items));
    assert_eq!(holds(&list(251)), Ok(true));
    assert_eq!(refused(&list(252)), ConditionError::TooManyNodes);
}

#[test]
fn steps_are_counted_exactly() {
    assert_eq!(steps("true"), 1);
    assert_eq!(steps("predicate.level == 3"), 4);
    assert_eq!(steps("'ab' + 'c' == 'abc'"), 5 + 3);
    // Seven nodes and three elements of the list; then for each element its own step and three nodes.
    assert_eq!(steps("[1, 2, 3].all(e, e > 0)"), 1 + 1 + 3 + 3 + 3 * 4);
    assert_eq!(steps("predicate.numbers.all(n, n >= 0)"), 1 + 2 + 300 * 4);
    assert_eq!(steps("predicate.numbers == predicate.numbers"), 5 + 300);
    assert_eq!(steps("predicate.builder.id.contains('x')"), 5);
    assert_eq!(steps("[1].map(x, [1].map(y, x + y)) == [[2]]"), 21);
}

#[test]
fn steps_are_shared_by_conditions_and_never_absorbed() {
    let condition = compile("predicate.numbers.map(a, predicate.numbers.map(b, a * b)).size() == 300 || true");
    let spent = EvaluationError::Steps { limit: MAX_CEL_STEPS };
    let mut budget = Budget::new();
    assert_eq!(condition.holds(&facts(), &mut budget), Err(spent.clone()));
    assert_eq!(budget.spent(), MAX_CEL_STEPS);
    assert_eq!(compile("true").holds(&facts(), &mut budget), Err(spent.clone()));
    for source in ["true || X", "X || true", "!(X && false)", "[1].exists(e, X)", "[1, 2].exists(e, e == 2 || X)"] {
        let source = source.replace('X', "predicate.numbers.all(a, true)");
        let outcome = compile(&source).holds(&facts(), &mut Budget::of(500));
        let expected = if source.starts_with("true") { Ok(true) } else { Err(EvaluationError::Steps { limit: 500 }) };
        assert_eq!(outcome, expected, "{source}");
    }
    // What the 161 octets of five loops inside of each other did in the library: 10^5 steps.
    let five = "[0,1,2,3,4,5,6,7,8,9].all(a,[0,1,2,3,4,5,6,7,8,9].all(b,[0,1,2,3,4,5,6,7,8,9].all(c,true)))";
    assert_eq!(refused(five), ConditionError::Comprehensions);
}

#[test]
fn what_is_made_is_bounded_by_the_steps() {
    let steps = Err(EvaluationError::Steps { limit: MAX_CEL_STEPS });
    let long = json!("x".repeat(90_000));
    let run = |source: &str| {
        let condition = Condition::compile(source, &["long", "numbers"]).expect("it compiles");
        let facts = Facts::new().with("long", &long).with("numbers", json!((0..300).collect::<Vec<_>>()));
        condition.holds(&facts, &mut Budget::new())
    };
    for source in [
        "long + long == ''",
        "long.replace('x', 'xx') == ''",
        "long.replace('', long) == ''",
        "long.split('') == []",
        "long.upperAscii().lowerAscii() == ''",
        "[long, long].join() == ''",
        "numbers.map(n, long + 'a') == []",
        "numbers.map(n, numbers).map(l, l + numbers) == []",
        "numbers.all(n, numbers.all(m, long == long))",
        "numbers.all(n, !long.contains('y'))",
        "numbers.all(n, size(long) == 90000)",
        "numbers.map(n, numbers) + numbers.map(n, numbers) == numbers.map(n, numbers) + numbers.map(n, numbers)",
        "{'a': long.upperAscii(), 'b': long.upperAscii()} == {}",
    ] {
        assert_eq!(run(source), steps, "{source}");
    }
    assert_eq!(run("long == long && long.startsWith('x') && size(long) == 90000"), Ok(true));
    assert_eq!(run("[long].all(l, l.contains('xx')) && long.substring(0, 2) == 'xx'"), Ok(true));
}
