"""A stack is a Sigstore to test against: its services, its trust files and its identities.

`Sandbox` is the one in `signer sandbox`, `real.Real` the services that others wrote.
"""

import base64
import hashlib
import json
import pathlib
import secrets
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Protocol

from processes import Environment, Servers, free_port, wait_until

EMAIL = "dev@example.com"
WORKFLOW = "https://github.com/octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main"
# For the registry that asks for a password; and the line of an htpasswd file with its bcrypt hash.
LOGIN = ("robot", "s3cret")
HTPASSWD = "robot:$2a$05$clM0v5nCbUrrWncBgUxoa.VZjytBSBRFrJIR980WsLm537ZqHllgm\n"


@dataclass(frozen=True)
class Identity:
    kind: str  # "email" or "workflow"
    subject: str
    issuer: str


@dataclass(frozen=True)
class Registry:
    name: str
    host: str  # address and port
    login: tuple[str, str] | None = None


class Stack(Protocol):
    name: str
    trusted_root: pathlib.Path

    def signing_config(self, rekor: int) -> pathlib.Path: ...
    def trust_config(self, rekor: int) -> pathlib.Path: ...
    def identity(self, kind: str) -> Identity: ...
    def token(self, identity: Identity) -> str: ...

    urls: dict[str, str]
    # By what they are there for: "referrers" has that API, "tag schema" has not, "login" asks for a password.
    registries: dict[str, Registry]


class Sandbox:
    """`signer sandbox up`, and beside it one whose registry asks for a password."""

    name = "sandbox"

    def __init__(self, signer: pathlib.Path, folder: pathlib.Path, env: Environment, servers: Servers):
        self.folder = self._up(signer, folder / "sandbox", env, servers, "--identity", "workflow")
        self.urls = json.loads((self.folder / "urls.json").read_text())
        self.trusted_root = self.folder / "trusted_root.json"
        guarded = self._up(signer, folder / "sandbox-login", env, servers,
                           "--registry-auth", "basic:" + ":".join(LOGIN))
        self.registries = {
            "referrers": Registry("sandbox", self.urls["registry"]),
            "login": Registry("sandbox", json.loads((guarded / "urls.json").read_text())["registry"], LOGIN),
        }

    @staticmethod
    def _up(signer, data, env: Environment, servers: Servers, *options) -> pathlib.Path:
        process, log = servers.start(data.name, signer, "sandbox", "up", "--data", data, *options,
                                     env=env.variables)
        wait_until(lambda: "SIGNER_SANDBOX_DATA" in log.read_text(), "the sandbox is up", process, log)
        return data

    def signing_config(self, rekor: int) -> pathlib.Path:
        return self.folder / f"signing_config.rekor{rekor}.json"

    def trust_config(self, rekor: int) -> pathlib.Path:
        return self.folder / f"trust_config.rekor{rekor}.json"

    def identity(self, kind: str) -> Identity:
        if kind == "workflow":
            return Identity(kind, WORKFLOW, self.urls["oidc_github"])
        return Identity(kind, EMAIL, self.urls["oidc"])

    def token(self, identity: Identity) -> str:
        if identity.kind == "workflow":
            return (self.folder / "identity_token").read_text()
        return log_in(identity.issuer, identity.subject)


def log_in(issuer: str, address: str) -> str:
    """The authorization code flow with PKCE (RFC 7636), as a browser and a client would go through it."""
    discovery = json.loads(fetch(f"{issuer}/.well-known/openid-configuration"))
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    back = "http://127.0.0.1/callback"
    query = {"response_type": "code", "client_id": "sigstore", "redirect_uri": back, "scope": "openid email",
             "code_challenge": challenge, "code_challenge_method": "S256", "login_hint": address}
    opener = urllib.request.build_opener(_StayHere)
    try:
        opener.open(f"{discovery['authorization_endpoint']}?{urllib.parse.urlencode(query)}")
        raise SystemExit("the issuer did not send the browser back")
    except urllib.error.HTTPError as redirect:
        location = urllib.parse.urlsplit(redirect.headers.get("Location", ""))
    code = urllib.parse.parse_qs(location.query)["code"][0]
    form = {"grant_type": "authorization_code", "client_id": "sigstore", "redirect_uri": back, "code": code,
            "code_verifier": verifier}
    return json.loads(fetch(discovery["token_endpoint"], urllib.parse.urlencode(form).encode()))["id_token"]


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def fetch(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, body, timeout=10) as reply:
        return reply.read()


def distribution(program: pathlib.Path, name: str, folder: pathlib.Path, servers: Servers, *,
                 login: bool = False) -> Registry:
    """Docker's registry: it has no referrers API, so that clients need the tag schema."""
    port, storage = free_port(), folder / name
    storage.mkdir()
    (storage / "htpasswd").write_text(HTPASSWD)
    config = storage / "config.yml"
    auth = {"auth": {"htpasswd": {"realm": "interop", "path": str(storage / "htpasswd")}}} if login else {}
    config.write_text(json.dumps(auth | {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(storage / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }))
    servers.start(name, program, "serve", config, port=port)
    return Registry(name, f"127.0.0.1:{port}", LOGIN if login else None)
