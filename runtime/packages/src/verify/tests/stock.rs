//! Signatures as the stock tool makes and reads them.

use super::*;

#[test]
fn a_signature_of_the_stock_tool_is_brought_into_canonical_form() {
    let new = key::generate(None).unwrap();
    let secret = SecretKey::read(&new.secret_file, None).unwrap();
    let bytes = package();
    let stock_comment = "timestamp:1700000000\tfile:web.wasm\thashed";
    let stock = minisign::sign(
        None,
        secret.minisign(),
        std::io::Cursor::new(&bytes),
        Some(stock_comment),
        Some("signature from minisign secret key"),
    );
    let stock = stock.unwrap().to_string().replace('\n', "\r\n");
    assert!(matches!(verify(bytes.clone(), &stock, &trust(&secret)), Err(Refusal::NotCanonical { .. })));

    let canonical = signature::import(stock.as_bytes(), &bytes, &new.public).unwrap();
    verify(bytes.clone(), &canonical, &trust(&secret)).unwrap();
    assert!(canonical.contains(stock_comment));

    let other = SecretKey::generate().unwrap().public().unwrap();
    assert!(matches!(signature::import(stock.as_bytes(), &bytes, &other), Err(Refusal::UnknownKey { .. })));
    assert_eq!(signature::import(stock.as_bytes(), b"other", &new.public), Err(Refusal::Altered));
    assert_eq!(signature::import(b" \n", &bytes, &new.public), Err(Refusal::Unsigned));
    let hidden = stock.replace("hashed", "ha\u{202e}shed");
    assert!(matches!(
        signature::import(hidden.as_bytes(), &bytes, &new.public),
        Err(Refusal::NotCanonical { .. })
    ));
}

#[test]
fn the_stock_library_verifies_our_signatures() {
    let (key, bytes, signature) = signed();
    let parsed = minisign::SignatureBox::from_string(&signature).unwrap();
    let public = minisign::PublicKey::from_base64(&key.public().unwrap().to_string()).unwrap();
    minisign::verify(&public, &parsed, std::io::Cursor::new(&bytes), true, false, false).unwrap();
}

#[test]
fn the_older_signing_mode_is_not_accepted() {
    let (key, bytes, signature) = signed();
    let line = signature.lines().nth(1).unwrap();
    let mut raw = BASE64.decode(line).unwrap();
    raw[1] = b'd';
    let older = signature.replace(line, &BASE64.encode(raw));
    let refusal = verify(bytes, &older, &trust(&key)).unwrap_err();
    assert_eq!(refusal, Refusal::NotCanonical { why: "it is not made in the prehashed mode" });
}
