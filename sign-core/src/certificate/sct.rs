//! Signed certificate timestamps: proof that a certificate was shown to a CT log.
//!
//! Source: RFC 6962 §3.2 and §3.3.

use const_oid::db::rfc6962::CT_PRECERT_SCTS;
use der::Decode as _;
use der::asn1::OctetStringRef;
use jiff::Timestamp;

use super::raw::Parts;
use super::{Certificate, CtLog};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// Most SCTs in one certificate; Fulcio embeds one.
const MAX_SCTS: usize = 8;

/// One embedded SCT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sct {
    pub(crate) log_id: [u8; 32],
    pub(crate) timestamp: Timestamp,
    milliseconds: u64,
    extensions: Vec<u8>,
    algorithm: [u8; 2],
    signature: Vec<u8>,
}

/// The SCTs in a certificate; none where it has no such extension.
pub(crate) fn embedded_scts(certificate: &Certificate) -> Result<Vec<Sct>> {
    let extensions = certificate.parsed.tbs_certificate.extensions.iter().flatten();
    let Some(extension) = extensions.into_iter().find(|e| e.extn_id == CT_PRECERT_SCTS) else {
        return Ok(Vec::new());
    };
    let list = OctetStringRef::from_der(extension.extn_value.as_bytes())
        .map_err(|_| malformed("the list is no OCTET STRING"))?;
    parse_list(list.as_bytes())
}

impl Sct {
    /// Whether `log` signed it, over `signed`, in the way the SCT names and that the log's key has.
    pub(crate) fn is_by(&self, log: &CtLog, signed: &[u8]) -> bool {
        log.key.tls_algorithm() == Some(self.algorithm) && log.key.verifies(signed, &self.signature)
    }

    /// What the log signed: the precertificate, which is the certificate without its SCTs.
    pub(crate) fn signed_data(&self, certificate: &Certificate, issuer_key_hash: &Digest) -> Result<Vec<u8>> {
        let tbs = Parts::of(&certificate.der)
            .and_then(|parts| parts.without_extension(CT_PRECERT_SCTS))
            .map_err(|e| malformed("no precertificate").caused_by(e))?;
        let tbs_len = u32::try_from(tbs.len()).ok().filter(|len| *len < 1 << 24);
        let tbs_len = tbs_len.ok_or_else(|| malformed("the certificate is too large"))?;
        let extensions_len =
            u16::try_from(self.extensions.len()).map_err(|_| malformed("too large extensions"))?;

        // version v1, signature_type certificate_timestamp
        let mut out = vec![0, 0];
        out.extend(self.milliseconds.to_be_bytes());
        // entry_type precert_entry
        out.extend([0, 1]);
        out.extend(issuer_key_hash.as_bytes());
        out.extend(tbs_len.to_be_bytes().iter().skip(1));
        out.extend(tbs);
        out.extend(extensions_len.to_be_bytes());
        out.extend(&self.extensions);
        Ok(out)
    }
}

fn parse_list(bytes: &[u8]) -> Result<Vec<Sct>> {
    let mut outer = Reader(bytes);
    let mut list = Reader(outer.vector()?);
    outer.end()?;
    let mut scts = Vec::new();
    while !list.0.is_empty() {
        if scts.len() == MAX_SCTS {
            return Err(Error::new(Code::LimitExceeded, "too many SCTs").expected(MAX_SCTS));
        }
        scts.push(parse_one(list.vector()?)?);
    }
    Ok(scts)
}

fn parse_one(bytes: &[u8]) -> Result<Sct> {
    let mut reader = Reader(bytes);
    if reader.array::<1>()? != [0] {
        return Err(malformed("not version 1"));
    }
    let log_id = reader.array()?;
    let milliseconds = u64::from_be_bytes(reader.array()?);
    let timestamp = i64::try_from(milliseconds)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .ok_or_else(|| malformed("the time is out of range"))?;
    let extensions = reader.vector()?.to_vec();
    let algorithm = reader.array()?;
    let signature = reader.vector()?.to_vec();
    reader.end()?;
    Ok(Sct { log_id, timestamp, milliseconds, extensions, algorithm, signature })
}

/// Reads the TLS presentation language, as far as SCTs need it.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(|| malformed("it ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| malformed("it ends too early"))
    }

    fn vector(&mut self) -> Result<&'a [u8]> {
        let len = u16::from_be_bytes(self.array()?);
        self.take(len.into())
    }

    fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(malformed("bytes are left over")) }
    }
}

fn malformed(why: &str) -> Error {
    Error::new(Code::SctInvalid, format!("the signed certificate timestamp is malformed: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Vec<u8> {
        let mut sct = vec![0];
        sct.extend([7; 32]);
        sct.extend(1_700_000_000_000_u64.to_be_bytes());
        sct.extend([0, 2, 9, 9, 4, 3, 0, 3, 1, 2, 3]);
        sct
    }

    fn list(scts: &[Vec<u8>]) -> Vec<u8> {
        let inner: Vec<u8> =
            scts.iter().flat_map(|sct| [&(sct.len() as u16).to_be_bytes()[..], sct].concat()).collect();
        [&(inner.len() as u16).to_be_bytes()[..], &inner].concat()
    }

    #[test]
    fn reads_several_scts_with_extensions() {
        let scts = parse_list(&list(&[one(), one()])).unwrap();
        assert_eq!(scts.len(), 2);
        assert_eq!((scts[0].log_id, scts[0].timestamp.as_second()), ([7; 32], 1_700_000_000));
        assert_eq!((&scts[0].extensions[..], &scts[0].signature[..]), (&[9, 9][..], &[1, 2, 3][..]));
        assert_eq!(scts[0].algorithm, [4, 3]);
    }

    #[test]
    fn refuses_anything_cut_or_added() {
        let good = list(&[one()]);
        for cut in 0..good.len() {
            assert!(parse_list(&good[..cut]).is_err(), "{cut}");
        }
        assert!(parse_list(&[&good[..], &[0]].concat()).is_err());
        let mut long = one();
        long.push(0);
        assert!(parse_list(&list(&[long])).is_err());
        let mut version = one();
        version[0] = 1;
        assert!(parse_list(&list(&[version])).is_err());
        let many = vec![one(); MAX_SCTS + 1];
        assert_eq!(parse_list(&list(&many)).unwrap_err().code(), Code::LimitExceeded);
        assert_eq!(parse_list(&list(&many[1..])).unwrap().len(), MAX_SCTS);
    }
}
