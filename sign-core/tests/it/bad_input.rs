//! Input that is none: cut, continued, nested, contradictory, endless. Each ends with the code of its
//! kind, and never with a panic.

use serde_json::{Value, json};
use sign_core::{
    Bundle, Certificate, Code, Digest, Identity, IdentityPolicy, IssuerRule, KeyMaterial, Manifest, Pattern,
    PublicKey, SigningConfig, Statement, TrustConfig, TrustedRoot, check_predicate,
};
use sign_sandbox::RekorVersion;

use crate::kit::{CONTENT, Case, EMAIL, Key, V1, V2, base64, kit, node_hash, statement};

/// A kind of document: what is wrong with a bad one, a good one, and the parser.
struct Kind {
    name: &'static str,
    code: Code,
    good: Vec<u8>,
    parse: fn(&[u8]) -> sign_core::Result<()>,
}

impl Kind {
    #[track_caller]
    fn refuses(&self, bytes: &[u8]) {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        match (self.parse)(bytes) {
            Ok(()) => panic!("{}: {start}", self.name),
            Err(error) => assert_eq!(error.code(), self.code, "{}: {start}: {error}", self.name),
        }
    }
}

fn json_kinds() -> Vec<Kind> {
    let kit = kit();
    let config = |text: &str| text.trim().as_bytes().to_vec();
    let descriptor =
        json!({ "mediaType": "text/plain", "digest": Digest::sha256(b"").to_string(), "size": 0 });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor,
        "layers": [descriptor],
    });
    let mut kinds = vec![
        Kind {
            name: "statement",
            code: Code::InvalidStatement,
            good: statement(&Digest::sha256(CONTENT).hex()),
            parse: |bytes| Statement::parse(bytes.to_vec()).map(drop),
        },
        Kind {
            name: "trusted root",
            code: Code::TrustConfigInvalid,
            good: config(kit.sandbox.trusted_root()),
            parse: |bytes| TrustedRoot::from_json(bytes).map(drop),
        },
        Kind {
            name: "signing config",
            code: Code::TrustConfigInvalid,
            good: config(kit.sandbox.signing_config(RekorVersion::V2)),
            parse: |bytes| SigningConfig::from_json(bytes).map(drop),
        },
        Kind {
            name: "trust config",
            code: Code::TrustConfigInvalid,
            good: config(kit.sandbox.trust_config(RekorVersion::V1)),
            parse: |bytes| TrustConfig::from_json(bytes).map(drop),
        },
        Kind {
            name: "manifest",
            code: Code::ManifestInvalid,
            good: manifest.to_string().into_bytes(),
            parse: |bytes| Manifest::parse(None, bytes).map(drop),
        },
        Kind {
            name: "predicate",
            code: Code::InvalidJson,
            good: br#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"n"}"#.to_vec(),
            parse: |bytes| check_predicate(bytes, "https://example.com/predicate").map(drop),
        },
    ];
    for case in Case::all() {
        kinds.push(Kind {
            name: "bundle",
            code: Code::BundleMalformed,
            good: case.bundle.to_json(),
            parse: |bytes| Bundle::parse(bytes).map(drop),
        });
    }
    kinds
}

fn der_kinds() -> Vec<Kind> {
    let case = Case::message(V2);
    vec![
        Kind {
            name: "certificate",
            code: Code::CertificateInvalid,
            good: case.bundle.leaf_certificate().unwrap().to_vec(),
            parse: |bytes| Certificate::parse(bytes).map(drop),
        },
        Kind {
            name: "public key",
            code: Code::InvalidArgument,
            good: case.key.der(),
            parse: |bytes| PublicKey::from_der(bytes).map(drop),
        },
    ]
}

#[test]
fn cut_at_every_byte() {
    for kind in json_kinds().into_iter().chain(der_kinds()) {
        (kind.parse)(&kind.good).unwrap();
        for cut in 0..kind.good.len() {
            kind.refuses(&kind.good[..cut]);
        }
    }
}

