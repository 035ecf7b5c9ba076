//! What is attached to an image, in a store that can fail wherever we like: accepted, rejected, or not
//! known.

use std::collections::HashMap;
use std::slice::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use sign_core::image::{Form, Image, ImagePolicy, ImageVerdict, tree, verify_image};
use sign_core::{
    Attachment, Code, Descriptor, Digest, Error, FoundManifest, ImageReference, Layout, LegacySignature,
    LegacyTag, Outcome, Result, Statement, Store, TypeSelector,
};
use sign_sandbox::RekorVersion;

use crate::legacy::{Annotations, Layer, attestation_layer, payload, signed, statement, subject};
use crate::sandbox::Bench;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// A store in memory. What is not there is empty, and what is said to fail does.
#[derive(Default)]
struct Memory {
    referrers: Vec<Descriptor>,
    tags: HashMap<&'static str, Bytes>,
    content: HashMap<Digest, Bytes>,
    failing: Vec<&'static str>,
    /// Blobs asked for, and the bytes of those that are under way, now and at most.
    asked: AtomicUsize,
    under_way: AtomicU64,
    at_most: AtomicU64,
    /// The same for manifests, in number.
    manifests: AtomicUsize,
    manifests_at_most: AtomicUsize,
    root: Option<Descriptor>,
}

