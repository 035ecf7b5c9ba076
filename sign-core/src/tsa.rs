//! Timestamp authorities: an RFC 3161 timestamp over a signature.
//!
//! Requests carry a nonce and do not ask for the authority's certificates: verifiers take those from
//! the trusted root, and each bundle stays smaller by two or three kilobytes. The answer is kept whole.

use der::asn1::{Int, OctetString};
use der::{Any, Decode, Encode};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use spki::AlgorithmIdentifier;
use url::Url;
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use crate::clock::Clock;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::http::{HttpClient, Request};
use crate::service;

const TSA: &str = "the timestamp authority";
/// How far the timestamp may be from this machine's time: more than a slow network and an unkept clock
/// explain, less than the life of a certificate, within which the time must fall.
const MAX_TIME_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);
/// `PKIStatus` 0 and 1 are granted and granted with modifications; everything else is a refusal.
const MAX_GRANTED_STATUS: u8 = 1;

/// Random bytes that tie an answer to its request, so that an old one cannot be replayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nonce([u8; 8]);

impl Nonce {
    /// From random bytes. The two top bits are fixed, which makes it a positive integer of one spelling.
    pub(crate) fn new(mut random: [u8; 8]) -> Self {
        random[0] = random[0] & 0x3f | 0x40;
        Self(random)
    }
}

/// Asks the authority at `url` for a timestamp over `signature`; returns its response, DER. The
/// authority's own signature is verified with the finished bundle.
pub(crate) async fn timestamp(
    http: &HttpClient,
    url: &Url,
    signature: &[u8],
    nonce: Nonce,
    clock: &dyn Clock,
) -> Result<Vec<u8>> {
    let imprint = Digest::sha256(signature);
    let request = Request::new(TSA, Method::POST, url.clone())
        .header(CONTENT_TYPE, "application/timestamp-query")?
        .header(ACCEPT, "application/timestamp-reply")?
        .body(encode(&imprint, nonce)?);
    let answer = http.send(request).await?;
    if !matches!(answer.status, StatusCode::OK | StatusCode::CREATED) {
        return Err(service::refused(TSA, &answer));
    }
    check(&answer.body, &imprint, nonce, clock.now())?;
    Ok(answer.body.to_vec())
}

fn encode(imprint: &Digest, nonce: Nonce) -> Result<Vec<u8>> {
    let request = || -> der::Result<Vec<u8>> {
        TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier {
                    oid: const_oid::db::rfc5912::ID_SHA_256,
                    parameters: Some(Any::null()),
                },
                hashed_message: OctetString::new(imprint.as_bytes())?,
            },
            req_policy: None,
            nonce: Some(Int::new(&nonce.0)?),
            cert_req: false,
            extensions: None,
        }
        .to_der()
    };
    request().map_err(|e| Error::new(Code::Internal, "could not write the request").caused_by(e))
}

