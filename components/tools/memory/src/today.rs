//! Which day it is where the people are.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use openpact_sdk::{Error, Result, clock, settings};

/// The local date and time, in the zone of the setting `timezone` (a name of the IANA database; UTC unless set).
pub(crate) fn now() -> Result<Zoned> {
    let name: Option<String> = settings::get("timezone")?;
    let since = clock::now();
    let second = i64::try_from(since.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
    let timestamp =
        second.ok_or_else(|| Error::failed("The clock of this machine is set to an impossible time."))?;
    Ok(timestamp.to_zoned(zone(name.as_deref())?))
}

fn zone(name: Option<&str>) -> Result<TimeZone> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    TimeZone::get(name).map_err(|_| {
        Error::failed(format!(
            "The setting \"timezone\" of the component \"memory\" is {name:?}: an admin must set it to a name such as \
             \"Europe/Vienna\"."
        ))
    })
}

/// A date as `YYYY-MM-DD`, and nothing else that a date might be written as.
pub(crate) fn date(text: &str) -> Option<Date> {
    let date = Date::strptime("%Y-%m-%d", text).ok()?;
    (date.year() >= 1970 && date.to_string() == text).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_decides_what_day_it_is() {
        let moment: Timestamp = "2026-07-01T22:30:00Z".parse().expect("a time");
        let day = |name| moment.to_zoned(zone(name).expect("a zone")).strftime("%F %H:%M").to_string();
        assert_eq!(day(None), "2026-07-01 22:30");
        assert_eq!(day(Some("Europe/Vienna")), "2026-07-02 00:30");
        assert_eq!(day(Some("America/New_York")), "2026-07-01 18:30");
        assert_eq!(day(Some("UTC")), "2026-07-01 22:30");
    }

    #[test]
    fn a_zone_that_is_not_there_is_named() {
        for name in ["Europe/Atlantis", "", "../../etc/localtime"] {
            assert!(zone(Some(name)).expect_err(name).text().contains("an admin must set it"), "{name}");
        }
    }

    #[test]
    fn only_real_days_in_one_form_are_dates() {
        for text in ["2026-11-23", "2024-02-29", "1970-01-01", "9999-12-31"] {
            assert_eq!(date(text).map(|date| date.to_string()).as_deref(), Some(text));
        }
        for text in [
            "2025-02-29",
            "2026-13-01",
            "2026-1-2",
            "26-01-02",
            "2026-11-23 ",
            " 2026-11-23",
            "+2026-11-23",
            "1969-12-31",
            "2026-11-23/..",
            "",
        ] {
            assert_eq!(date(text), None, "{text:?}");
        }
    }
}
