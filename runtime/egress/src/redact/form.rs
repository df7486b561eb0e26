//! The forms in which a secret value travels.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use openpact_model::secret::MIN_SCANNED_BYTES;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, percent_encode_byte};

/// RFC 3986, section 2.3: everything but the unreserved characters.
const COMPONENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// `encodeURIComponent` of browsers.
const BROWSER: AsciiSet = COMPONENT.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');
/// `application/x-www-form-urlencoded` (URL Standard, section 5.2), before spaces become `+`.
const FORM: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b' ');
/// URL Standard, section 1.3: the query, the path and the user information percent-encode sets.
const QUERY: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');
const PATH: AsciiSet = QUERY.remove(b'\'').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');
const USER: AsciiSet =
    PATH.add(b'/').add(b':').add(b';').add(b'=').add(b'@').add(b'[').add(b'\\').add(b']').add(b'|');

/// All forms of `value`, each once. Upper and lower case of hexadecimal digits are one form: the search does not
/// tell them apart.
pub(super) fn all(value: &str) -> Vec<Vec<u8>> {
    let shortest = value.len().min(MIN_SCANNED_BYTES);
    let mut forms = vec![value.as_bytes().to_vec(), hex::encode(value).into_bytes()];
    for set in [&COMPONENT, &BROWSER, &QUERY, &PATH, &USER] {
        forms.push(percent_encode(value.as_bytes(), set).to_string().into_bytes());
    }
    forms.push(percent_encode(value.as_bytes(), &FORM).to_string().replace(' ', "+").into_bytes());
    for alphabet in [alphabet::STANDARD, alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        forms.extend((0..3).map(|offset| base64_at(&engine, value, offset)));
    }
    forms.extend(json(value).into_iter().map(String::into_bytes));
    forms.push(html(value).into_bytes());
    forms.extend(every_character(value).into_iter().map(String::into_bytes));
    for form in &mut forms {
        form.make_ascii_lowercase();
    }
    forms.sort();
    forms.dedup();
    // A base64 form loses a character at each end; what is left of a short value's would be found everywhere.
    forms.retain(|form| form.len() >= shortest);
    forms
}

/// The characters that `value` alone decides when it stands `offset` bytes after a multiple of three.
fn base64_at(engine: &GeneralPurpose, value: &str, offset: usize) -> Vec<u8> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(value.as_bytes());
    let encoded = engine.encode(&bytes).into_bytes();
    let shared_before = [0, 2, 3][offset];
    let shared_after = usize::from(!bytes.len().is_multiple_of(3));
    encoded[shared_before..encoded.len() - shared_after].to_vec()
}

/// As a JSON text: as most writers do it, with `/` escaped, safe for HTML, and in ASCII.
fn json(value: &str) -> [String; 4] {
    let quoted = serde_json::to_string(value).unwrap_or_default();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let plain = inside.unwrap_or_default().to_owned();
    let slashes = plain.replace('/', "\\/");
    let for_html: String =
        plain.chars().map(|c| if "<>&'".contains(c) { unicode_escape(c) } else { c.into() }).collect();
    let ascii = plain.chars().map(|c| if c.is_ascii() { c.into() } else { unicode_escape(c) }).collect();
    [plain, slashes, for_html, ascii]
}

/// With every character escaped, which no common writer does and every reader undoes: a guest that reads JSON would have
/// the value itself.
fn every_character(value: &str) -> [String; 4] {
    let entities = |form: fn(u32) -> String| value.chars().map(|c| form(c.into())).collect();
    [
        value.bytes().flat_map(|byte| percent_encode_byte(byte).chars()).collect(),
        value.chars().map(unicode_escape).collect(),
        entities(|code| format!("&#{code};")),
        entities(|code| format!("&#x{code:x};")),
    ]
}

fn unicode_escape(c: char) -> String {
    let mut escaped = String::new();
    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(escaped, "\\u{unit:04x}").expect("writing to a String cannot fail");
    }
    escaped
}

fn html(value: &str) -> String {
    let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}
