//! What is written parses as the official schema, read by an independent implementation of it.

use sign_sandbox::RekorVersion;
use sigstore_protobuf_specs::dev::sigstore::bundle::v1::Bundle as OfficialBundle;
use sigstore_protobuf_specs::dev::sigstore::bundle::v1::bundle::Content;

use crate::sandbox::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn bundles_parse_as_the_official_schema() {
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let bench = Bench::start(version).await;
        for signed in [bench.blob().await, bench.statement().await] {
            let official: OfficialBundle = serde_json::from_slice(&signed.bundle.to_json()).unwrap();
            assert_eq!(official.media_type, sign_core::BUNDLE_V0_3);
            let material = official.verification_material.unwrap();
            let [entry] = material.tlog_entries.as_slice() else { panic!("{:?}", material.tlog_entries) };
            assert_eq!(u64::try_from(entry.log_index).unwrap(), signed.bundle.log_entries[0].log_index);
            assert_eq!(entry.canonicalized_body, signed.bundle.log_entries[0].body);
            assert_eq!(entry.inclusion_promise.is_some(), version == RekorVersion::V1);
            assert_eq!(material.timestamp_verification_data.unwrap().rfc3161_timestamps.len(), 1);
            match (official.content.unwrap(), &signed.bundle.content) {
                (Content::MessageSignature(official), sign_core::Content::Message(own)) => {
                    assert_eq!(official.signature, own.signature);
                }
                (Content::DsseEnvelope(official), sign_core::Content::Dsse(own)) => {
                    assert_eq!(
                        (&official.payload, &official.payload_type),
                        (&own.payload, &own.payload_type)
                    );
                    assert_eq!(official.signatures[0].sig, own.signatures[0].sig);
                }
                (official, _) => panic!("{official:?}"),
            }
        }
    }
}
