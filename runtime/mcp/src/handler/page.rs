//! Lists in pages. A cursor names the last thing of the page before, so that a page neither repeats nor skips anything
//! when the list grows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::ErrorData;
use rmcp::model::PaginatedRequestParams;

/// The page that was asked for, and the cursor of the next.
pub(super) fn of<T>(
    mut all: Vec<T>,
    request: Option<PaginatedRequestParams>,
    size: usize,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), ErrorData> {
    let start = match request.and_then(|request| request.cursor) {
        None => 0,
        Some(cursor) => {
            let wrong = || ErrorData::invalid_params("the cursor is not one of this list as it is now", None);
            let last = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let last = last.ok_or_else(wrong)?;
            all.iter().position(|one| key(one) == last).ok_or_else(wrong)? + 1
        }
    };
    let mut page = all.split_off(start);
    if page.len() <= size {
        return Ok((page, None));
    }
    page.truncate(size);
    let next = page.last().map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(all: &[&str], cursor: Option<String>) -> Result<(Vec<String>, Option<String>), ErrorData> {
        let request = PaginatedRequestParams::default().with_cursor(cursor);
        of(all.iter().map(|one| (*one).to_owned()).collect(), Some(request), 2, String::clone)
    }

    #[test]
    fn the_pages_are_the_list() {
        for all in [&[][..], &["a"], &["a", "b"], &["a", "b", "c"], &["a", "b", "c", "d", "e"]] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let (some, next) = page(all, cursor).unwrap();
                assert!(some.len() <= 2);
                seen.extend(some);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all);
        }
    }

    #[test]
    fn a_cursor_of_somewhere_else_is_an_error() {
        for bad in ["", "!", "bm9uZQ", "////"] {
            assert!(page(&["a", "b", "c"], Some(bad.to_owned())).is_err(), "{bad}");
        }
    }
}
