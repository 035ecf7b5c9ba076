//! The timestamp authority: RFC 3161 over HTTP, as Sigstore's timestamp-authority serves it.

mod json;
pub(crate) mod reply;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use der::Decode;
use jiff::SignedDuration;
use serde_json::json;
use x509_tsp::TimeStampReq;

use crate::clock::Clock;
use crate::fault::{Fault, Faults};
use crate::pki::{self, Authority, BoxError, Purpose};

/// A request is about a hundred bytes; an extension or two would not make it ten times that.
const MAX_BODY: usize = 8 * 1024;
/// How far ahead the clock of a faulty TSA is.
const FUTURE: SignedDuration = SignedDuration::from_hours(1);

/// The authority: root, intermediate and signing certificate.
pub(crate) struct Tsa {
    root: Authority,
    intermediate: Authority,
    leaf: Authority,
    clock: Clock,
    faults: Faults,
}

impl Tsa {
    /// An authority with new keys.
    pub(crate) fn new(clock: Clock, faults: Faults) -> Result<Self, BoxError> {
        let now = clock.now();
        let root = Authority::root("sandbox timestamp root", now)?;
        let intermediate = root.intermediate("sandbox timestamp intermediate", Purpose::TimeStamping, now)?;
        let leaf = intermediate.time_stamper("sandbox timestamp authority", now)?;
        Ok(Self { root, intermediate, leaf, clock, faults })
    }

    /// The chain, DER, leaf first.
    pub(crate) fn chain_der(&self) -> Vec<Vec<u8>> {
        [&self.leaf, &self.intermediate, &self.root].map(|authority| authority.der().to_vec()).to_vec()
    }

    /// Root, intermediate and signer.
    pub(crate) fn authorities(&self) -> [Authority; 3] {
        [&self.root, &self.intermediate, &self.leaf].map(Authority::clone)
    }

    /// The endpoints.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/v1/timestamp", post(timestamp))
            .route("/api/v1/timestamp/certchain", get(chain))
            .route("/ping", get(async || Json(json!({}))))
            .fallback(async || refuse(StatusCode::NOT_FOUND, "no such endpoint"))
            .method_not_allowed_fallback(async || {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "no such method on this endpoint")
            })
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// The answer to a request: a token or, as RFC 3161 has it, a status that says why not.
    fn answer(&self, request: TimeStampReq) -> Result<Vec<u8>, BoxError> {
        if let Err(failure) = reply::check(&request) {
            return reply::rejection(failure);
        }
        let mut stamp = reply::Stamp {
            imprint: request.message_imprint,
            nonce: request.nonce,
            at: self.clock.now(),
            with_certificate: request.cert_req,
        };
        if self.faults.is(Fault::TsaOtherImprint) {
            stamp.change_imprint()?;
        }
        if self.faults.is(Fault::TsaOtherNonce) {
            stamp.change_nonce()?;
        }
        if self.faults.is(Fault::TsaFuture) {
            stamp.at = stamp.at.checked_add(FUTURE)?;
        }
        reply::granted(&self.leaf, stamp, |_| ())
    }
}

async fn timestamp(
    State(tsa): State<Arc<Tsa>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if tsa.faults.is(Fault::TsaDown) {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the timestamp authority is down");
    }
    let parse: fn(&[u8]) -> Result<TimeStampReq, &'static str> =
        match headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
            Some("application/timestamp-query") => |body| {
                TimeStampReq::from_der(body).map_err(|_| "the request is no DER TimeStampReq of version 1")
            },
            Some("application/json") => json::request,
            _ => {
                return refuse(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "the request is neither application/timestamp-query nor application/json",
                );
            }
        };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection.status(), "the body is too long or cut off"),
    };
    let request = match parse(&body) {
        Ok(request) => request,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, message),
    };
    match tsa.answer(request) {
        Ok(reply) => ([(header::CONTENT_TYPE, "application/timestamp-reply")], reply).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn chain(State(tsa): State<Arc<Tsa>>) -> Response {
    let pem: Result<String, BoxError> = tsa.chain_der().iter().map(|der| pki::certificate_pem(der)).collect();
    match pem {
        Ok(pem) => ([(header::CONTENT_TYPE, "application/pem-certificate-chain")], pem).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The error shape of timestamp-authority's API.
fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"code": status.as_u16(), "message": message}))).into_response()
}

#[cfg(test)]
mod tests;