#[test]
fn a_timestamp_cut_at_every_byte() {
    let case = Case::message(V2);
    case.accepted();
    let whole = case.bundle.timestamps[0].clone();
    let mut cut = case.clone();
    for end in 0..whole.len() {
        cut.bundle.timestamps[0] = whole[..end].to_vec();
        assert_eq!(cut.judge().unwrap_err().code(), Code::TimestampInvalid, "{end}");
    }
    case.refuses(Code::TimestampInvalid, |case| case.bundle.timestamps[0].push(0));
}

#[test]
fn a_checkpoint_cut_at_every_byte() {
    for case in [Case::message(V1), Case::message(V2)] {
        let whole = case.clone().proof().checkpoint.clone();
        let mut cut = case.clone();
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            cut.proof().checkpoint = whole[..end].to_owned();
            assert_eq!(cut.judge().unwrap_err().code(), Code::CheckpointInvalid, "{:?}", &whole[..end]);
        }
    }
}

#[test]
fn something_after_the_end() {
    for kind in json_kinds() {
        (kind.parse)(&[&kind.good[..], b" \r\n\t"].concat()).unwrap();
        for more in [&b"x"[..], b"\0", b",", b"}", b"{}", b" null", b"\xef\xbb\xbf", &kind.good] {
            kind.refuses(&[&kind.good[..], more].concat());
        }
        kind.refuses(&[b"\xef\xbb\xbf", &kind.good[..]].concat());
    }
    for kind in der_kinds() {
        kind.refuses(&[&kind.good[..], &[0]].concat());
        kind.refuses(&[&kind.good[..], &kind.good[..]].concat());
    }
}

/// The good document with the value of each of its outermost members in turn replaced by `text`.
fn with_each_member(good: &[u8], text: &str) -> Vec<Vec<u8>> {
    let json: Value = serde_json::from_slice(good).unwrap();
    let members: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    let replaced = members.iter().map(|member| {
        let mut json = json.clone();
        json[member] = json!("@@");
        json.to_string().replacen("\"@@\"", text, 1).into_bytes()
    });
    replaced.collect()
}

#[test]
fn nested_without_end() {
    // The stack of a small thread: what recurses with its input would overflow it.
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let run = || {
        for kind in json_kinds() {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
                kind.refuses(deep.as_bytes());
                kind.refuses(open.repeat(100_000).as_bytes());
                for document in with_each_member(&kind.good, &deep) {
                    // A statement's predicate, say, may be anything: it is kept and not looked into.
                    if let Err(error) = (kind.parse)(&document) {
                        assert_eq!(error.code(), kind.code, "{}: {error}", kind.name);
                    }
                }
            }
        }
    };
    small.spawn(run).unwrap().join().unwrap();
}

#[test]
fn text_that_is_no_text() {
    let broken = [
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud83d\\u0061\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12\"",
    ];
    for kind in json_kinds() {
        for text in broken {
            let json: Value = serde_json::from_slice(&kind.good).unwrap();
            let strings = every_string(&json);
            let mut refused = 0;
            for pointer in strings {
                let mut json = json.clone();
                *json.pointer_mut(&pointer).unwrap() = json!("@@");
                let document = json.to_string().replacen("\"@@\"", text, 1);
                match (kind.parse)(document.as_bytes()) {
                    Err(error) => {
                        assert_eq!(error.code(), kind.code, "{} {pointer}: {error}", kind.name);
                        refused += 1;
                    }
                    // What nobody reads is not looked into; of a bundle and a statement all is read.
                    Ok(()) => assert!(!["bundle", "statement"].contains(&kind.name), "{pointer} {text}"),
                }
            }
            assert!(refused > 0, "{} {text}", kind.name);
        }
        let mut bytes = kind.good.clone();
        let quote = bytes.iter().position(|byte| *byte == b'"').unwrap();
        for invalid in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80"] {
            bytes.splice(quote + 1..quote + 1, invalid.iter().copied());
            kind.refuses(&bytes);
            bytes.drain(quote + 1..quote + 1 + invalid.len());
        }
    }
}

