//! RS256 for jsonwebtoken by ring, which TLS uses too. What the crate brings itself is aws-lc, which is not built here,
//! and the rsa crate, whose private key operations are not constant-time (RUSTSEC-2023-0071).

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use signature::{Error, Signer};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};
static INSTALLED: Once = Once::new();

/// The private key in a PEM text, PKCS #1 or #8.
///
/// # Errors
/// One sentence: why it cannot be used.
pub(super) fn key(pem: &str) -> std::result::Result<EncodingKey, String> {
    INSTALLED.call_once(|| {
        if PROVIDER.install_default().is_err() {
            tracing::error!("another part of the program signs already; GitHub Apps may not work");
        }
    });
    let wrong = "\"private_key\" is not an RSA private key in PEM form, as GitHub gives it";
    let key = EncodingKey::from_rsa_pem(pem.trim().as_bytes()).map_err(|_| wrong.to_owned())?;
    pair(&key).map_err(|why| format!("\"private_key\" cannot be used: {why}"))?;
    Ok(key)
}

fn pair(key: &EncodingKey) -> std::result::Result<KeyPair, ring::error::KeyRejected> {
    KeyPair::from_der(key.as_bytes())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the crate states the type")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::RS256 {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let pair = pair(key).map_err(|why| ErrorKind::InvalidRsaKey(why.to_string()))?;
    Ok(Box::new(Rs256(pair)))
}

/// Nothing here takes a signed token from anybody.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the crate states the type")]
fn verifier(_: &Algorithm, _: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

struct Rs256(KeyPair);

impl Signer<Vec<u8>> for Rs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        // The randomness only blinds the computation; the signature does not depend on it.
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|_| Error::new())?;
        Ok(signature)
    }
}

impl JwtSigner for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
