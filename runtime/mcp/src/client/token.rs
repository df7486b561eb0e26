//! Tokens: 256 random bits behind a mark by which scanners for leaked secrets know them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openpact_model::id::Digest;
use openpact_model::random::Random;
use zeroize::Zeroizing;

const PREFIX: &str = "opm_";
/// 32 bytes in base64 without padding.
const ENCODED: usize = 43;

pub(super) fn generate(random: &dyn Random) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(&mut *bytes);
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + ENCODED));
    token.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(*bytes, &mut token);
    token
}

pub(super) fn hash(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

/// The hash of what somebody presented, if that can be a token at all.
pub(super) fn presented(token: &str) -> Option<Digest> {
    let encoded = token.strip_prefix(PREFIX)?;
    (encoded.len() == ENCODED).then(|| hash(token))
}

#[cfg(test)]
mod tests {
    use openpact_model::random::SystemRandom;

    use super::*;

    #[test]
    fn a_token_is_long_marked_and_never_the_same() {
        let (one, other) = (generate(&SystemRandom), generate(&SystemRandom));
        assert_eq!(one.len(), PREFIX.len() + ENCODED);
        assert!(one.starts_with(PREFIX) && *one != *other);
        assert_eq!(presented(&one), Some(hash(&one)));
    }

    #[test]
    fn what_cannot_be_a_token_is_not_looked_up() {
        let token = generate(&SystemRandom);
        let longer = format!("{}A", *token);
        for bad in ["", "opm_", &token[1..], &token[..token.len() - 1], &longer] {
            assert_eq!(presented(bad), None, "{bad}");
        }
    }
}