fn every_string(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, child)| (format!("/{key}"), child)).collect(),
        Value::Array(array) => {
            array.iter().enumerate().map(|(index, child)| (format!("/{index}"), child)).collect()
        }
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (at, child) in children {
        if child.is_string() {
            found.push(at.clone());
        }
        found.extend(every_string(child).into_iter().map(|rest| format!("{at}{rest}")));
    }
    found
}

#[test]
fn fields_that_contradict_each_other() {
    let (message, envelope) = (Case::message(V2), Case::envelope(V2));
    let json = |case: &Case| serde_json::from_slice::<Value>(&case.bundle.to_json()).unwrap();
    let (message_json, envelope_json) = (json(&message), json(&envelope));
    let refuses = |change: &dyn Fn(&mut Value)| {
        let mut changed = message_json.clone();
        change(&mut changed);
        let error = Bundle::parse(changed.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), Code::BundleMalformed, "{error}");
    };
    refuses(&|json| json["dsseEnvelope"] = envelope_json["dsseEnvelope"].clone());
    refuses(&|json| drop(json.as_object_mut().unwrap().remove("messageSignature")));
    let material = |name: &'static str, value: Value| {
        refuses(&move |json| json["verificationMaterial"][name] = value.clone());
    };
    let certificate = &message_json["verificationMaterial"]["certificate"];
    material("publicKey", json!({ "hint": "" }));
    material("x509CertificateChain", json!({ "certificates": [certificate] }));
    material("certificate", Value::Null);
    // Two spellings of one name are that name twice.
    refuses(&|json| json["media_type"] = json["mediaType"].clone());
    refuses(&|json| json["verification_material"] = json["verificationMaterial"].clone());
    refuses(&|json| {
        let entry = &mut json["verificationMaterial"]["tlogEntries"][0];
        entry["log_index"] = entry["logIndex"].clone();
    });
    // What one version has, another must not have.
    let mut chained = message.bundle.clone();
    chained.key_material = KeyMaterial::Chain(vec![message.bundle.leaf_certificate().unwrap().to_vec()]);
    assert_eq!(Bundle::parse(&chained.to_json()).unwrap_err().code(), Code::BundleMalformed);
    let mut unknown = message_json.clone();
    for version in ["", "application/json", "application/vnd.dev.sigstore.bundle.v0.4+json"] {
        unknown["mediaType"] = json!(version);
        let error = Bundle::parse(unknown.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), Code::BundleUnsupported, "{error}");
    }
}

#[test]
fn numbers_in_another_spelling() {
    let case = Case::message(V2);
    let json: Value = serde_json::from_slice(&case.bundle.to_json()).unwrap();
    for pointer in ["/logIndex", "/inclusionProof/logIndex", "/inclusionProof/treeSize", "/integratedTime"] {
        for number in [
            "\"+1\"",
            "\"01\"",
            "\" 1\"",
            "\"1 \"",
            "\"1.0\"",
            "\"1e0\"",
            "\"0x1\"",
            "\"-0\"",
            "\"\"",
            "1.5",
            "1e1",
            "\"9223372036854775808\"",
            "9223372036854775808",
            "1e400",
            "true",
            "[]",
            "{}",
            "\"\u{661}\"",
        ] {
            let mut json = json.clone();
            let entry = "/verificationMaterial/tlogEntries/0";
            *json.pointer_mut(&format!("{entry}{pointer}")).unwrap() = json!("@@");
            let document = json.to_string().replacen("\"@@\"", number, 1);
            let error = Bundle::parse(document.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::BundleMalformed, "{pointer} {number}: {error}");
        }
    }
}

