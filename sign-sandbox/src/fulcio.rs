//! Fulcio: a certificate of ten minutes for whoever proves an identity and the possession of a key.

pub(crate) mod leaf;
mod request;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use der::Encode;
use serde_json::{Value, json};

use self::request::{LegacyRequest, SigningCertificateRequest};
use crate::clock::Clock;
use crate::ctlog::CtLog;
use crate::fault::{Fault, Faults};
use crate::oidc::{self, Claims, Identity, Oidc};
use crate::pki::{self, Authority, BoxError, Purpose};

/// A token of some kilobytes and a key or CSR; real requests are a tenth of it.
const MAX_BODY: usize = 64 * 1024;

/// The certificate authority.
pub(crate) struct Fulcio {
    root: Authority,
    intermediate: Authority,
    oidc: Arc<Oidc>,
    ct: Arc<CtLog>,
    clock: Clock,
    faults: Faults,
}

impl Fulcio {
    /// An authority with new keys that trusts the issuers of `oidc` and logs to `ct`.
    pub(crate) fn new(
        oidc: Arc<Oidc>,
        ct: Arc<CtLog>,
        clock: Clock,
        faults: Faults,
    ) -> Result<Self, BoxError> {
        let (root, intermediate) = chain(&clock)?;
        Ok(Self { root, intermediate, oidc, ct, clock, faults })
    }

    /// The chain above the leaf, DER: intermediate, root.
    pub(crate) fn chain_der(&self) -> Vec<Vec<u8>> {
        vec![self.intermediate.der().to_vec(), self.root.der().to_vec()]
    }

    /// Root and intermediate.
    pub(crate) fn authorities(&self) -> [Authority; 2] {
        [self.root.clone(), self.intermediate.clone()]
    }

    /// The endpoints.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/v2/signingCert", post(signing_cert))
            .route("/api/v1/signingCert", post(legacy_signing_cert))
            .route("/api/v2/trustBundle", get(trust_bundle))
            .route("/api/v2/configuration", get(configuration))
            .fallback(async || Refusal::new(StatusCode::NOT_FOUND, 5, "Not Found").into_response())
            .method_not_allowed_fallback(async || {
                Refusal::new(StatusCode::NOT_IMPLEMENTED, 12, "Method Not Allowed").into_response()
            })
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// Answers one request with the chain, PEM, leaf first.
    fn sign(
        &self,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
        read: impl FnOnce(&[u8]) -> Result<SigningCertificateRequest, Refusal>,
    ) -> Result<Vec<String>, Refusal> {
        if self.faults.is(Fault::FulcioDown) {
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, 13, "fulcio is down"));
        }
        let body =
            body.map_err(|rejection| Refusal::new(rejection.status(), 8, "the body is too long or cut off"))?;
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let request = read(&body)?;
        let token = request.token().or_else(|| authorization.and_then(oidc::bearer)).unwrap_or_default();
        let claims = self.oidc.verify(token).map_err(|refusal| {
            Refusal::argument(format!("There was an error processing the identity token: {refusal}"))
        })?;
        let key = request.proven_key(claims.challenge())?;
        let spki = key.spki().map_err(Refusal::internal)?;
        self.issue(claims, spki).map_err(Refusal::internal)
    }

    fn issue(
        &self,
        mut claims: Claims,
        mut spki: spki::SubjectPublicKeyInfoOwned,
    ) -> Result<Vec<String>, BoxError> {
        if self.faults.is(Fault::FulcioOtherKey) {
            spki = request::other_key()?;
        }
        if self.faults.is(Fault::FulcioOtherIdentity) {
            change_identity(&mut claims.identity);
        }
        if self.faults.is(Fault::FulcioOtherIssuer) {
            claims.issuer = "https://issuer.invalid".to_owned();
        }
        let other = if self.faults.is(Fault::FulcioOtherChain) { Some(chain(&self.clock)?) } else { None };
        let (root, intermediate) = match &other {
            Some((root, intermediate)) => (root, intermediate),
            None => (&self.root, &self.intermediate),
        };

        let now = self.clock.now();
        let mut tbs = leaf::precertificate(intermediate, &claims, spki, now)?;
        if !self.faults.is(Fault::FulcioNoSct) {
            let mut sct = self.ct.add(&tbs.to_der()?, intermediate.key_hash()?, now)?;
            if self.faults.is(Fault::FulcioBadSct)
                && let Some(last) = sct.last_mut()
            {
                // The end of the signature: still DER, but wrong.
                *last ^= 1;
            }
            leaf::embed(&mut tbs, &[sct])?;
        }
        let leaf = intermediate.issue(tbs)?.to_der()?;
        [leaf.as_slice(), intermediate.der(), root.der()].into_iter().map(pki::certificate_pem).collect()
    }
}

/// A root and an intermediate under it.
pub(crate) fn chain(clock: &Clock) -> Result<(Authority, Authority), BoxError> {
    let now = clock.now();
    let root = Authority::root("sandbox fulcio root", now)?;
    let intermediate = root.intermediate("sandbox fulcio intermediate", Purpose::CodeSigning, now)?;
    Ok((root, intermediate))
}

fn change_identity(identity: &mut Identity) {
    match identity {
        Identity::Email(address) => "mallory@example.com".clone_into(address),
        Identity::Workflow(workflow) => {
            "mallory/other/.github/workflows/release.yml@refs/heads/main"
                .clone_into(&mut workflow.job_workflow_ref);
        }
    }
}

async fn signing_cert(
    State(fulcio): State<Arc<Fulcio>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Refusal> {
    let certificates = fulcio.sign(&headers, body, parse)?;
    Ok(Json(json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": certificates}}})))
}

/// The API before, which cosign 2 still speaks: 201, and the chain as it is.
async fn legacy_signing_cert(
    State(fulcio): State<Arc<Fulcio>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let certificates = fulcio.sign(&headers, body, |body| parse::<LegacyRequest>(body)?.modern())?;
    let chain_type = [(header::CONTENT_TYPE, "application/pem-certificate-chain")];
    Ok((StatusCode::CREATED, chain_type, certificates.concat()).into_response())
}

/// Where a body is wrong, but not what it says: serde's text can quote it, and it can hold the token.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::argument(format!("the body is wrong at line {} column {}", error.line(), error.column()))
    })
}

async fn trust_bundle(State(fulcio): State<Arc<Fulcio>>) -> Result<Json<Value>, Refusal> {
    let certificates: Result<Vec<_>, _> =
        fulcio.chain_der().iter().map(|der| pki::certificate_pem(der)).collect();
    Ok(Json(json!({"chains": [{"certificates": certificates.map_err(Refusal::internal)?}]})))
}

async fn configuration(State(fulcio): State<Arc<Fulcio>>) -> Json<Value> {
    let issuer = |url: &str, claim: &str, kind: &str| {
        json!({
            "issuerUrl": url, "audience": oidc::AUDIENCE, "challengeClaim": claim,
            "spiffeTrustDomain": "", "issuerType": kind, "subjectDomain": "",
            "skipEmailVerification": false,
        })
    };
    Json(json!({"issuers": [
        issuer(fulcio.oidc.issuer(), "email", "email"),
        issuer(&fulcio.oidc.workflow_issuer(), "sub", "github-workflow"),
    ]}))
}

/// An error as grpc-gateway writes it: HTTP status, gRPC code, text.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: u8,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: u8, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn argument(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 3, message)
    }

    fn internal(error: BoxError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, 13, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"code": self.code, "message": self.message, "details": []});
        (self.status, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests;
