//! Reading and writing the columns that are more than a number or a text.

use std::error::Error as StdError;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The time that `microseconds` since 1970 stand for.
pub(crate) fn timestamp(microseconds: i64) -> Result<Timestamp, jiff::Error> {
    Timestamp::from_microsecond(microseconds)
}

/// The time in column `index`.
pub(crate) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    timestamp(row.get(index)?).map_err(|error| unreadable(index, Type::Integer, error))
}

/// The time in column `index`, if there is one.
pub(crate) fn optional_time(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    let microseconds: Option<i64> = row.get(index)?;
    let time = microseconds.map(timestamp).transpose();
    time.map_err(|error| unreadable(index, Type::Integer, error))
}

/// The text in column `index`, as what it stands for.
pub(crate) fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: StdError + Send + Sync + 'static>,
{
    let text: String = row.get(index)?;
    text.parse().map_err(|error| unreadable(index, Type::Text, error))
}

/// The JSON in column `index`.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|error| unreadable(index, Type::Text, error))
}

/// `value` as JSON text.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Invalid(format!("cannot be stored as JSON: {error}")))
}

/// A number as SQLite stores it, which has no unsigned ones; what is larger becomes the largest.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count as it was stored.
pub(crate) fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

fn unreadable(index: usize, kind: Type, error: impl StdError + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
}
