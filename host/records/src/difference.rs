//! Where two verdicts part.

use serde_json::Value;

/// The first place in which two JSON values differ: a JSON pointer (RFC 6901) and both values, cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pointer: String,
    pub(crate) recorded: String,
    pub(crate) replayed: String,
}

/// The first difference between two headers. `None` where they differ in nothing but their writing.
pub(crate) fn first(recorded: &[u8], replayed: &[u8]) -> Option<Place> {
    let read = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    let (recorded, replayed) = (read(recorded)?, read(replayed)?);
    let mut pointer = String::new();
    walk(Some(&recorded), Some(&replayed), &mut pointer)
}

fn walk(recorded: Option<&Value>, replayed: Option<&Value>, pointer: &mut String) -> Option<Place> {
    let depth = pointer.len();
    let mut inner = |name: &str, a: Option<&Value>, b: Option<&Value>| {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let found = walk(a, b, pointer);
        pointer.truncate(depth);
        found
    };
    match (recorded, replayed) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            names.into_iter().find_map(|name| inner(name, a.get(name), b.get(name)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            (0..a.len().max(b.len())).find_map(|index| inner(&index.to_string(), a.get(index), b.get(index)))
        }
        (a, b) if a == b => None,
        (a, b) => Some(Place { pointer: pointer.clone(), recorded: shown(a), replayed: shown(b) }),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| crate::text::cut(&value.to_string(), 400))
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn the_first_difference_has_a_place() {
        let found = first(br#"{"a":[1,{"b/c":2}],"d":1}"#, br#"{"a":[1,{"b/c":3}],"d":2}"#).expect("they differ");
        assert_eq!((found.pointer.as_str(), found.recorded.as_str(), found.replayed.as_str()), ("/a/1/b~1c", "2", "3"));
        let found = first(b"[1]", b"[]").expect("they differ");
        assert_eq!((found.pointer.as_str(), found.replayed.as_str()), ("/0", "nothing"));
        assert_eq!(first(b"[1, 2]", b"[1,2]"), None);
    }
}
