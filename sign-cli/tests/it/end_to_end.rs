//! The main job on real input: this program as an image, its SBOM and provenance, and a large SPDX file.

use std::path::Path;

use cargo_lock::Lockfile;
use serde_json::{Value, json};
use sign_sandbox::{RekorVersion, image};

use crate::support::{Fixture, PROGRAM, PROVENANCE, spdx};

/// Names a CycloneDX SBOM of this program that another generator made.
const EXTERNAL_SBOM: &str = "SIGNER_TEST_SBOM";
/// A size that SBOMs of whole distributions reach.
const LARGE: usize = 5 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn this_program_is_signed_attested_and_verified_as_an_image() {
    for rekor in [RekorVersion::V1, RekorVersion::V2] {
        let f = Fixture::start(rekor).await;
        let layout = f.path("layout");
        let built = image::write_layout(&layout, Path::new(PROGRAM), "1").unwrap();
        let digest = f.sandbox.load_image(&layout, "1", "team/signer", "1").unwrap();
        assert_eq!(digest, built.digest);
        let image = format!("{}/team/signer:1", f.sandbox.urls().registry);

        let sbom = match std::env::var(EXTERNAL_SBOM) {
            Ok(path) => std::fs::canonicalize(path).unwrap().display().to_string(),
            Err(_) => {
                eprintln!(
                    "skipped: an SBOM of another generator ({EXTERNAL_SBOM} names none); using our own"
                );
                f.file("sbom.cdx.json", cyclonedx())
            }
        };
        let provenance = f.file("provenance.json", PROVENANCE);
        let large = f.file("large.spdx.json", spdx(LARGE));
        f.signer(&["sign", &image]).await.expect(0);
        let attested = f
            .signer(&[
                "attest",
                &image,
                "--predicate",
                &sbom,
                "--predicate",
                &provenance,
                "--predicate",
                &large,
                "-o",
                "json",
            ])
            .await
            .expect(0)
            .json();
        let results = attested["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["digest"] == digest.as_str()), "{attested}");

        f.signer(&f.accepted(&["verify", &image])).await.expect(0);
        let types = ["--type", "cyclonedx", "--type", "slsaprovenance1", "--type", "spdx", "-o", "json"];
        let verdict =
            f.signer(&f.accepted(&[&["verify", &image][..], &types].concat())).await.expect(0).json();
        let verified = verdict["results"][0]["verified"].as_array().unwrap();
        let size = |kind: &str| {
            let of_type = verified.iter().find(|v| v["predicateType"] == kind);
            of_type.unwrap_or_else(|| panic!("no {kind}"))["predicateSize"].as_u64().unwrap()
        };
        // Each predicate is in there as a whole, to the byte.
        let length = |path: &str| std::fs::metadata(path).unwrap().len();
        assert_eq!(size("https://cyclonedx.org/bom"), length(&sbom));
        assert_eq!(size("https://slsa.dev/provenance/v1"), length(&provenance));
        assert_eq!(size("https://spdx.dev/Document"), length(&large));
        assert!(length(&large) >= LARGE as u64);

        let tree = f.signer(&["tree", &image, "-o", "json"]).await.expect(0).json();
        assert_eq!(tree["results"][0]["referrers"].as_array().map(Vec::len), Some(4), "{tree}");
    }
}

/// Everything in Cargo.lock, as CycloneDX JSON.
fn cyclonedx() -> String {
    let lock: Lockfile = include_str!("../../../Cargo.lock").parse().unwrap();
    let components: Vec<Value> = lock
        .packages
        .iter()
        .map(|package| {
            let (name, version) = (package.name.as_str(), package.version.to_string());
            json!({"type": "library", "name": name, "version": version,
                "purl": format!("pkg:cargo/{name}@{version}")})
        })
        .collect();
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components})
        .to_string()
}
