//! Signatures and attestations in cosign's older form, keys instead of identities, predicates into files.

use serde_json::{Value, json};
use sign_core::{
    Bundle, BundleVersion, Content, Digest, EphemeralKey, HashAlgorithm, KeyMaterial, MessageSignature,
    Signer as _,
};
use sign_sandbox::RekorVersion;

use crate::blobs::base64_decode;
use crate::support::{CYCLONEDX, Fixture};

const TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// The evidence in a bundle, as cosign annotates a layer with it.
fn annotations(bundle: &Value) -> Value {
    let material = &bundle["verificationMaterial"];
    let entry = &material["tlogEntries"][0];
    let number = |name: &str| entry[name].as_str().unwrap().parse::<i64>().unwrap();
    let log_id: String = base64_decode(entry["logId"]["keyId"].as_str().unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let promised = json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": { "body": entry["canonicalizedBody"], "integratedTime": number("integratedTime"),
            "logIndex": number("logIndex"), "logID": log_id },
    });
    let certificate = material["certificate"]["rawBytes"].as_str().unwrap();
    json!({
        "dev.cosignproject.cosign/signature": bundle["messageSignature"]["signature"].as_str().unwrap_or_default(),
        "dev.sigstore.cosign/certificate":
            format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"),
        "dev.sigstore.cosign/chain": "",
        "dev.sigstore.cosign/bundle": promised.to_string(),
    })
}

/// An image in a layout and in the registry, with what is attached to it.
struct Image<'a> {
    f: &'a Fixture,
    name: &'static str,
    reference: String,
    digest: String,
}

impl<'a> Image<'a> {
    async fn new(f: &'a Fixture, name: &'static str) -> Self {
        let reference = f.image(name);
        let tree = f.signer(&["tree", &reference, "-o", "json"]).await.expect(0).json();
        let digest = tree["results"][0]["digest"].as_str().unwrap().to_owned();
        Self { f, name, reference, digest }
    }

    fn layout(&self) -> String {
        format!("oci-layout:{}", self.f.path(&format!("layout-{}", self.name)).display())
    }

