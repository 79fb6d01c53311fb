//! Maps, sets and sorted lists from what comes one after the other.
//!
//! `collect` sorts what a map or set is made from, by a sort of its own for each type: together a thirtieth of the module, for maps
//! of a few entries. These put one entry in after the other.

use std::collections::{BTreeMap, BTreeSet};

/// What iterators of entries become.
pub trait Ordered: Iterator + Sized {
    /// A map of these pairs; of two with one key the later.
    fn into_map<K: Ord, V>(self) -> BTreeMap<K, V>
    where
        Self: Iterator<Item = (K, V)>,
    {
        let mut map = BTreeMap::new();
        map.extend(self);
        map
    }

    /// A set of these.
    fn into_set(self) -> BTreeSet<Self::Item>
    where
        Self::Item: Ord,
    {
        let mut set = BTreeSet::new();
        set.extend(self);
        set
    }

    /// A map of these pairs.
    ///
    /// # Errors
    /// The first one among them.
    fn try_into_map<K: Ord, V, E>(self) -> Result<BTreeMap<K, V>, E>
    where
        Self: Iterator<Item = Result<(K, V), E>>,
    {
        let mut map = BTreeMap::new();
        for entry in self {
            let (key, value) = entry?;
            map.insert(key, value);
        }
        Ok(map)
    }

    /// A set of these.
    ///
    /// # Errors
    /// The first one among them.
    fn try_into_set<T: Ord, E>(self) -> Result<BTreeSet<T>, E>
    where
        Self: Iterator<Item = Result<T, E>>,
    {
        let mut set = BTreeSet::new();
        for entry in self {
            set.insert(entry?);
        }
        Ok(set)
    }
}

/// These in order, equal ones as they came: each is put into its place. For a few, or for what is mostly in order.
pub fn sorted<T>(items: impl IntoIterator<Item = T>, is_before: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut sorted: Vec<T> = Vec::new();
    for item in items {
        let at = sorted.partition_point(|before| !is_before(&item, before));
        sorted.insert(at, item);
    }
    sorted
}

impl<I: Iterator> Ordered for I {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sorted;

    proptest! {
        #[test]
        fn what_is_put_into_its_place_is_what_a_stable_sort_gives(items in prop::collection::vec((0..8_u8, any::<u8>()), 0..40)) {
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(sorted(items, |(one, _), (other, _)| one < other), expected);
        }
    }
}