/// Whether the response grants what was asked: this imprint, this nonce, now.
fn check(response: &[u8], imprint: &Digest, nonce: Nonce, now: Timestamp) -> Result<()> {
    let unreadable = |what: &'static str| {
        move |e: der::Error| service::not_understood(TSA, what).found(e.to_string()).caused_by(e)
    };
    let response = TimeStampResp::from_der(response).map_err(unreadable("no timestamp response"))?;
    let status = response.status.status as u8;
    if status > MAX_GRANTED_STATUS {
        return Err(Error::new(Code::ServiceRefused, format!("{TSA} refused the request"))
            .expected("status 0 or 1")
            .found(format!("status {status}")));
    }
    let token =
        response.time_stamp_token.ok_or_else(|| service::not_understood(TSA, "no timestamp token"))?;
    let signed: cms::signed_data::SignedData =
        token.content.decode_as().map_err(unreadable("the token is not signed data"))?;
    let content = signed
        .encap_content_info
        .econtent
        .ok_or_else(|| service::not_understood(TSA, "the token has no content"))?;
    let info = TstInfo::from_der(content.value()).map_err(unreadable("the token's content"))?;

    let found = info.message_imprint.hashed_message.as_bytes();
    let algorithm = info.message_imprint.hash_algorithm.oid;
    if algorithm != const_oid::db::rfc5912::ID_SHA_256 || found != imprint.as_bytes() {
        return Err(service::contradiction(TSA, "the timestamp is over another signature")
            .expected(imprint)
            .found(format!("{algorithm} {}", hex::encode(found))));
    }
    if info.nonce.as_ref().map(Int::as_bytes) != Some(nonce.0.as_slice()) {
        return Err(service::contradiction(TSA, "the timestamp has another nonce"));
    }
    let seconds = i64::try_from(info.gen_time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds)
        .map_err(|e| service::not_understood(TSA, "the token's time").caused_by(e))?;
    let difference = time.duration_since(now);
    if difference.abs() > MAX_TIME_DIFFERENCE {
        // Ahead, this machine's clock may be the wrong one: that is no verdict on the authority.
        let code = if difference.is_positive() { Code::TimeInFuture } else { Code::ServiceContradiction };
        return Err(Error::new(code, format!("{TSA} does not agree on the time"))
            .expected(format!("{now}, give or take {MAX_TIME_DIFFERENCE:#}"))
            .found(time)
            .hint("check the clock of this machine; nothing was attached"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; 8] = [0xff, 2, 3, 4, 5, 6, 7, 8];

    /// A response without a signature, which is not this module's to check.
    fn response(status: u8, imprint: &Digest, nonce: Option<&[u8]>, seconds: u64) -> Vec<u8> {
        let imprint = MessageImprint {
            hash_algorithm: AlgorithmIdentifier { oid: const_oid::db::rfc5912::ID_SHA_256, parameters: None },
            hashed_message: OctetString::new(imprint.as_bytes()).unwrap(),
        };
        let time = std::time::Duration::from_secs(seconds);
        let info = TstInfo {
            version: TspVersion::V1,
            policy: "1.3.6.1.4.1.57264.2".parse().unwrap(),
            message_imprint: imprint,
            serial_number: Int::new(&[1]).unwrap(),
            gen_time: der::asn1::GeneralizedTime::from_unix_duration(time).unwrap(),
            accuracy: None,
            ordering: false,
            nonce: nonce.map(|n| Int::new(n).unwrap()),
            tsa: None,
            extensions: None,
        };
        let tlv = |tag: u8, content: &[u8]| {
            let mut out = vec![tag];
            match content.len() {
                n @ 0..=127 => out.push(n as u8),
                n @ 128..=255 => out.extend([0x81, n as u8]),
                n => out.extend([0x82, (n >> 8) as u8, n as u8]),
            }
            out.extend(content);
            out
        };
        let oid = |text: &str| der::asn1::ObjectIdentifier::new_unwrap(text).to_der().unwrap();
        let content = tlv(0xa0, &tlv(0x04, &info.to_der().unwrap()));
        let encapsulated = tlv(0x30, &[oid("1.2.840.113549.1.9.16.1.4"), content].concat());
        let empty_set = tlv(0x31, &[]);
        let signed = tlv(0x30, &[tlv(2, &[3]), empty_set.clone(), encapsulated, empty_set].concat());
        let token = tlv(0x30, &[oid("1.2.840.113549.1.7.2"), tlv(0xa0, &signed)].concat());
        tlv(0x30, &[tlv(0x30, &tlv(2, &[status])), token].concat())
    }

    #[test]
    fn asks_for_this_imprint_with_a_positive_nonce() {
        for random in [[0; 8], [0xff; 8], NONCE] {
            let der = encode(&Digest::sha256(b"signature"), Nonce::new(random)).unwrap();
            let request = TimeStampReq::from_der(&der).unwrap();
            assert_eq!(
                request.message_imprint.hashed_message.as_bytes(),
                Digest::sha256(b"signature").as_bytes()
            );
            assert_eq!(request.nonce.unwrap().as_bytes(), Nonce::new(random).0);
            assert!(Nonce::new(random).0[0] < 0x80 && !request.cert_req);
        }
        assert_ne!(Nonce::new([1; 8]).0, Nonce::new([2; 8]).0);
    }

    #[test]
    fn takes_the_answer_to_this_request_and_no_other() {
        let (imprint, nonce) = (Digest::sha256(b"signature"), Nonce::new(NONCE));
        let now = Timestamp::from_second(1_000_000).unwrap();
        let (other, replayed) = (Digest::sha256(b"other"), Nonce::new([9; 8]));
        let mine = Some(nonce.0.as_slice());
        for (name, response, failure) in [
            ("granted", response(0, &imprint, mine, 1_000_000), None),
            ("granted with modifications", response(1, &imprint, mine, 1_000_000), None),
            ("edge", response(0, &imprint, mine, 1_000_300), None),
            ("refused", response(2, &imprint, mine, 1_000_000), Some(Code::ServiceRefused)),
            ("imprint", response(0, &other, mine, 1_000_000), Some(Code::ServiceContradiction)),
            ("nonce", response(0, &imprint, Some(&replayed.0), 1_000_000), Some(Code::ServiceContradiction)),
            ("no nonce", response(0, &imprint, None, 1_000_000), Some(Code::ServiceContradiction)),
            ("ahead", response(0, &imprint, mine, 1_000_301), Some(Code::TimeInFuture)),
            ("behind", response(0, &imprint, mine, 999_699), Some(Code::ServiceContradiction)),
            ("bytes", b"<html>".to_vec(), Some(Code::ServiceProtocol)),
            ("nothing", Vec::new(), Some(Code::ServiceProtocol)),
        ] {
            let result = check(&response, &imprint, nonce, now);
            assert_eq!(result.as_ref().err().map(Error::code), failure, "{name}: {result:?}");
        }
    }
}
