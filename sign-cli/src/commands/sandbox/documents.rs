//! What the demo attests about this program: a CycloneDX SBOM and a SLSA provenance statement.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;

use cargo_lock::{Lockfile, Package};
use cyclonedx_bom::external_models::date_time::DateTime;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::{Bom, SpecVersion, UrnUuid};
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::metadata::Metadata;
use jiff::Timestamp;
use serde_json::json;

/// The name under which the demo's builder is known; it is this program on this machine.
const BUILDER: &str = "https://sandbox.invalid/builder";

/// Everything that `root` depends on according to a Cargo.lock, as CycloneDX 1.5 JSON.
pub(super) fn cyclonedx_from_lockfile(
    lockfile: &str,
    root: &str,
    now: Timestamp,
) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let lockfile: Lockfile = lockfile.parse()?;
    let root = lockfile
        .packages
        .iter()
        .find(|package| package.name.as_str() == root)
        .ok_or("the lock file does not list this program")?;
    let packages = reachable(&lockfile, root);

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for package in &packages {
        dependencies.push(Dependency {
            dependency_ref: purl(package)?.to_string(),
            dependencies: children(&lockfile, package)
                .map(|child| purl(child).map(|purl| purl.to_string()))
                .collect::<Result<_, _>>()?,
        });
        if *package != root {
            components.push(component(package, Classification::Library)?);
        }
    }
    let bom = Bom {
        version: 1,
        serial_number: Some(UrnUuid::generate()),
        metadata: Some(Metadata {
            timestamp: Some(DateTime::try_from(now.to_string())?),
            component: Some(component(root, Classification::Application)?),
            ..Metadata::default()
        }),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies)),
        spec_version: SpecVersion::V1_5,
        ..Bom::default()
    };
    let mut json = Vec::new();
    bom.output_as_json(&mut json, SpecVersion::V1_5)?;
    Ok(json)
}

/// `root` and everything below it, in a stable order.
fn reachable<'a>(lockfile: &'a Lockfile, root: &'a Package) -> Vec<&'a Package> {
    let mut seen = BTreeSet::from([root]);
    let mut next = VecDeque::from([root]);
    while let Some(package) = next.pop_front() {
        next.extend(children(lockfile, package).filter(|child| seen.insert(child)));
    }
    seen.into_iter().collect()
}

fn children<'a>(lockfile: &'a Lockfile, package: &'a Package) -> impl Iterator<Item = &'a Package> {
    package
        .dependencies
        .iter()
        .filter_map(|dependency| lockfile.packages.iter().find(|p| dependency.matches(p)))
}

fn component(package: &Package, kind: Classification) -> Result<Component, Box<dyn Error + Send + Sync>> {
    let purl = purl(package)?;
    let mut component =
        Component::new(kind, package.name.as_str(), &package.version.to_string(), Some(purl.to_string()));
    component.hashes = package.checksum.as_ref().map(|checksum| {
        Hashes(vec![Hash { alg: HashAlgorithm::SHA_256, content: HashValue(checksum.to_string()) }])
    });
    component.purl = Some(purl);
    Ok(component)
}

fn purl(package: &Package) -> Result<Purl, Box<dyn Error + Send + Sync>> {
    Ok(Purl::new("cargo", package.name.as_str(), &package.version.to_string())?)
}

/// A SLSA v1 provenance predicate that claims no more than is true: somebody ran the demo.
pub(super) fn slsa_provenance(now: Timestamp) -> Vec<u8> {
    let predicate = json!({
        "buildDefinition": {
            "buildType": "https://sandbox.invalid/demo/v1",
            "externalParameters": { "program": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "internalParameters": {},
            "resolvedDependencies": [],
        },
        "runDetails": {
            "builder": { "id": BUILDER },
            "metadata": { "startedOn": now.to_string(), "finishedOn": now.to_string() },
        },
    });
    predicate.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_sbom_lists_what_the_lock_file_brings_in() {
        let lock = include_str!("../../../../Cargo.lock");
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let json = cyclonedx_from_lockfile(lock, "sign-cli", now).unwrap();
        sign_core::check_predicate(&json, "cyclonedx").unwrap();
        let bom: Value = serde_json::from_slice(&json).unwrap();
        let components = bom["components"].as_array().unwrap();
        let serde = components.iter().find(|component| component["name"] == "serde_json").unwrap();
        assert!(serde["purl"].as_str().unwrap().starts_with("pkg:cargo/serde_json@1."));
        assert_eq!(serde["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert!(components.iter().all(|component| component["name"] != "sign-cli"));
        assert_eq!(bom["metadata"]["component"]["name"], "sign-cli");
        assert_eq!(bom["metadata"]["timestamp"], "2027-01-15T08:00:00Z");
        let root = bom["dependencies"].as_array().unwrap().iter().find(|d| {
            d["ref"].as_str().is_some_and(|reference| reference.starts_with("pkg:cargo/sign-cli@"))
        });
        assert!(root.unwrap()["dependsOn"].as_array().unwrap().len() > 5);
    }

    #[test]
    fn the_provenance_is_one() {
        let json = slsa_provenance(Timestamp::UNIX_EPOCH);
        let checked = sign_core::check_predicate(&json, "auto").unwrap();
        assert_eq!(checked.uri, "https://slsa.dev/provenance/v1");
    }
}