#[test]
fn certificates_at_the_cap_and_beyond() {
    let cap = 64 * 1024;
    for case in Case::all() {
        let with = |length: usize| {
            move |case: &mut Case| {
                case.bundle.key_material = KeyMaterial::Certificate(vec![0x30; length]);
            }
        };
        case.refuses(Code::CertificateInvalid, with(cap));
        case.refuses(Code::LimitExceeded, with(cap + 1));
    }
}

#[test]
fn scts_at_the_cap_and_beyond() {
    let kit = kit();
    let with = |count: usize| {
        let key = Key::new();
        let tbs = kit.own.precertificate(&sign_sandbox::Identity::email(EMAIL), key.spki(), kit.now).unwrap();
        let scts: Vec<_> = (0..count).map(|_| kit.own.sct(&tbs, kit.now).unwrap()).collect();
        let certificate = kit.own.certify(tbs, &scts).unwrap();
        Case::with(&kit.own, V2, None, key, KeyMaterial::Certificate(certificate))
    };
    with(8).refuses(Code::LimitExceeded, |case| *case = with(9));
}

#[test]
fn annotations_at_the_cap_and_beyond() {
    let with = |count: usize| {
        let annotations: serde_json::Map<_, _> =
            (0..count).map(|number| (number.to_string(), json!("x"))).collect();
        let mut json: Value = serde_json::from_slice(&statement(&Digest::sha256(CONTENT).hex())).unwrap();
        json["subject"][0]["annotations"] = Value::Object(annotations);
        Statement::parse(json.to_string().into_bytes())
    };
    assert_eq!(with(1024).unwrap().subjects()[0].annotations.len(), 1024);
    assert_eq!(with(1025).unwrap_err().code(), Code::InvalidStatement);
}

#[test]
fn a_checkpoint_at_the_cap_and_beyond() {
    let cap = 64 * 1024;
    let sized = |length: usize| {
        move |case: &mut Case| {
            let root: [u8; 32] = case.proof().root_hash.clone().try_into().unwrap();
            let short = kit().own.checkpoint(V1, "", 2, &root);
            // An ECDSA signature varies by a byte or two with what it is over: try until it fits.
            let notes = (10..99).map(|number| {
                let origin = format!("{number}{}", "o".repeat(length - short.len() - 2));
                kit().own.checkpoint(V1, &origin, 2, &root)
            });
            case.proof().checkpoint = notes.into_iter().find(|note| note.len() == length).unwrap();
        }
    };
    let mut case = Case::message(V1);
    sized(cap)(&mut case);
    case.refuses(Code::LimitExceeded, sized(cap + 1));
}

