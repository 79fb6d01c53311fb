//! What somebody may have meant who misspelt a name: from the names that the message itself lists.

/// Changes at most between what was written and what was meant. 2: more, and everything resembles everything.
const MAX_DISTANCE: usize = 2;
/// Characters of a name that is compared. 64: the work grows with the square.
const MAX_NAME: usize = 64;

/// A name that was written, and one that is known and near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suggestion<'m> {
    pub(super) written: &'m str,
    pub(super) meant: &'m str,
}

/// Names in a message that say what is known there: after these words, up to the end of the sentence.
const LISTS: [&str; 4] = ["expected one of ", "expected ", "there are ", "known are "];

/// A suggestion for a message about an unknown name. What was written stands first, in quotes of either kind, or after
/// `found`; what is known follows a word that says so.
pub(super) fn of(message: &str) -> Option<Suggestion<'_>> {
    let (list, at) = LISTS.iter().find_map(|word| message.find(word).map(|at| (*word, at)))?;
    let known = message.get(at.saturating_add(list.len())..)?;
    let before = message.get(..at)?;
    let (known, written) = match known.split_once("; found ") {
        Some((known, found)) => (known, found.split(", ").next()?),
        None => (known, quoted(before)?),
    };
    let names = known.split(['`', '"', '\'', ',', ' ', ';']).filter(|name| !name.is_empty());
    nearest(written, names.filter(|name| !matches!(*name, "or" | "and" | "with" | "one" | "of")))
}

/// The last text in quotes: `unknown field "x"`, "unknown field `x`".
fn quoted(text: &str) -> Option<&str> {
    let end = text.rfind(['`', '"'])?;
    let quote = text.get(end..)?.chars().next()?;
    let inside = text.get(..end)?;
    inside.get(inside.rfind(quote)?.saturating_add(1)..)
}

fn nearest<'m>(written: &'m str, known: impl Iterator<Item = &'m str>) -> Option<Suggestion<'m>> {
    let measured = known.filter_map(|meant| distance(written, meant).map(|distance| (distance, meant)));
    let (distance, meant) = measured.min_by_key(|(distance, _)| *distance)?;
    // Of a name of two letters nothing is left after two changes.
    let enough = distance < written.chars().count().max(meant.chars().count());
    (distance > 0 && enough).then_some(Suggestion { written, meant })
}

/// Insertions, deletions, replacements and exchanges of neighbours between two names (optimal string alignment); case
/// counts half of nothing: it is the commonest mistake. `None` where that is more than [`MAX_DISTANCE`].
fn distance(a: &str, b: &str) -> Option<usize> {
    if a.eq_ignore_ascii_case(b) {
        return Some(usize::from(a != b));
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().max(b.len()) > MAX_NAME || a.len().abs_diff(b.len()) > MAX_DISTANCE {
        return None;
    }
    let mut older: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, x) in a.iter().enumerate() {
        let mut next = vec![row.saturating_add(1)];
        for (column, y) in b.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(MAX_NAME);
            let right = column.saturating_add(1);
            let replaced = at(&last, column).saturating_add(usize::from(x != y));
            let mut least = replaced.min(at(&last, right).saturating_add(1)).min(at(&next, column).saturating_add(1));
            let (before_x, before_y) = (row.checked_sub(1), column.checked_sub(1));
            if let (Some(i), Some(j)) = (before_x, before_y)
                && a.get(i) == Some(y)
                && b.get(j) == Some(x)
            {
                least = least.min(at(&older, j).saturating_add(1));
            }
            next.push(least);
        }
        older = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|distance| *distance <= MAX_DISTANCE)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        for (message, written, meant) in [
            ("unknown field `imagez`, expected one of `images`, `except`", "imagez", "images"),
            ("unknown field `Images`, expected one of `images`, `except`", "Images", "images"),
            ("unknown field `cosing`, expected `cosign`", "cosing", "cosign"),
            ("unknown variant `enforced`, expected one of `enforce`, `warn`, `audit`", "enforced", "enforce"),
            ("signer \"relaese\" is not defined: there are ci, release", "relaese", "release"),
            ("expected one of allOf, anyOf, attestation, or atLeast with of; found oneOf", "oneOf", "anyOf"),
            ("kind is \"ImagePolcy\", expected \"ImagePolicy\"", "ImagePolcy", "ImagePolicy"),
        ] {
            let found = of(message).unwrap_or_else(|| panic!("nothing for {message}"));
            assert_eq!((found.written, found.meant), (written, meant), "{message}");
        }
        for message in [
            "unknown field `pictures`, expected one of `images`, `except`",
            "kind is missing, expected \"ImagePolicy\"",
            "missing field `require`",
            "duplicate key \"a\"",
            "signer \"x\" is not defined: there are a, b",
            "",
        ] {
            assert_eq!(of(message), None, "{message}");
        }
    }
}
