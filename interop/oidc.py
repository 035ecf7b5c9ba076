"""The identity provider of the real stack: discovery, one RSA key, and tokens as asked for."""

import base64
import hashlib
import http.server
import json
import pathlib
import subprocess
import threading
import time

from stack import Identity

LIFETIME = 600  # seconds


class Issuer:
    """Two issuers with one key: for e-mail addresses, and under `/gha` for workflows."""

    def __init__(self, folder: pathlib.Path, port: int):
        self.url = f"http://127.0.0.1:{port}"
        self.key = folder / "oidc.pem"
        openssl("genrsa", "-out", self.key, "2048")
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        keys = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "e": "AQAB",
                          "n": base64url(bytes.fromhex(modulus))}]}
        documents = {"/keys": keys}
        for path in ("", "/gha"):
            documents[f"{path}/.well-known/openid-configuration"] = {
                "issuer": self.url + path,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}{path}/auth",
                "token_endpoint": f"{self.url}{path}/token",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        serve(port, documents)

    def token(self, identity: Identity, **changes) -> str:
        """`changes` replace claims; times among them are relative to now."""
        now = int(time.time())
        claims = {"aud": "sigstore", "iss": identity.issuer, "iat": now, "nbf": now, "exp": now + LIFETIME}
        if identity.kind == "workflow":
            claims |= workflow(identity.subject)
        else:
            claims |= {"sub": "1234", "email": identity.subject, "email_verified": True}
        claims |= {name: now + value if name in ("iat", "nbf", "exp") else value for name, value in changes.items()}
        # RS256, because cosign takes any other token for a file name.
        parts = ({"alg": "RS256", "kid": "1", "typ": "JWT"}, claims)
        signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{base64url(openssl('dgst', '-sha256', '-sign', self.key, stdin=signed.encode()))}"


def workflow(name: str) -> dict:
    """What a forge says about a job; `name` is its workflow's URL."""
    reference = name.removeprefix("https://github.com/")
    repository, branch = "/".join(reference.split("/")[:2]), reference.split("@")[1]
    commit = hashlib.sha1(reference.encode()).hexdigest()
    return {
        "sub": f"repo:{repository}:ref:{branch}", "event_name": "push", "sha": commit, "workflow": "release",
        "repository": repository, "ref": branch, "job_workflow_ref": reference, "job_workflow_sha": commit,
        "workflow_ref": reference, "workflow_sha": commit, "run_id": "100", "run_attempt": "1",
        "runner_environment": "github-hosted", "repository_id": "74", "repository_owner": repository.split("/")[0],
        "repository_owner_id": "65", "repository_visibility": "public",
    }


def serve(port: int, documents: dict):
    """Until this program ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = documents.get(self.path)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {}).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def openssl(*words, stdin: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *map(str, words)], input=stdin, check=True, capture_output=True).stdout


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
