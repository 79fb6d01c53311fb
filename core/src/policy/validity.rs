//! From when until when a signer counts, held against the time of the question: no signature brings a time of its own that
//! somebody trusted has confirmed.

use crate::time::UnixTime;
use crate::yaml::{Document, YamlError};

/// When a signer counts. Without any bound: always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// The first moment at which it counts.
    pub not_before: Option<UnixTime>,
    /// The last moment at which it counts.
    pub not_after: Option<UnixTime>,
    /// Since when others may have the key.
    pub revoked_since: Option<UnixTime>,
}

/// Why a signer does not count at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It is too early, or too late.
    Outside(Validity),
    /// Others may have the key since then.
    Revoked(UnixTime),
}

/// The bounds as they stand in a document.
pub(super) struct ValidityDocument {
    pub(super) not_before: Option<String>,
    pub(super) not_after: Option<String>,
    pub(super) revoked_since: Option<String>,
}

impl Validity {
    /// Reads the bounds at this path of a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read(source: &ValidityDocument, path: &str, document: &Document) -> Result<Self, YamlError> {
        let moment = |text: &Option<String>, field: &str| {
            text.as_deref().map(|text| read_moment(text, &format!("{path}.{field}"), document)).transpose()
        };
        let validity = Self {
            not_before: moment(&source.not_before, "notBefore")?,
            not_after: moment(&source.not_after, "notAfter")?,
            revoked_since: moment(&source.revoked_since, "revokedSince")?,
        };
        if let (Some(from), Some(until)) = (validity.not_before, validity.not_after)
            && from >= until
        {
            let message = format!("the signer would never count: notBefore is {from}, notAfter {until}");
            return Err(document.error(&format!("{path}.notAfter"), message));
        }
        Ok(validity)
    }

    /// Holds the bounds against a moment, both included.
    ///
    /// # Errors
    /// [`Invalid`]. A key that others may have comes first: as long as no signature brings a trusted time, none by it can be
    /// known to be older.
    pub fn holds(self, now: UnixTime) -> Result<(), Invalid> {
        if let Some(since) = self.revoked_since.filter(|since| *since <= now) {
            return Err(Invalid::Revoked(since));
        }
        let too_early = self.not_before.is_some_and(|from| now < from);
        let too_late = self.not_after.is_some_and(|until| now > until);
        if too_early || too_late { Err(Invalid::Outside(self)) } else { Ok(()) }
    }
}

/// Reads a moment in UTC.
///
/// # Errors
/// [`YamlError`] at this path.
pub(super) fn read_moment(text: &str, path: &str, document: &Document) -> Result<UnixTime, YamlError> {
    UnixTime::parse(text).ok_or_else(|| {
        let shown = crate::text::excerpt(text);
        document.error(path, format!("{shown:?} is no moment in UTC as RFC 3339 writes it, e.g. 2026-01-31T12:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::{Invalid, Validity};
    use crate::time::UnixTime;

    #[test]
    fn both_bounds_are_inside_and_a_revoked_key_is_out_from_its_second_on() {
        let validity = Validity {
            not_before: Some(UnixTime(10)),
            not_after: Some(UnixTime(20)),
            revoked_since: Some(UnixTime(16)),
        };
        let revoked = Err(Invalid::Revoked(UnixTime(16)));
        for (now, want) in [
            (9, Err(Invalid::Outside(validity))),
            (10, Ok(())),
            (15, Ok(())),
            (16, revoked),
            (20, revoked),
            (21, revoked),
        ] {
            assert_eq!(validity.holds(UnixTime(now)), want, "{now}");
        }
        let unrevoked = Validity { revoked_since: None, ..validity };
        assert_eq!(unrevoked.holds(UnixTime(20)), Ok(()));
        assert_eq!(unrevoked.holds(UnixTime(21)), Err(Invalid::Outside(unrevoked)));
        assert_eq!(Validity::default().holds(UnixTime(i64::MIN)), Ok(()));
    }
}
