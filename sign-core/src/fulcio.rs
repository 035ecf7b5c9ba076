//! Fulcio: a certificate for a key, in exchange for an identity token.
//!
//! Source: Fulcio's API v2, `fulcio.proto`. Only the leaf is used; trust in its issuer comes from the
//! trusted root, never from this answer.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::encoding::{base64_encode, pem_decode_all, pem_encode};
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, Request, may_carry_secrets, redacted};
use crate::identity::IdentityToken;
use crate::service;
use crate::signer::Signer;

const FULCIO: &str = "Fulcio";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SigningCertRequest {
    public_key_request: PublicKeyRequest,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyRequest {
    public_key: PublicKey,
    proof_of_possession: String,
}

#[derive(Serialize)]
struct PublicKey {
    algorithm: &'static str,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SigningCert {
    #[serde(alias = "signed_certificate_embedded_sct")]
    signed_certificate_embedded_sct: Option<WithChain>,
    #[serde(alias = "signed_certificate_detached_sct")]
    signed_certificate_detached_sct: Option<WithChain>,
}

#[derive(Deserialize)]
struct WithChain {
    chain: Chain,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

/// Refuses an address to which the identity token would travel in the clear: whoever reads it on its way
/// can sign in that name.
pub(crate) fn check_address(base: &Url) -> Result<()> {
    if may_carry_secrets(base) {
        return Ok(());
    }
    Err(Error::new(Code::TrustConfigInvalid, "the identity token is not sent to Fulcio over plain HTTP")
        .expected("an https address")
        .found(redacted(base))
        .hint("use a signing config that names Fulcio's https address"))
}

/// Asks for a certificate for `signer`'s key and the identity in `token`; returns the leaf, DER.
/// What is in it has to be checked by the caller.
pub(crate) async fn request_certificate(
    http: &HttpClient,
    base: &Url,
    token: &IdentityToken,
    signer: &dyn Signer,
) -> Result<Vec<u8>> {
    check_address(base)?;
    // The proof ties the key to this identity: nobody can have a certificate issued for a foreign key.
    let challenge = signer.scheme().hash().hash(token.challenge()?.as_bytes());
    let proof = signer.sign_digest(&challenge).await?;
    let body = request_body(signer, &proof)?;
    let request = Request::new(FULCIO, Method::POST, service::endpoint(base, "api/v2/signingCert")?)
        .header(CONTENT_TYPE, "application/json")?
        .header(ACCEPT, "application/json")?
        .header(AUTHORIZATION, &format!("Bearer {}", token.secret()))?
        .body(body);
    let answer = http.send(request).await?;
    if !matches!(answer.status, StatusCode::OK | StatusCode::CREATED) {
        let message = service::message(&answer.body).unwrap_or_default();
        let error = service::refused(FULCIO, &answer);
        return Err(match error.code() {
            Code::ServiceRefused => error.hint(hint(&message, token)),
            _ => error,
        });
    }
    leaf(&answer.body)
}

fn request_body(signer: &dyn Signer, proof: &[u8]) -> Result<Vec<u8>> {
    let request = SigningCertRequest {
        public_key_request: PublicKeyRequest {
            public_key: PublicKey {
                algorithm: signer.scheme().fulcio_algorithm(),
                content: pem_encode("PUBLIC KEY", &signer.public_key_der()),
            },
            proof_of_possession: base64_encode(proof),
        },
    };
    serde_json::to_vec(&request)
        .map_err(|e| Error::new(Code::Internal, "could not write the request").caused_by(e))
}

fn leaf(body: &[u8]) -> Result<Vec<u8>> {
    let answer: SigningCert = serde_json::from_slice(body)
        .map_err(|e| service::not_understood(FULCIO, "no certificate chain").caused_by(e))?;
    let chain = match (answer.signed_certificate_embedded_sct, answer.signed_certificate_detached_sct) {
        (Some(embedded), None) => embedded.chain,
        (None, Some(_)) => {
            // A bundle has no place for a detached SCT, so that nobody could verify the result.
            return Err(Error::new(Code::ServiceProtocol, "Fulcio sent a detached certificate timestamp")
                .expected("a certificate with the timestamp embedded")
                .hint("use a Fulcio whose certificate authority embeds certificate timestamps"));
        }
        _ => return Err(service::not_understood(FULCIO, "no certificate chain")),
    };
    let first = chain.certificates.first().map_or("", String::as_str);
    let unreadable = || service::not_understood(FULCIO, "its first certificate is not PEM");
    let blocks = pem_decode_all("CERTIFICATE", first).map_err(|_| unreadable())?;
    match <[Vec<u8>; 1]>::try_from(blocks) {
        Ok([leaf]) => Ok(leaf),
        Err(_) => Err(unreadable()),
    }
}

/// What to do about a refusal. Fulcio has one status for all of these, and tells them apart in prose.
fn hint(message: &str, token: &IdentityToken) -> String {
    let message = message.to_lowercase();
    let has = |word: &str| message.contains(word);
    if has("expired") {
        "the token ended on its way: get a fresh one, and check the clock of this machine".into()
    } else if has("audience") {
        format!("ask the issuer for a token with the audience {}", crate::identity::SIGSTORE_AUDIENCE)
    } else if has("email") && has("verified") {
        "verify the e-mail address with the issuer, then get a fresh token".into()
    } else if has("possession") || has("signature supplied") || has("public key") {
        "the key's proof was not accepted: this Fulcio may not allow the key's algorithm, or derives the \
         challenge from another claim"
            .into()
    } else if has("issuer") || has("unsupported") || has("not found") {
        format!("this Fulcio does not know the issuer {}; use one it is configured for", token.issuer())
    } else {
        "get a fresh token of an issuer that this Fulcio knows".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Fake;
    use crate::signer::EphemeralKey;

    fn answer(kind: &str, certificates: &[&str]) -> Vec<u8> {
        serde_json::to_vec(&serde_json::json!({ kind: { "chain": { "certificates": certificates } } }))
            .unwrap()
    }

    #[test]
    fn takes_the_leaf_of_an_embedded_answer_only() {
        let (one, two) = (pem_encode("CERTIFICATE", b"leaf"), pem_encode("CERTIFICATE", b"root"));
        assert_eq!(leaf(&answer("signedCertificateEmbeddedSct", &[&one, &two])).unwrap(), b"leaf");
        let both = format!("{one}{two}");
        for (bad, text) in [
            (answer("signedCertificateDetachedSct", &[&one]), "detached"),
            (answer("signedCertificateEmbeddedSct", &[]), "not PEM"),
            (answer("signedCertificateEmbeddedSct", &["x"]), "not PEM"),
            (answer("signedCertificateEmbeddedSct", &[&both]), "not PEM"),
            (answer("other", &[&one]), "no certificate chain"),
            (b"<html>".to_vec(), "no certificate chain"),
        ] {
            let error = leaf(&bad).unwrap_err();
            assert_eq!(error.code(), Code::ServiceProtocol);
            assert!(error.message().contains(text), "{error}");
        }
    }

    #[tokio::test]
    async fn sends_the_token_once_and_explains_a_refusal() {
        let refusal = r#"{"code":16,"message":"oidc: token is expired \u001b[2J"}"#;
        let fake = Fake::serve(vec![(401, vec![], refusal.into())]).await;
        let raw = crate::identity::tests::jwt(r#"{"iss":"i","sub":"s","exp":1}"#);
        let token = IdentityToken::parse(&raw).unwrap();
        let key = EphemeralKey::generate().unwrap();
        let error = request_certificate(&fake.client(), &fake.url, &token, &key).await.unwrap_err();
        assert_eq!(error.code(), Code::ServiceRefused);
        assert_eq!(error.found_value(), Some("401: oidc: token is expired \\u{1b}[2J"));
        assert!(error.hint_text().unwrap().contains("fresh"), "{error:?}");
        assert!(!format!("{error:?}").contains(&raw));
        let requests = fake.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].starts_with("POST /api/v2/signingCert "), "{requests:?}");
        assert!(requests[0].contains(&format!("authorization: Bearer {raw}")), "{requests:?}");
    }

    #[tokio::test]
    async fn the_token_stays_off_unprotected_connections() {
        let fake = Fake::serve(vec![]).await;
        let raw = crate::identity::tests::jwt(r#"{"iss":"i","sub":"s","exp":1}"#);
        let token = IdentityToken::parse(&raw).unwrap();
        let key = EphemeralKey::generate().unwrap();
        // The name leads nowhere: a request that is made would be another error.
        let plain: Url = "http://fulcio.invalid".parse().unwrap();
        let error = request_certificate(&fake.client(), &plain, &token, &key).await.unwrap_err();
        assert_eq!(error.code(), Code::TrustConfigInvalid);
        for (url, allowed) in [
            ("https://fulcio.corp.example", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost", true),
            ("http://fulcio.corp.example", false),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(check_address(&url.parse().unwrap()).is_ok(), allowed, "{url}");
        }
    }

    #[test]
    fn sends_the_key_as_pem_and_the_proof_as_base64() {
        let key = EphemeralKey::generate().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&request_body(&key, b"proof").unwrap()).unwrap();
        let request = &body["publicKeyRequest"];
        assert_eq!(request["publicKey"]["algorithm"], "ECDSA");
        assert_eq!(request["proofOfPossession"], "cHJvb2Y=");
        let pem = request["publicKey"]["content"].as_str().unwrap();
        assert_eq!(pem_decode_all("PUBLIC KEY", pem).unwrap(), [key.public_key_der()]);
    }

    #[test]
    fn turns_prose_into_a_next_step() {
        let raw = crate::identity::tests::jwt(r#"{"iss":"https://i.example","sub":"s","exp":1}"#);
        let token = IdentityToken::parse(&raw).unwrap();
        for (message, part) in [
            ("oidc: token is expired", "fresh one"),
            ("oidc: expected audience \"sigstore\" got []", "audience sigstore"),
            ("email_verified claim was false: email not verified", "verify the e-mail"),
            ("The signature supplied in the request could not be verified", "proof"),
            ("unsupported issuer: x", "https://i.example"),
            ("", "fresh token"),
        ] {
            assert!(hint(message, &token).contains(part), "{message}");
        }
    }
}