#[test]
fn identities_at_the_cap_and_beyond() {
    let identity = Identity {
        san: Some(Pattern::exact("eve@example.com")),
        issuer: IssuerRule::Matches(Pattern::exact("https://issuer.example")),
        claims: Vec::new(),
    };
    IdentityPolicy::new(vec![identity.clone(); 256]).unwrap();
    let error = IdentityPolicy::new(vec![identity; 257]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn services_of_a_trusted_root_at_the_cap_and_beyond() {
    for list in ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"] {
        let with = |count: usize| {
            let mut root = kit().own.trusted_root().unwrap();
            root[list] = json!(vec![root[list][0].clone(); count]);
            TrustedRoot::from_json(root.to_string().as_bytes())
        };
        with(64).unwrap();
        assert_eq!(with(65).unwrap_err().code(), Code::TrustConfigInvalid, "{list}");
    }
}

/// Everything that costs a signature check, as often as it may be there: 32 entries with a promise and
/// 64 signature lines that all name the log's key, 32 timestamps, 8 SCTs. Two thousand and some checks are
/// the most that one bundle can ask for.
#[test]
fn a_bundle_at_every_cap_is_still_judged() {
    let kit = kit();
    let key = Key::new();
    let tbs = kit.own.precertificate(&sign_sandbox::Identity::email(EMAIL), key.spki(), kit.now).unwrap();
    let scts: Vec<_> = (0..8).map(|_| kit.own.sct(&tbs, kit.now).unwrap()).collect();
    let certificate = kit.own.certify(tbs, &scts).unwrap();
    let mut case = Case::with(&kit.own, V1, None, key, KeyMaterial::Certificate(certificate));
    let seconds = jiff::SignedDuration::from_secs;
    for second in 1..32 {
        let at = kit.now + seconds(second);
        let stamp = kit.own.timestamp(case.bundle.signature(), at, |_| ()).unwrap();
        case.bundle.timestamps.push(stamp);
    }
    let hint = &kit.own.log_id(V1)[..4];
    let bogus: String = (1..64_u8)
        .map(|number| {
            // DER of a signature that is in range and wrong.
            let line = [hint, &[0x30, 6, 2, 1, number, 2, 1, 1]].concat();
            format!("\u{2014} rekor.sandbox {}\n", base64(&line))
        })
        .collect();
    while case.bundle.log_entries.len() < 32 {
        case.log_again();
    }
    for entry in &mut case.bundle.log_entries {
        let note = &mut entry.proof.as_mut().unwrap().checkpoint;
        let (text, own) = note.split_once("\n\n").unwrap();
        *note = format!("{text}\n\n{bogus}{own}");
    }
    let verified = case.accepted();
    assert_eq!((verified.log_entries().len(), verified.times().len()), (32, 64));
}

/// A hash that leads nowhere costs as many steps as the proof has hashes, and no more than a tree has
/// levels.
#[test]
fn a_proof_is_never_longer_than_a_tree_is_high() {
    let mut case = Case::message(V2);
    let root = node_hash(&[1; 32], &[2; 32]);
    case.proof().checkpoint = kit().own.checkpoint(V2, "127.0.0.1", usize::MAX, &root);
    case.proof().tree_size = usize::MAX as u64;
    case.proof().root_hash = root.to_vec();
    case.proof().hashes = vec![vec![0; 32]; 64];
    // Beyond what the JSON form can count; the typed form meets the proof itself.
    let requirement = &case.requirement;
    let root = TrustedRoot::from_json(case.root.to_string().as_bytes()).unwrap();
    let verifier = sign_core::Verifier::new(root, sign_core::FixedClock(case.now));
    let error = verifier.verify(&case.bundle, &case.artifact, requirement).unwrap_err();
    assert_eq!(error.code(), Code::InclusionProofInvalid, "{error}");
}

/// Size of the documents below. The largest bundle that is read has eight times as much; optimised, that
/// takes no longer, but tests are not.
#[cfg(target_os = "linux")]
const SIZE: usize = 16 * 1024 * 1024;
/// Largest resident memory while a document is read: its text, what its text encodes, and as much again
/// for a decoder's second try; and for the program 64 MiB.
#[cfg(target_os = "linux")]
const MAX_RESIDENT: u64 = 3 * SIZE as u64 + 64 * 1024 * 1024;
#[cfg(target_os = "linux")]
const CHILD: &str = "SIGN_CORE_TEST_BAD_INPUT";

#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded() {
    use Endless::{Bundle as OfBundle, Statement as OfStatement};
    let shapes = documents();
    if let Ok(name) = std::env::var(CHILD) {
        let (_, document, expected) = shapes.into_iter().find(|(shape, ..)| *shape == name).unwrap();
        let found = match document {
            OfBundle(text) => Bundle::parse(&text.make()).map(drop),
            OfStatement(text) => Statement::parse(text.make()).map(drop),
        };
        assert_eq!(found.map_err(|e| e.code()), expected, "{name}");
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        assert!(peak * 1024 <= MAX_RESIDENT, "{name}: {peak} KiB");
        return;
    }
    for (shape, ..) in shapes {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bad_input::memory_is_bounded", "--nocapture"])
            .env(CHILD, shape)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{shape}: {told}");
        assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"), "{shape}");
    }
}

#[cfg(target_os = "linux")]
enum Endless {
    Bundle(Pieces),
    Statement(Pieces),
}