impl Memory {
    fn put(&mut self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes);
        self.content.insert(digest.clone(), bytes);
        digest
    }

    fn manifest_of(&mut self, kind: &str, layers: &[Layer]) -> Bytes {
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| {
                let digest = self.put(layer.blob.clone());
                json!({ "mediaType": kind, "digest": digest.to_string(), "size": layer.blob.len(),
                    "annotations": layer.annotations })
            })
            .collect();
        let config = self.put("{}");
        let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": config.to_string() });
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers })
            .to_string()
            .into()
    }

    fn tag(mut self, tag: LegacyTag, kind: &str, layers: &[Layer]) -> Self {
        let manifest = self.manifest_of(kind, layers);
        self.tags.insert(tag.suffix(), manifest);
        self
    }

    fn referrer(mut self, artifact_type: &str, kind: &str, layers: &[Layer]) -> Self {
        let manifest = self.manifest_of(kind, layers);
        let size = manifest.len();
        let digest = self.put(manifest);
        let descriptor = json!({ "mediaType": MANIFEST, "digest": digest.to_string(), "size": size, "artifactType": artifact_type });
        self.referrers.push(serde_json::from_value(descriptor).unwrap());
        self
    }

    fn failing(mut self, what: &'static str) -> Self {
        self.failing.push(what);
        self
    }

    fn check(&self, what: &str) -> Result<()> {
        match self.failing.contains(&what) {
            true => Err(Error::new(Code::ServiceUnavailable, format!("{what} cannot be read"))),
            false => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Store for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    async fn resolve(&self) -> Result<Descriptor> {
        self.root.clone().ok_or_else(|| Error::new(Code::SubjectNotFound, "not needed"))
    }

    async fn manifest(&self, digest: &Digest) -> Result<Bytes> {
        let under_way = self.manifests.fetch_add(1, SeqCst) + 1;
        self.manifests_at_most.fetch_max(under_way, SeqCst);
        tokio::task::yield_now().await;
        self.manifests.fetch_sub(1, SeqCst);
        self.check("manifest")?;
        Ok(self.content[digest].clone())
    }

    async fn blob(&self, descriptor: &Descriptor, _limit: usize) -> Result<Bytes> {
        self.asked.fetch_add(1, SeqCst);
        let under_way = self.under_way.fetch_add(descriptor.size, SeqCst) + descriptor.size;
        self.at_most.fetch_max(under_way, SeqCst);
        // Others get a chance to begin.
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.under_way.fetch_sub(descriptor.size, SeqCst);
        self.check("blob")?;
        Ok(self.content[&descriptor.digest].clone())
    }

    async fn referrers(&self, _subject: &Digest) -> Result<Vec<Descriptor>> {
        self.check("referrers").map(|()| self.referrers.clone())
    }

    async fn legacy(&self, _subject: &Digest, tag: LegacyTag) -> Result<Vec<FoundManifest>> {
        self.check(tag.suffix())?;
        let Some(bytes) = self.tags.get(tag.suffix()).cloned() else { return Ok(Vec::new()) };
        let descriptor = json!({ "mediaType": MANIFEST, "digest": Digest::sha256(&bytes).to_string(), "size": bytes.len() });
        Ok(vec![FoundManifest { descriptor: serde_json::from_value(descriptor).unwrap(), bytes }])
    }

    async fn attach(&self, _subject: &Descriptor, _attachment: &Attachment) -> Result<Descriptor> {
        Err(Error::new(Code::ServiceRefused, "not needed"))
    }
}

/// A sandbox with one good signature and one good attestation of the same image.
struct Signed {
    bench: Bench,
    signature: Layer,
    attestation: Layer,
}

impl Signed {
    async fn new() -> Self {
        let bench = Bench::start(RekorVersion::V1).await;
        let session = bench.context.session(&bench.token).await.unwrap();
        let signature = signed(&session, &payload(&subject())).await;
        let statement = Statement::parse(statement(&subject()).into_bytes()).unwrap();
        let attestation = attestation_layer(&session.sign_statement(statement).await.unwrap().bundle);
        drop(session);
        Self { bench, signature, attestation }
    }

    async fn verify(&self, store: &Memory, types: &[&str]) -> ImageVerdict {
        let policy = ImagePolicy {
            requirement: Arc::new(self.bench.requirement()),
            types: types.iter().map(|text| TypeSelector::parse(text).unwrap()).collect(),
            annotations: Annotations::new(),
        };
        let subject = json!({ "mediaType": MANIFEST, "digest": subject().to_string(), "size": 1 });
        let subject = serde_json::from_value(subject).unwrap();
        verify_image(&Arc::new(self.bench.verifier()), store, &subject, &policy).await
    }

    async fn code(&self, store: &Memory, types: &[&str]) -> Option<Code> {
        self.verify(store, types).await.result.err().map(|error| error.code())
    }
}

const TYPE: &str = "https://example.com/p";

#[tokio::test(flavor = "multi_thread")]
async fn a_good_one_accepts_and_only_complete_evidence_rejects() {
    let s = Signed::new().await;
    let sig = || Memory::default().tag(LegacyTag::Signature, SIGNATURE, from_ref(&s.signature));
    let verdict = s.verify(&sig(), &[]).await;
    verdict.result.unwrap();
    assert_eq!(verdict.accepted[0].form, Form::LegacySignature);
    assert_eq!(verdict.accepted[0].blob, Digest::sha256(&s.signature.blob));
    // One good candidate decides, whatever else cannot be read.
    assert_eq!(s.code(&sig().failing("referrers").failing(".att"), &[]).await, None);

    let unavailable = Some(Code::ServiceUnavailable);
    assert_eq!(Code::ServiceUnavailable.outcome(), Outcome::Unknown);
    for failing in ["referrers", ".sig", ".att"] {
        assert_eq!(s.code(&Memory::default().failing(failing), &[]).await, unavailable, "{failing}");
    }
    assert_eq!(s.code(&sig().failing("blob"), &[]).await, unavailable);
    // A bad candidate is no answer while another cannot be read.
    let mut bad = s.signature.clone();
    bad.blob.push(b' ');
    let bad = || Memory::default().tag(LegacyTag::Signature, SIGNATURE, &[bad.clone()]);
    assert_eq!(s.code(&bad().failing("referrers"), &[]).await, unavailable);
    assert_eq!(s.code(&bad(), &[]).await, Some(Code::LogEntryMismatch));
    assert_eq!(s.code(&Memory::default(), &[]).await, Some(Code::NoSignatures));
    // What is no manifest at all is a failed candidate.
    let mut broken = Memory::default();
    broken.tags.insert(".sig", Bytes::from_static(b"{}"));
    assert_eq!(s.code(&broken, &[]).await, Some(Code::ManifestInvalid));
    let broken =
        broken.referrer("application/vnd.dev.cosign.artifact.sig.v1+json", SIGNATURE, from_ref(&s.signature));
    assert_eq!(s.code(&broken, &[]).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_no_attestation_and_an_attestation_no_signature() {
    let s = Signed::new().await;
    let other = Some(Code::PredicateTypeMismatch);
    let att = [s.attestation.clone()];
    let mut untold = s.attestation.clone();
    untold.annotations.remove("predicateType");
    for store in [
        Memory::default().tag(LegacyTag::Attestation, ENVELOPE, &att),
        Memory::default().tag(LegacyTag::Attestation, ENVELOPE, &[untold]),
        // In cosign's other place for attestations.
        Memory::default().referrer("application/vnd.in-toto+json", ENVELOPE, &att),
        // Under the wrong tag: the layer says what it is.
        Memory::default().tag(LegacyTag::Signature, ENVELOPE, &att),
    ] {
        assert_eq!(s.code(&store, &[]).await, other);
        let verdict = s.verify(&store, &[TYPE]).await;
        verdict.result.unwrap();
        assert_eq!(verdict.accepted[0].form, Form::LegacyAttestation);
        assert_eq!(s.code(&store, &["https://example.com/q"]).await, other);
        assert_eq!(s.code(&store, &[TYPE, "https://example.com/q"]).await, other);
    }
    let sig = Memory::default().tag(LegacyTag::Signature, SIGNATURE, from_ref(&s.signature));
    assert_eq!(s.code(&sig, &[TYPE]).await, other);
    // An annotation that lies about the type gains nothing.
    let mut lying = s.attestation.clone();
    lying.annotations.insert("predicateType".into(), "https://example.com/q".into());
    let store = Memory::default().tag(LegacyTag::Attestation, ENVELOPE, &[lying]);
    assert_eq!(s.code(&store, &["https://example.com/q"]).await, other);
    // A signed payload that poses as an envelope, and the other way round.
    let store = Memory::default().tag(LegacyTag::Attestation, ENVELOPE, from_ref(&s.signature));
    assert_eq!(s.code(&store, &[TYPE]).await, Some(Code::BundleMalformed));
    let store = Memory::default().tag(LegacyTag::Signature, SIGNATURE, &att);
    assert_eq!(s.code(&store, &[]).await, Some(Code::BundleMalformed));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_sizes_end_somewhere() {
    let s = Signed::new().await;
    let layer = |n: usize| Layer { blob: n.to_string().into_bytes(), annotations: Annotations::new() };
    let mut layers: Vec<Layer> = (0..999).map(layer).collect();
    layers.push(s.signature.clone());
    let at_cap = Memory::default().tag(LegacyTag::Signature, SIGNATURE, &layers);
    let verdict = s.verify(&at_cap, &[]).await;
    verdict.result.unwrap();
    assert_eq!((verdict.accepted.len(), verdict.rejected.len()), (1, 999));
    layers.push(s.signature.clone());
    let beyond = Memory::default().tag(LegacyTag::Signature, SIGNATURE, &layers);
    assert_eq!(s.code(&beyond, &[]).await, Some(Code::TooManyReferrers));

    // Many manifests add up: in number, and in bytes of annotations that nobody reads.
    let noise = |n: usize, text: &str| {
        let annotations = Annotations::from([("note".into(), text.into())]);
        Layer { blob: n.to_string().into_bytes(), annotations }
    };
    let artifact = "application/vnd.dev.cosign.artifact.sig.v1+json";
    let mut many = Memory::default().referrer(artifact, SIGNATURE, from_ref(&s.signature)).failing("blob");
    for group in 0..5 {
        let layers: Vec<Layer> = (0..1000).map(|n| noise(group * 1000 + n, "")).collect();
        many = many.referrer(artifact, SIGNATURE, &layers);
    }
    let verdict = s.verify(&many, &[]).await;
    assert!(verdict.rejected.iter().any(|r| r.error.code() == Code::TooManyReferrers));
    assert_eq!(many.asked.load(SeqCst), 4001);
    let text = " ".repeat(3 * 1024 * 1024);
    let bulky = |count: usize| {
        (0..count).fold(Memory::default(), |m, n| m.referrer(artifact, SIGNATURE, &[noise(n, &text)]))
    };
    assert_eq!(s.code(&bulky(10), &[]).await, Some(Code::BundleMalformed));
    assert_eq!(s.code(&bulky(11), &[]).await, Some(Code::TooManyReferrers));
    assert_eq!(tree(&bulky(10), &subject()).await.unwrap().len(), 10);
    assert_eq!(tree(&bulky(11), &subject()).await.unwrap_err().code(), Code::TooManyReferrers);

    let large = vec![b' '; 128 * 1024 * 1024 + 1];
    let error = LegacySignature::from_layer(large, &s.signature.annotations).unwrap_err();
    assert_eq!(error.code(), Code::LimitExceeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_fetched_once_and_hides_nothing() {
    let s = Signed::new().await;
    let with = |name: &str, value: &str| {
        let mut copy = s.attestation.clone();
        copy.annotations.insert(name.into(), value.into());
        copy
    };
    let in_toto = "application/vnd.in-toto+json";
    let mut store = Memory::default();
    for n in 0..20 {
        store = store.referrer(in_toto, ENVELOPE, &[with("n", &n.to_string())]);
    }
    let verdict = s.verify(&store, &[TYPE]).await;
    verdict.result.unwrap();
    assert_eq!((verdict.accepted.len(), store.asked.load(SeqCst)), (1, 1));

    // Copies that lie come first, and the genuine one is still looked at.
    let store = Memory::default()
        .referrer(in_toto, ENVELOPE, &[with("predicateType", "https://example.com/q")])
        .referrer(in_toto, ENVELOPE, &[with("dev.sigstore.cosign/bundle", "{}")])
        .referrer(in_toto, ENVELOPE, from_ref(&s.attestation));
    let verdict = s.verify(&store, &[TYPE]).await;
    verdict.result.unwrap();
    assert_eq!((verdict.accepted.len(), verdict.rejected.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_at_once_is_bounded_by_bytes() {
    const MIB: u64 = 1024 * 1024;
    let s = Signed::new().await;
    let mut store = Memory::default().failing("blob");
    let layers: Vec<Value> = (0..8)
        .map(|n: u8| json!({ "mediaType": SIGNATURE, "digest": Digest::sha256(&[n]).to_string(), "size": 60 * MIB }))
        .collect();
    let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": Digest::sha256(b"{}").to_string() });
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers }).to_string();
    store.tags.insert(".sig", manifest.into());
    assert_eq!(s.code(&store, &[]).await, Some(Code::ServiceUnavailable));
    assert_eq!(store.asked.load(SeqCst), 8);
    assert!(store.at_most.load(SeqCst) <= 128 * MIB, "{} MiB at once", store.at_most.load(SeqCst) / MIB);
}

/// What is read at once is reckoned with the sizes that descriptors claim.
#[tokio::test]
async fn a_blob_is_not_read_beyond_the_size_it_claims() {
    const MIB: usize = 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let (marker, index) = (r#"{"imageLayoutVersion":"1.0.0"}"#, r#"{"schemaVersion":2,"manifests":[]}"#);
    std::fs::write(folder.path().join("oci-layout"), marker).unwrap();
    std::fs::write(folder.path().join("index.json"), index).unwrap();
    let blobs = folder.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let ImageReference::Layout(layout) = format!("oci-layout:{}", folder.path().display()).parse().unwrap()
    else {
        panic!("not a layout")
    };
    let layout = Layout::open(layout).unwrap();
    let mut codes = Vec::new();
    for length in [3, 3 * MIB] {
        let (content, claimed) = (vec![b' '; length], 2);
        let digest = Digest::sha256(&content);
        std::fs::write(blobs.join(digest.hex()), content).unwrap();
        let descriptor = json!({ "mediaType": "x/y", "digest": digest.to_string(), "size": claimed });
        let descriptor = serde_json::from_value(descriptor).unwrap();
        codes.push(layout.blob(&descriptor, 128 * MIB).await.unwrap_err().code());
    }
    assert_eq!(codes, [Code::ContentMismatch, Code::LimitExceeded]);
}

#[tokio::test]
async fn manifests_are_read_a_few_at_a_time() {
    let mut store = Memory::default();
    let entries: Vec<Descriptor> = (0..40)
        .map(|n: u8| {
            store = std::mem::take(&mut store).referrer(
                "x/y",
                "x/y",
                &[Layer { blob: vec![n], annotations: Annotations::new() }],
            );
            store.referrers.last().cloned().unwrap()
        })
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string();
    let size = index.len();
    let root = json!({ "mediaType": INDEX, "digest": store.put(index).to_string(), "size": size });
    store.root = serde_json::from_value(root).unwrap();
    let store = Arc::new(store);
    let image = Image::resolve(Arc::clone(&store) as Arc<dyn Store>, "memory", true).await.unwrap();
    assert_eq!(image.platforms.len(), 40);
    assert_eq!(store.manifests_at_most.load(SeqCst), 8);
    assert_eq!(tree(store.as_ref(), &subject()).await.unwrap().len(), 40);
    assert_eq!(store.manifests_at_most.load(SeqCst), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_shows_every_layer_under_its_tag() {
    let s = Signed::new().await;
    let sbom = Layer { blob: b"{}".to_vec(), annotations: Annotations::new() };
    let two = [s.signature.clone(), s.signature.clone()];
    let store = Memory::default()
        .tag(LegacyTag::Signature, SIGNATURE, &two)
        .tag(LegacyTag::Attestation, ENVELOPE, from_ref(&s.attestation))
        .tag(LegacyTag::Sbom, "text/spdx+json", &[sbom]);
    let nodes = tree(&store, &subject()).await.unwrap();
    let tags: Vec<_> =
        nodes.iter().map(|node| node.tag.as_deref().unwrap().rsplit_once('.').unwrap().1).collect();
    assert_eq!(tags, ["sig", "sig", "att", "sbom"]);
    assert_eq!(nodes[2].predicate_type.as_deref(), Some(TYPE));
    assert!(tree(&store.failing(".sbom"), &subject()).await.is_err());
}
