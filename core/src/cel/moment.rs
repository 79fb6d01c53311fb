//! Timestamps and durations (langdef.md, "Timestamp", "Duration"), in whole nanoseconds, in UTC.

use super::EvaluationError;
use crate::text::excerpt;
use crate::time::UnixTime;

const SECOND: i128 = 1_000_000_000;
/// 0001-01-01T00:00:00Z.
const FIRST: i128 = -62_135_596_800 * SECOND;
/// 9999-12-31T23:59:59.999999999Z.
const LAST: i128 = 253_402_300_800 * SECOND - 1;
/// The longest duration, to either side (google/protobuf/duration.proto).
const LONGEST: i128 = 315_576_000_000 * SECOND;
/// Characters of the longest timestamp or duration that is read.
const LONGEST_TEXT: usize = 64;

/// A moment: nanoseconds since 1970-01-01T00:00:00Z, in the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timestamp(i128);

/// A time span in nanoseconds, of up to about 10,000 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(i128);

/// A part of a moment or of a time span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    /// From 0.
    Month,
    /// Day of the month, from 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0, which is Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Timestamp {
    fn new(nanoseconds: i128) -> Option<Self> {
        (FIRST..=LAST).contains(&nanoseconds).then_some(Self(nanoseconds))
    }

    /// The moment this many seconds after the epoch.
    pub(super) fn from_seconds(seconds: i64) -> Option<Self> {
        Self::new(i128::from(seconds).saturating_mul(SECOND))
    }

    /// Reads RFC 3339, section 5.6.
    ///
    /// # Errors
    /// [`EvaluationError::Conversion`].
    pub(super) fn parse(text: &str) -> Result<Self, EvaluationError> {
        rfc3339(text).and_then(Self::new).ok_or_else(|| not(text, "timestamp as RFC 3339 writes it"))
    }

    /// Seconds since the epoch, rounded down.
    pub(super) fn seconds(self) -> i64 {
        i64::try_from(self.0.div_euclid(SECOND)).unwrap_or(0)
    }

    /// The moment after this time span.
    pub(super) fn plus(self, span: Span) -> Option<Self> {
        Self::new(self.0.saturating_add(span.0))
    }

    /// The moment before this time span.
    pub(super) fn minus(self, span: Span) -> Option<Self> {
        Self::new(self.0.saturating_sub(span.0))
    }

    /// The time from another moment to this one.
    pub(super) fn since(self, other: Self) -> Option<Span> {
        Span::new(self.0.saturating_sub(other.0))
    }

    /// As RFC 3339 writes it; a fraction without zeros at its end.
    pub(super) fn text(self) -> String {
        let seconds = self.seconds();
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let time = seconds.rem_euclid(86_400);
        let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
        let fraction = fraction(self.0.rem_euclid(SECOND));
        format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}{fraction}Z")
    }

    /// A part of it.
    pub(super) fn part(self, part: Part) -> i64 {
        let seconds = self.seconds();
        let days = seconds.div_euclid(86_400);
        let time = seconds.rem_euclid(86_400);
        let (year, month, day) = civil(days);
        match part {
            Part::FullYear => year,
            Part::Month => month.saturating_sub(1),
            Part::Date => day,
            Part::DayOfMonth => day.saturating_sub(1),
            // 1970-01-01 was a Thursday.
            Part::DayOfWeek => days.saturating_add(4).rem_euclid(7),
            Part::DayOfYear => days.saturating_sub(days_before(year, 1, 1)),
            Part::Hours => time / 3600,
            Part::Minutes => time / 60 % 60,
            Part::Seconds => time % 60,
            Part::Milliseconds => i64::try_from(self.0.rem_euclid(SECOND) / 1_000_000).unwrap_or(0),
        }
    }
}

impl Span {
    fn new(nanoseconds: i128) -> Option<Self> {
        (-LONGEST..=LONGEST).contains(&nanoseconds).then_some(Self(nanoseconds))
    }

    /// Reads a duration as Go writes it (langdef.md, "Duration"): `72h3m0.5s`.
    ///
    /// # Errors
    /// [`EvaluationError::Conversion`].
    pub(super) fn parse(text: &str) -> Result<Self, EvaluationError> {
        span(text).and_then(Self::new).ok_or_else(|| not(text, "duration such as 1h30m"))
    }

    /// The sum.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Self::new(self.0.saturating_add(other.0))
    }

    /// The difference.
    pub(super) fn minus(self, other: Self) -> Option<Self> {
        Self::new(self.0.saturating_sub(other.0))
    }

    /// The other direction.
    pub(super) fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// In seconds: `5400s`, `-0.5s`.
    pub(super) fn text(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.saturating_abs();
        format!("{sign}{}{}s", size / SECOND, fraction(size % SECOND))
    }

    /// The whole of it in a unit, except for milliseconds, which are those after the last full second. Nothing for a unit
    /// of the calendar.
    pub(super) fn part(self, part: Part) -> Option<i64> {
        let whole = match part {
            Part::Hours => self.0 / (3600 * SECOND),
            Part::Minutes => self.0 / (60 * SECOND),
            Part::Seconds => self.0 / SECOND,
            Part::Milliseconds => self.0 % SECOND / 1_000_000,
            _ => return None,
        };
        i64::try_from(whole).ok()
    }
}