/// Text with one piece in it again and again; `#` in the piece stands for its number.
#[cfg(target_os = "linux")]
struct Pieces {
    head: String,
    piece: &'static str,
    tail: &'static str,
}

#[cfg(target_os = "linux")]
impl Pieces {
    fn make(&self) -> Vec<u8> {
        let mut text = String::with_capacity(SIZE);
        text += &self.head;
        let mut number = 0_u32;
        while text.len() + self.piece.len() + self.tail.len() + 10 < SIZE {
            match self.piece.split_once('#') {
                Some((before, after)) => text += &format!("{before}{number}{after}"),
                None => text += self.piece,
            }
            number += 1;
        }
        if text.ends_with(',') {
            text.pop();
        }
        text += self.tail;
        text.into_bytes()
    }
}

/// Documents full of one thing, and what becomes of them.
#[cfg(target_os = "linux")]
fn documents() -> Vec<(&'static str, Endless, Result<(), Code>)> {
    let start = |version: &str, material: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle+json;version={version}","messageSignature":{{"signature":""}},"verificationMaterial":{{{material}"#
        )
    };
    let certificate = r#""certificate":{"rawBytes":""},"#;
    let envelope = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":""}},"dsseEnvelope":{"payloadType":"","#;
    let subject = format!(r#"{{"_type":"{}","predicateType":"p","subject":["#, sign_core::STATEMENT_V1);
    let bundle = |head: String, piece, tail| Endless::Bundle(Pieces { head, piece, tail });
    let statement = |more: &str, piece, tail| {
        Endless::Statement(Pieces { head: format!("{subject}{more}"), piece, tail })
    };
    let malformed = Err(Code::BundleMalformed);
    let limit = Err(Code::LimitExceeded);
    let invalid = Err(Code::InvalidStatement);
    let payload = format!(r#"{envelope}"signatures":[{{"sig":""}}],"payload":""#);
    vec![
        ("spaces", bundle(String::new(), "                ", ""), malformed),
        ("lists", bundle(String::new(), "[[[[[[[[[[[[[[[[", ""), malformed),
        ("payload", bundle(payload.clone(), "AAAAAAAAAAAAAAAA", r#""}}"#), Ok(())),
        ("no base64", bundle(payload, "AAAAAAAAAAAAAAAA", r#"!"}}"#), malformed),
        (
            "entries",
            bundle(
                start("0.3", &format!(r#"{certificate}"tlogEntries":["#)),
                r#"{"kindVersion":{}},"#,
                "]}}",
            ),
            limit,
        ),
        (
            "hashes",
            bundle(
                start(
                    "0.3",
                    &format!(
                        r#"{certificate}"tlogEntries":[{{"kindVersion":{{}},"inclusionProof":{{"hashes":["#
                    ),
                ),
                r#""","#,
                "]}}]}}",
            ),
            Ok(()),
        ),
        (
            "timestamps",
            bundle(
                start("0.3", &format!(r#"{certificate}"timestampVerificationData":{{"rfc3161Timestamps":["#)),
                r#"{"signedTimestamp":""},"#,
                "]}}}",
            ),
            limit,
        ),
        (
            "chain",
            bundle(
                start("0.2", r#""x509CertificateChain":{"certificates":["#),
                r#"{"rawBytes":""},"#,
                "]}}}",
            ),
            limit,
        ),
        (
            "signatures",
            bundle(format!(r#"{envelope}"payload":"","signatures":["#), r#"{"sig":""},"#, "]}}"),
            malformed,
        ),
        ("subjects", statement("", r#"{"digest":{"a":""}},"#, "]}"), invalid),
        ("digests", statement(r#"{"digest":{"#, r##""#":"","##, "}}]}"), invalid),
        ("annotations", statement(r#"{"digest":{"a":""},"annotations":{"#, r##""#":"","##, "}}]}"), invalid),
    ]
}
