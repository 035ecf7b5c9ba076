"""What gets signed: this project's own program as an image, its SBOMs, its provenance, and a file."""

import datetime
import hashlib
import json
import pathlib
import sys
from dataclasses import dataclass

import oci
from peers import Peers
from processes import Environment

LARGE = 5_000_000  # bytes that the large SBOM exceeds


@dataclass(frozen=True)
class Samples:
    blob: pathlib.Path
    provenance: pathlib.Path  # a SLSA v1 predicate
    statement: pathlib.Path  # an in-toto statement about the blob with that predicate
    cyclonedx: pathlib.Path
    spdx: pathlib.Path
    large_spdx: pathlib.Path
    layout: oci.Layout  # "single" and "multi"


def make(folder: pathlib.Path, program: pathlib.Path, checkout: pathlib.Path, peers: Peers, env: Environment) -> Samples:
    folder.mkdir()
    blob = folder / "artifact.txt"
    blob.write_text("An artifact to be signed.\n")
    predicate = provenance()
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": blob.name, "digest": {"sha256": hashlib.sha256(blob.read_bytes()).hexdigest()}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": predicate,
    }
    layout = oci.Layout(folder / "layout")
    layout.image(program, "single")
    layout.index(program, "multi")
    cyclonedx, spdx = sboms(folder, checkout, peers, env)
    return Samples(
        blob=blob,
        provenance=write(folder / "provenance.json", predicate),
        statement=write(folder / "statement.json", statement),
        cyclonedx=cyclonedx,
        spdx=spdx,
        large_spdx=write(folder / "large.spdx.json", large_spdx()),
        layout=layout,
    )


def sboms(folder: pathlib.Path, checkout: pathlib.Path, peers: Peers, env: Environment):
    """What the program is made of, by an SBOM generator that is not ours, from the lock file that built it."""
    if "syft" not in peers:
        return write(folder / "sbom.cdx.json", plain_cyclonedx()), write(folder / "sbom.spdx.json", plain_spdx(10))
    cyclonedx, spdx = folder / "sbom.cdx.json", folder / "sbom.spdx.json"
    env.must(peers["syft"], "scan", "--quiet", f"file:{checkout / 'Cargo.lock'}",
             "--output", f"cyclonedx-json={cyclonedx}", "--output", f"spdx-json={spdx}")
    return cyclonedx, spdx


def provenance() -> dict:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "buildDefinition": {
            "buildType": "https://interop.invalid/run/v1",
            "externalParameters": {"python": sys.version.split()[0]},
            "internalParameters": {},
            "resolvedDependencies": [],
        },
        "runDetails": {"builder": {"id": "https://interop.invalid/builder"}, "metadata": {"startedOn": now}},
    }


def plain_cyclonedx() -> dict:
    component = {"type": "library", "name": "example", "version": "1.0.0", "purl": "pkg:generic/example@1.0.0"}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [component]}


def plain_spdx(packages: int) -> dict:
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "generated",
        "documentNamespace": f"https://interop.invalid/spdx/{packages}",
        "creationInfo": {"created": "2024-01-01T00:00:00Z", "creators": ["Tool: interop"]},
        "packages": [{
            "SPDXID": f"SPDXRef-Package-{number}",
            "name": f"package-{number}",
            "versionInfo": f"{number % 10}.{number % 7}.{number % 13}",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "checksums": [{"algorithm": "SHA256",
                           "checksumValue": hashlib.sha256(str(number).encode()).hexdigest()}],
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:generic/package-{number}@{number % 10}.{number % 7}"}],
        } for number in range(packages)],
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": f"SPDXRef-Package-{number}"} for number in range(packages)],
    }


def large_spdx() -> dict:
    document = plain_spdx(15_000)
    assert len(json.dumps(document)) > LARGE
    return document


def write(path: pathlib.Path, document: dict) -> pathlib.Path:
    path.write_text(json.dumps(document))
    return path
