//! Time, as an argument: seconds since the Unix epoch, read once by whoever asks.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use spki::der::DateTime;

/// A moment in whole seconds since 1970-01-01T00:00:00Z. Core never reads a clock: this always comes from the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// Reads RFC 3339, section 5.6, in UTC and whole seconds: `2026-01-31T12:00:00Z`, of the years 1970 to 9999. Nothing for
    /// any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let moment: DateTime = text.parse().ok()?;
        i64::try_from(moment.unix_duration().as_secs()).ok().map(Self)
    }

    /// Reads RFC 3339, section 5.6, in whole seconds and with any offset: `2026-01-31T14:00:00+02:00`. Nothing for any other
    /// text.
    pub fn parse_with_offset(text: &str) -> Option<Self> {
        if text.ends_with('Z') {
            return Self::parse(text);
        }
        let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
        let (sign, offset) = offset.split_at_checked(1)?;
        let (hours, minutes) = offset.split_once(':')?;
        let number = |digits: &str, below: i64| -> Option<i64> {
            let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|number| is_number && *number < below)
        };
        let minutes = number(hours, 24)?.checked_mul(60)?.checked_add(number(minutes, 60)?)?;
        let seconds: i64 = minutes.checked_mul(60)?;
        let local = Self::parse(&format!("{local}Z"))?.0;
        match sign {
            "+" => local.checked_sub(seconds).map(Self),
            "-" => local.checked_add(seconds).map(Self),
            _ => None,
        }
    }

    /// As RFC 3339, section 5.6, writes it: `2026-01-31T12:00:00Z`. Nothing for a moment outside of the years 1970 to 9999.
    pub fn rfc3339(self) -> Option<String> {
        let since = Duration::from_secs(u64::try_from(self.0).ok()?);
        DateTime::from_unix_duration(since).ok().map(|moment| moment.to_string())
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rfc3339() {
            Some(text) => formatter.write_str(&text),
            None => write!(formatter, "{} s after 1970-01-01T00:00:00Z", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UnixTime;

    #[test]
    fn moments_are_written_as_rfc_3339_does() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_769_860_805, "2026-01-31T12:00:05Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(UnixTime(seconds).rfc3339().as_deref(), Some(text));
            assert_eq!(UnixTime::parse(text), Some(UnixTime(seconds)));
        }
        assert_eq!(UnixTime(-1).rfc3339(), None);
        assert_eq!(UnixTime(253_402_300_800).rfc3339(), None);
        assert_eq!(UnixTime(-1).to_string(), "-1 s after 1970-01-01T00:00:00Z");
    }

    #[test]
    fn an_offset_is_taken_off() {
        let noon = UnixTime::parse("2026-01-31T12:00:00Z");
        for text in ["2026-01-31T12:00:00Z", "2026-01-31T14:00:00+02:00", "2026-01-31T06:30:00-05:30"] {
            assert_eq!(UnixTime::parse_with_offset(text), noon, "{text}");
        }
        for text in [
            "",
            "Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.5Z",
            "2026-01-31T12:00:00+0200",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+1é:00",
            "2026-01-31T12:00:00++2:00",
        ] {
            assert_eq!(UnixTime::parse_with_offset(text), None, "{text}");
        }
    }

    #[test]
    fn only_moments_in_utc_and_whole_seconds_are_read() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00Z",
            "2026-01-31t12:00:00z",
            "2026-01-31T12:00:00.5Z",
            "2026-01-31T12:00:00+00:00",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "+026-01-31T12:00:00Z",
            " 2026-01-31T12:00:00Z",
        ] {
            assert_eq!(UnixTime::parse(text), None, "{text}");
        }
    }
}