fn not(text: &str, to: &'static str) -> EvaluationError {
    EvaluationError::Conversion { text: excerpt(text), to }
}

/// Nanoseconds below a second, as they stand behind the seconds.
fn fraction(nanoseconds: i128) -> String {
    if nanoseconds == 0 {
        return String::new();
    }
    format!(".{nanoseconds:09}").trim_end_matches('0').to_owned()
}

/// Takes a number of exactly this many digits from the front.
fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(count)?;
    *rest = after;
    number.bytes().all(|octet| octet.is_ascii_digit()).then(|| number.parse().ok())?
}

fn skip(rest: &mut &str, expected: char) -> Option<()> {
    *rest = rest.strip_prefix(expected)?;
    Some(())
}

/// Nanoseconds from the digits behind a point, of which there are one to nine.
fn nanoseconds(digits: &str) -> Option<i128> {
    let good = (1..=9).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    good.then(|| format!("{digits:0<9}").parse().ok())?
}

/// A moment as RFC 3339, section 5.6, writes it, with any offset; rounded down to whole seconds.
pub(crate) fn moment(text: &str) -> Option<UnixTime> {
    Timestamp::parse(text).ok().map(|timestamp| UnixTime(timestamp.seconds()))
}

fn rfc3339(text: &str) -> Option<i128> {
    let mut rest = text;
    if rest.len() > LONGEST_TEXT {
        return None;
    }
    let year = digits(&mut rest, 4)?;
    skip(&mut rest, '-')?;
    let month = digits(&mut rest, 2)?;
    skip(&mut rest, '-')?;
    let day = digits(&mut rest, 2)?;
    skip(&mut rest, 'T')?;
    let hours = digits(&mut rest, 2)?;
    skip(&mut rest, ':')?;
    let minutes = digits(&mut rest, 2)?;
    skip(&mut rest, ':')?;
    let seconds = digits(&mut rest, 2)?;
    let mut below = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = fraction.split_at_checked(end)?;
        below = nanoseconds(number)?;
        rest = after;
    }
    let offset = match rest.strip_prefix('Z') {
        Some(after) => {
            rest = after;
            0
        }
        None => {
            let west = rest.starts_with('-');
            rest = rest.strip_prefix(['+', '-'])?;
            let hours = digits(&mut rest, 2).filter(|hours| *hours < 24)?;
            skip(&mut rest, ':')?;
            let minutes = digits(&mut rest, 2).filter(|minutes| *minutes < 60)?;
            let offset = hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60));
            if west { offset.saturating_neg() } else { offset }
        }
    };
    let days = days_before(year, month, day);
    let exists = civil(days) == (year, month, day) && hours < 24 && minutes < 60 && seconds < 60;
    if !exists || !rest.is_empty() {
        return None;
    }
    let time = hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60)).saturating_add(seconds);
    let moment = days.saturating_mul(86_400).saturating_add(time).saturating_sub(offset);
    i128::from(moment).checked_mul(SECOND)?.checked_add(below)
}

/// Go's time.ParseDuration: a sign, then numbers with units; or a bare zero.
fn span(text: &str) -> Option<i128> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let (negative, mut rest) = match text.strip_prefix(['+', '-']) {
        Some(after) => (text.starts_with('-'), after),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0_i128;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(end)?;
        let (below, after) = match after.strip_prefix('.') {
            None => ("", after),
            Some(after) => after.split_at_checked(after.find(|c: char| !c.is_ascii_digit())?)?,
        };
        if number.is_empty() && below.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let unit = unit_of(unit)?;
        let whole: i128 = if number.is_empty() { 0 } else { number.parse().ok()? };
        let below = if below.is_empty() { 0 } else { nanoseconds(below)? };
        let part = whole.checked_mul(unit)?.checked_add(below.checked_mul(unit)? / SECOND)?;
        total = total.checked_add(part)?;
        rest = after;
        if rest.is_empty() {
            return Some(if negative { total.saturating_neg() } else { total });
        }
    }
}

fn unit_of(name: &str) -> Option<i128> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    })
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March here, so that the leap day is the last.
#[allow(clippy::arithmetic_side_effects, reason = "four digits of a year, two of month and day")]
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let in_era = year.rem_euclid(400);
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

/// Year, month and day of the day that is so many days after 1970-01-01.
#[allow(clippy::arithmetic_side_effects, reason = "a day of the years 0 to 9999")]
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let in_era = days.rem_euclid(146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + days.div_euclid(146_097) * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}
