//! The parts of a certificate as they were written. Encoding them anew would be slower, and another
//! spelling of the same would no longer be what was signed.

use der::{Decode as _, Encode as _, Header, Reader as _, SliceReader, Tag, TagNumber};

/// The parts that are needed as bytes.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// The fields of `TBSCertificate` before the extensions.
    fields: Vec<&'a [u8]>,
    extensions: Vec<&'a [u8]>,
}

/// Position of the issuer's name among the fields, after version, serial number and algorithm.
const ISSUER: usize = 3;
/// Position of the public key, after issuer, validity and subject.
const PUBLIC_KEY: usize = 6;

impl<'a> Parts<'a> {
    /// Splits a certificate that was parsed before; of version 3, since only that has extensions.
    pub(super) fn of(certificate: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(certificate)?;
        Header::decode(&mut reader)?;
        let mut fields = members(reader.tlv_bytes()?)?;
        let extensions = match fields.pop() {
            Some(last) if last.first() == Some(&EXTENSIONS_TAG) => {
                let mut reader = SliceReader::new(last)?;
                Header::decode(&mut reader)?;
                members(reader.tlv_bytes()?)?
            }
            _ => return Err(Tag::Sequence.value_error()),
        };
        Ok(Self { fields, extensions })
    }

    /// The issuer's name, DER.
    pub(super) fn issuer(&self) -> Option<&'a [u8]> {
        self.fields.get(ISSUER).copied()
    }

    /// The `SubjectPublicKeyInfo`, DER.
    pub(super) fn public_key(&self) -> Option<&'a [u8]> {
        self.fields.get(PUBLIC_KEY).copied()
    }

    /// `TBSCertificate` without the extension of this object identifier, DER.
    pub(super) fn without_extension(&self, oid: const_oid::ObjectIdentifier) -> der::Result<Vec<u8>> {
        let oid = oid.to_der()?;
        let mut extensions = Vec::new();
        for extension in &self.extensions {
            let mut reader = SliceReader::new(extension)?;
            Header::decode(&mut reader)?;
            if reader.tlv_bytes()? != oid {
                extensions.extend_from_slice(extension);
            }
        }
        let extensions = wrapped(Tag::Sequence, &extensions)?;
        let mut out = self.fields.concat();
        let tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N3 };
        out.extend(wrapped(tag, &extensions)?);
        wrapped(Tag::Sequence, &out)
    }
}

/// `[3]`, constructed.
const EXTENSIONS_TAG: u8 = 0xa3;

/// What a SEQUENCE is made of, each with its header.
fn members(sequence: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(sequence)?;
    Header::decode(&mut reader)?;
    let mut members = Vec::new();
    while !reader.is_finished() {
        members.push(reader.tlv_bytes()?);
    }
    Ok(members)
}

fn wrapped(tag: Tag, content: &[u8]) -> der::Result<Vec<u8>> {
    let mut out = Header::new(tag, content.len())?.to_der()?;
    out.extend_from_slice(content);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5280::ID_CE_KEY_USAGE;
    use der::{Decode as _, Encode as _};

    use super::super::testing::{Key, Wish, authority, code_signer, issue};
    use super::*;

    #[test]
    fn parts_are_those_that_a_parser_finds() {
        let key = Key::new();
        for extensions in [authority(), code_signer()] {
            let wish = Wish { subject: "CN=subject", issuer: "CN=issuer", validity: (1, 2), extensions };
            let der = issue(wish, &key, &key);
            let mut parsed = x509_cert::Certificate::from_der(&der).unwrap().tbs_certificate;
            let parts = Parts::of(&der).unwrap();
            assert_eq!(parts.issuer(), Some(&parsed.issuer.to_der().unwrap()[..]));
            assert_eq!(parts.public_key(), Some(&parsed.subject_public_key_info.to_der().unwrap()[..]));
            let all = parts.without_extension(const_oid::db::rfc6962::CT_PRECERT_SCTS).unwrap();
            assert_eq!(all, parsed.to_der().unwrap());
            parsed.extensions.as_mut().unwrap().retain(|extension| extension.extn_id != ID_CE_KEY_USAGE);
            assert_eq!(parts.without_extension(ID_CE_KEY_USAGE).unwrap(), parsed.to_der().unwrap());
        }
        assert!(Parts::of(b"").is_err() && Parts::of(b"\x30\x02\x30\x00").is_err());
    }
}