    /// A bundle that this program wrote, signed by the fixture's identity.
    fn bundle(&self, file: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.f.path(file)).unwrap()).unwrap()
    }

    /// A layer with a signature of a payload that names `digest`.
    async fn signature(&self, digest: &str) -> (String, Value) {
        let payload = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/app"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":{{"build":"7"}}}}"#
        );
        let (file, bundle) =
            (self.f.file("payload", &payload), self.f.path("out.json").display().to_string());
        self.f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
        (payload, annotations(&self.bundle("out.json")))
    }

    /// A layer with a CycloneDX attestation.
    async fn attestation(&self) -> (String, Value) {
        let (sbom, bundle) =
            (self.f.file("sbom.json", CYCLONEDX), self.f.path("out.json").display().to_string());
        let attest = ["attest", &self.reference, "--predicate", &sbom, "--no-upload", "--bundle", &bundle];
        self.f.signer(&attest).await.expect(0);
        let bundle = self.bundle("out.json");
        let envelope = &bundle["dsseEnvelope"];
        let envelope = json!({ "payloadType": envelope["payloadType"], "payload": envelope["payload"],
            "signatures": [{ "keyid": "", "sig": envelope["signatures"][0]["sig"] }] });
        let mut annotations = annotations(&bundle);
        annotations["predicateType"] = json!("https://cyclonedx.org/bom");
        (envelope.to_string(), annotations)
    }

    /// Puts a manifest with one layer under the tag that belongs to this image, in layout and registry.
    fn attach(&self, suffix: &str, kind: &str, (blob, annotations): (String, Value)) {
        let layout = self.f.path(&format!("layout-{}", self.name));
        let put = |content: &[u8], kind: &str| {
            let digest = Digest::sha256(content);
            std::fs::write(layout.join("blobs/sha256").join(digest.hex()), content).unwrap();
            json!({ "mediaType": kind, "digest": digest.to_string(), "size": content.len() })
        };
        let mut layer = put(blob.as_bytes(), kind);
        layer["annotations"] = annotations;
        let config = put(b"{}", "application/vnd.oci.image.config.v1+json");
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer] });
        let mut entry = put(manifest.to_string().as_bytes(), kind);
        let tag = format!("{}{suffix}", self.digest.replace(':', "-"));
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let path = layout.join("index.json");
        let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        index["manifests"].as_array_mut().unwrap().push(entry);
        std::fs::write(&path, index.to_string()).unwrap();
        self.f.sandbox.load_image(&layout, &tag, self.name, &tag).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn older_signatures_are_found_in_registry_and_layout() {
    let f = Fixture::start(RekorVersion::V1).await;
    let image = Image::new(&f, "team/app").await;
    image.attach(".att", ENVELOPE, image.attestation().await);
    let layout = image.layout();
    for place in [&image.reference, &layout] {
        let verify = f.accepted(&["verify", place]);
        f.signer(&verify).await.fails(1, "predicate-type-mismatch");
        let out = f.path("predicate.json").display().to_string();
        let typed = f.accepted(&["verify", place, "--type", "cyclonedx", "--write-predicate", &out]);
        let run = f.signer(&typed).await.expect(0);
        assert!(run.stdout.contains("older form"), "{}", run.stdout);
        assert_eq!(std::fs::read_to_string(&out).unwrap(), CYCLONEDX);
        std::fs::remove_file(&out).unwrap();
    }
    image.attach(".sig", TYPE, image.signature(&image.digest).await);
    for place in [&image.reference, &layout] {
        let run = f.signer(&f.accepted(&["verify", place, "-a", "build=7", "-o", "json"])).await.expect(0);
        let verified = &run.json()["results"][0]["verified"][0];
        assert_eq!(
            (&verified["form"], &verified["annotations"]["build"]),
            (&json!("legacy-signature"), &json!("7"))
        );
        f.signer(&f.accepted(&["verify", place, "-a", "build=8"])).await.fails(1, "claim-mismatch");
        f.signer(&f.accepted(&["verify", place, "--type", "spdx"])).await.fails(1, "predicate-type-mismatch");
        let mallory = ["--certificate-identity", "m@example.com", "--certificate-oidc-issuer", f.issuer()];
        f.signer(&[&["verify", place][..], &mallory].concat()).await.fails(1, "identity-mismatch");
        let tree = f.signer(&["tree", place]).await.expect(0);
        for text in [TYPE, "https://cyclonedx.org/bom", ".sig", ".att"] {
            assert!(tree.stdout.contains(text), "{text} is missing in {}", tree.stdout);
        }
    }
    let offline = f.accepted(&["verify", &layout, "--offline"]);
    f.signer(&offline).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn layouts_of_other_tools_name_things_in_their_own_way() {
    let f = Fixture::start(RekorVersion::V1).await;
    let image = Image::new(&f, "app").await;
    image.attach(".sig", TYPE, image.signature(&image.digest).await);
    image.attach(".att", ENVELOPE, image.attestation().await);
    let (layout, index) = (image.layout(), f.path("layout-app/index.json"));
    let original: Value = serde_json::from_slice(&std::fs::read(&index).unwrap()).unwrap();
    let name = "org.opencontainers.image.ref.name";
    let write = |annotations: &dyn Fn(usize, &str) -> Value| {
        let mut document = original.clone();
        for (position, entry) in document["manifests"].as_array_mut().unwrap().iter_mut().enumerate() {
            let tag = entry["annotations"][name].as_str().unwrap().to_owned();
            entry["annotations"] = annotations(position, &tag);
        }
        std::fs::write(&index, document.to_string()).unwrap();
    };
    let signature = f.accepted(&["verify", &layout, "--offline"]);
    let attestation = f.accepted(&["verify", &layout, "--offline", "--type", "cyclonedx"]);
    // Marks without tags, and whole references as tags.
    write(
        &|position, _| json!({ "kind": format!("dev.cosignproject.cosign/{}", ["image", "sigs", "atts"][position]) }),
    );
    f.signer(&signature).await.expect(0);
    f.signer(&attestation).await.expect(0);
    write(&|_, tag| json!({ name: format!("registry.example:5000/app:{tag}") }));
    f.signer(&signature).await.expect(0);
    f.signer(&attestation).await.expect(0);
    // What is listed and not there could have been the good one.
    let listed = original["manifests"][1]["digest"].as_str().unwrap().replace(':', "/");
    std::fs::remove_file(f.path("layout-app/blobs").join(listed)).unwrap();
    f.signer(&signature).await.fails(3, "service-protocol");
    f.signer(&attestation).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_copied_from_another_image_is_refused() {
    let f = Fixture::start(RekorVersion::V1).await;
    let image = Image::new(&f, "app").await;
    let other = Image::new(&f, "other").await;
    image.attach(".sig", TYPE, other.signature(&other.digest).await);
    let layout = image.layout();
    for place in [&image.reference, &layout] {
        f.signer(&f.accepted(&["verify", place])).await.fails(1, "subject-mismatch");
    }
    // A bundle of the newer form counts beside it.
    f.signer(&["sign", &image.reference]).await.expect(0);
    f.signer(&f.accepted(&["verify", &image.reference])).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_predicates_go_to_numbered_files() {
    let f = Fixture::start(RekorVersion::V2).await;
    let image = f.image("app");
    let sbom = f.file("sbom.json", CYCLONEDX);
    let out = f.path("out.json").display().to_string();
    let other = f.file("other.json", r#"{ "n": 1.10 }"#);
    let statement = ["--predicate", other.as_str(), "--type", "https://example.com/p"];
    f.signer(&[&["attest", &image][..], &statement].concat()).await.expect(0);
    f.signer(&["attest", &image, "--predicate", &sbom]).await.expect(0);
    let types =
        ["--type", "cyclonedx", "--type", "https://example.com/p", "--write-predicate", &out, "-o", "json"];
    let verify = f.accepted(&["verify", &image]);
    let verdict = f.signer(&[&verify[..], &types].concat()).await.expect(0).json();
    let files: Vec<_> = verdict["results"][0]["predicateFiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect();
    let mut written: Vec<_> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    written.sort();
    assert_eq!(written, [r#"{ "n": 1.10 }"#, CYCLONEDX]);
    assert!(files[0].ends_with("out.1.json") && !f.path("out.json").exists(), "{files:?}");
    // A signature says nothing that could be written.
    f.signer(&[&verify[..], &["--write-predicate", &out]].concat()).await.expect(2);
    let missing = ["--type", "spdx", "--write-predicate", &out];
    f.signer(&[&verify[..], &missing].concat()).await.fails(1, "predicate-type-mismatch");
    assert!(!f.path("out.json").exists());

    let (file, bundle) = (f.file("a.txt", "hello"), f.path("a.json").display().to_string());
    f.signer(&["attest-blob", &file, "--predicate", &sbom, "--bundle", &bundle]).await.expect(0);
    let verify = ["verify-blob", &file, "--bundle", &bundle, "--write-predicate", &out];
    f.signer(&f.accepted(&verify)).await.expect(0);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), CYCLONEDX);
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    f.signer(&f.accepted(&verify)).await.fails(1, "predicate-type-mismatch");
    f.signer(&["attest-blob", &file, "--predicate", &sbom, "--bundle", &bundle]).await.expect(0);
    let nowhere = ["verify-blob", &file, "--bundle", &bundle, "--write-predicate", "/nonexistent/out.json"];
    f.signer(&f.accepted(&nowhere)).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_in_for_an_identity() {
    let f = Fixture::start(RekorVersion::V2).await;
    let key = EphemeralKey::generate().unwrap();
    let signature = key.sign_digest(&Digest::sha256(b"hello")).await.unwrap();
    let bundle = Bundle {
        version: BundleVersion::V0_3,
        key_material: KeyMaterial::PublicKey { hint: String::new() },
        log_entries: vec![],
        timestamps: vec![],
        content: Content::Message(MessageSignature { digest: None, signature }),
    };
    let (file, bundle) = (f.file("a.txt", "hello"), f.file("a.json", bundle.to_json()));
    let pem = |key: &EphemeralKey| {
        let text = encode(&key.public_key_der());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    };
    let (right, wrong) =
        (f.file("right.pub", pem(&key)), f.file("wrong.pub", pem(&EphemeralKey::generate().unwrap())));
    // An instance without logs: the key alone decides.
    let mut root: Value = serde_json::from_str(f.sandbox.trusted_root()).unwrap();
    root["tlogs"] = json!([]);
    let no_logs = f.file("root.json", root.to_string());
    let verify = ["verify-blob", &file, "--bundle", &bundle];
    let with = |more: &[&str]| [&verify[..], more].concat().iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
    let run = |arguments: Vec<String>| {
        let f = &f;
        async move { f.signer(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    run(with(&["--key", &right, "--trusted-root", &no_logs])).await.expect(0);
    run(with(&["--key", &wrong, "--trusted-root", &no_logs])).await.fails(1, "signature-invalid");
    // Where there are logs, an entry is asked for.
    run(with(&["--key", &right])).await.fails(1, "log-entry-invalid");
    run(with(&["--key", &right, "--certificate-identity", "dev@example.com"])).await.expect(2);
    run(with(&["--key", &right, "--repository", "team/app"])).await.expect(2);
    run(with(&["--key", "/nonexistent"])).await.fails(2, "file-unreadable");
    run(with(&["--key", &file])).await.fails(2, "invalid-argument");
    // A certificate is no key, and a key no identity.
    let keyed = f.accepted(&verify);
    f.signer(&keyed).await.fails(1, "key-material-mismatch");
    let image = f.image("app");
    f.signer(&["sign", &image]).await.expect(0);
    f.signer(&["verify", &image, "--key", &right]).await.fails(1, "key-material-mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_matched_by_any_good_digest_and_by_sha1_only_when_asked() {
    let f = Fixture::start(RekorVersion::V2).await;
    let sha384 = HashAlgorithm::Sha384.hash(b"hello");
    let sha512 = HashAlgorithm::Sha512.hash(b"hello");
    // The file that the statement names by SHA-256 is another one, so that only the others can match.
    let (signed, file) = (f.file("signed.txt", "signed"), f.file("a.txt", "hello"));
    let sha1 = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
    let subjects = |digest: &str| {
        let own = Digest::sha256(b"signed").hex();
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{own}"}}}},{{"digest":{{{digest}}}}}],"predicateType":"https://example.com/p","predicate":{{}}}}"#
        )
    };
    let bundle = f.path("a.json").display().to_string();
    for (digest, by_content, by_digest) in [
        (format!(r#""sha384":"{}""#, sha384.hex()), 0, sha384.to_string()),
        (format!(r#""sha512":"{}""#, sha512.hex()), 0, sha512.to_string()),
        (format!(r#""sha1":"{sha1}""#), 1, format!("sha1:{sha1}")),
    ] {
        let statement = f.file("statement.json", subjects(&digest));
        f.signer(&["attest-blob", &signed, "--statement", &statement, "--bundle", &bundle]).await.expect(0);
        f.signer(&f.accepted(&["verify-blob", &file, "--bundle", &bundle])).await.expect(by_content);
        f.signer(&f.accepted(&["verify-blob", &by_digest, "--bundle", &bundle])).await.expect(0);
        let other = format!("{}0", &by_digest[..by_digest.len() - 1]);
        f.signer(&f.accepted(&["verify-blob", &other, "--bundle", &bundle]))
            .await
            .fails(1, "subject-mismatch");
    }
    for bad in ["sha256:00", "sha1:00", "sha512:zz"] {
        f.signer(&f.accepted(&["verify-blob", bad, "--bundle", &bundle])).await.fails(2, "invalid-argument");
    }
    // What signs a file itself covers no SHA-1.
    f.signer(&["sign-blob", &file, "--bundle", &bundle]).await.expect(0);
    let by_sha1 = format!("sha1:{sha1}");
    for digest in [by_sha1, sha512.to_string()] {
        f.refuses(&f.accepted(&["verify-blob", &digest, "--bundle", &bundle]), 2, "digest-not-comparable")
            .await;
    }
    // A statement without a digest of that kind neither names nor denies the file.
    let sbom = f.file("sbom.json", CYCLONEDX);
    f.signer(&["attest-blob", &file, "--predicate", &sbom, "--bundle", &bundle]).await.expect(0);
    f.refuses(
        &f.accepted(&["verify-blob", &sha512.to_string(), "--bundle", &bundle]),
        2,
        "digest-not-comparable",
    )
    .await;
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, &b| word << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
