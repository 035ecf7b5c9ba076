"""The real services: Fulcio, Rekor v1 on Trillian and MariaDB, Rekor v2, a CT log, a timestamp authority."""

import json
import pathlib
import subprocess

import peers as versions
import trust
from oidc import Issuer, openssl
from peers import Peers
from processes import Environment, Servers, free_port
from stack import EMAIL, WORKFLOW, Identity, Registry, distribution, fetch

# sigstore-go wants a Rekor v2 checkpoint to name the host of the log's URL, without its port.
ORIGIN = "127.0.0.1"
PASSWORD = "not-a-secret"
CA_EXTENSIONS = """
[root]
basicConstraints=critical,CA:true,pathlen:1
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[intermediate]
basicConstraints=critical,CA:true,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
extendedKeyUsage=codeSigning
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


class Real:
    name = "real"
    # What it takes besides the peers that the rows ask for.
    PROGRAMS = ("mariadb", *versions.SERVICES, "referrers-registry", "registry")

    def __init__(self, folder: pathlib.Path, env: Environment, servers: Servers, peers: Peers):
        self.folder, self.env, self.servers, self.peers = folder / "real", env, servers, peers
        self.folder.mkdir()
        self.ports: dict[str, int] = {}
        self.issuer = Issuer(self.folder, self.port("oidc"))
        self.urls = {"oidc": self.issuer.url}
        root, chain, key = self.authority()
        self.database()
        self.ct_log(root)
        self.fulcio(chain, key)
        self.timestamps()
        self.rekor_v1()
        self.rekor_v2()
        trust.write(self.folder, trust.Services(
            urls=self.urls,
            fulcio_chain=chain.read_text(),
            tsa_chain=fetch(self.urls["tsa"] + "/certchain").decode(),
            rekor1_key=fetch(self.urls["rekor1"] + "/api/v1/log/publicKey").decode(),
            rekor2_key=self.public("rekor2.key").read_text(),
            rekor2_origin=ORIGIN,
            ct_key=self.public("ct.key").read_text(),
        ))
        self.trusted_root = self.folder / "trusted_root.json"
        self.registries = self.start_registries()

    # ---- what rows ask for -------------------------------------------------------------------------

    def signing_config(self, rekor: int) -> pathlib.Path:
        return self.folder / f"signing_config.rekor{rekor}.json"

    def trust_config(self, rekor: int) -> pathlib.Path:
        return self.folder / f"trust_config.rekor{rekor}.json"

    def identity(self, kind: str) -> Identity:
        if kind == "workflow":
            return Identity(kind, WORKFLOW, f"{self.issuer.url}/gha")
        return Identity(kind, EMAIL, self.issuer.url)

    def token(self, identity: Identity, **changes) -> str:
        return self.issuer.token(identity, **changes)

    # ---- the services, in the order in which they need each other --------------------------------------

    def authority(self) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
        """A root and an intermediate on P-384: root, chain and the intermediate's encrypted key."""
        path = lambda name: self.folder / name
        path("extensions").write_text(CA_EXTENSIONS)
        for name in ("root", "intermediate"):
            openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", path(f"{name}.key"))
            openssl("req", "-new", "-key", path(f"{name}.key"), "-subj", f"/O=example.com/CN={name}",
                    "-out", path(f"{name}.csr"))
        common = ("-sha384", "-days", "365", "-extfile", path("extensions"))
        openssl("x509", "-req", "-in", path("root.csr"), "-signkey", path("root.key"), *common,
                "-extensions", "root", "-out", path("root.pem"))
        openssl("x509", "-req", "-in", path("intermediate.csr"), "-CA", path("root.pem"), "-CAkey", path("root.key"),
                "-CAcreateserial", *common, "-extensions", "intermediate", "-out", path("intermediate.pem"))
        path("chain.pem").write_text(path("intermediate.pem").read_text() + path("root.pem").read_text())
        openssl("pkcs8", "-topk8", "-in", path("intermediate.key"), "-passout", f"pass:{PASSWORD}",
                "-out", path("intermediate.encrypted.key"))
        return path("root.pem"), path("chain.pem"), path("intermediate.encrypted.key")

    def database(self):
        """Trillian, which both logs of the first generation stand on, and MariaDB below it."""
        data, socket = self.folder / "database", self.folder / "database.sock"
        self.env.must("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}",
                      "--auth-root-authentication-method=normal")
        # Nothing of it has to survive a crash.
        self.service("database", self.peers["mariadb"], "--no-defaults", "--user=root", f"--datadir={data}",
                     f"--socket={socket}", "--bind-address=127.0.0.1", f"--port={self.port('database')}",
                     "--innodb-flush-log-at-trx-commit=0")
        module = json.loads(subprocess.run(
            ["go", "mod", "download", "-json", f"github.com/google/trillian@{versions.TRILLIAN}"],
            check=True, capture_output=True, text=True, cwd=self.folder).stdout)["Dir"]
        schema = pathlib.Path(module, "storage/mysql/schema/storage.sql").read_text()
        self.env.must("mariadb", "--no-defaults", f"--socket={socket}", "--user=root", stdin=(
            "CREATE DATABASE trillian; CREATE USER 't'@'127.0.0.1' IDENTIFIED BY 't';"
            f"GRANT ALL ON trillian.* TO 't'@'127.0.0.1'; USE trillian;\n{schema}"))
        store = ("--storage_system=mysql", "--quota_system=noop",
                 f"--mysql_uri=t:t@tcp(127.0.0.1:{self.ports['database']})/trillian")
        self.service("trillian_log_server", self.peers["trillian_log_server"], *store, *self.endpoints("trillian_log_server"))
        self.service("trillian_log_signer", self.peers["trillian_log_signer"], *store, "--force_master",
                     "--sequencer_interval=50ms", *self.endpoints("trillian_log_signer"))

    def ct_log(self, root: pathlib.Path):
        key = self.new_key("ct.key")
        escaped = lambda content: "".join(f"\\x{byte:02x}" for byte in content)
        private = escaped(openssl("ec", "-in", key, "-outform", "DER"))
        public = escaped(openssl("pkey", "-in", key, "-pubout", "-outform", "DER"))
        config = self.folder / "ct.cfg"
        config.write_text(
            f'config {{ log_id: {self.new_tree()} prefix: "ct" roots_pem_file: "{root}" '
            'ext_key_usages: "CodeSigning" max_merge_delay_sec: 86400 expected_merge_delay_sec: 120 '
            f'private_key {{ [type.googleapis.com/keyspb.PrivateKey] {{ der: "{private}" }} }} '
            f'public_key {{ der: "{public}" }} }}')
        self.service("ct", self.peers["ct_server"], f"--log_config={config}",
                     f"--http_endpoint=127.0.0.1:{self.port('ct')}", f"--log_rpc_server={self.trillian()}",
                     f"--metrics_endpoint=127.0.0.1:{self.port('ct metrics')}")
        self.urls["ct"] = f"{self.local('ct')}/ct"

    def fulcio(self, chain: pathlib.Path, key: pathlib.Path):
        config = self.folder / "fulcio.json"
        kinds = {self.identity("email").issuer: "email", self.identity("workflow").issuer: "github-workflow"}
        config.write_text(json.dumps({"OIDCIssuers": {
            url: {"IssuerURL": url, "ClientID": "sigstore", "Type": kind} for url, kind in kinds.items()}}))
        self.service("fulcio", self.peers["fulcio"], "serve", "--host=127.0.0.1", f"--port={self.port('fulcio')}",
                     "--grpc-host=127.0.0.1", f"--grpc-port={self.port('fulcio grpc')}",
                     f"--metrics-port={self.port('fulcio metrics')}", f"--config-path={config}", "--ca=fileca",
                     f"--fileca-cert={chain}", f"--fileca-key={key}", f"--fileca-key-passwd={PASSWORD}",
                     "--fileca-watch=false", f"--ct-log-url={self.urls['ct']}",
                     f"--ct-log-public-key-path={self.public('ct.key')}",
                     f"--legacy-unix-domain-socket={self.folder / 'fulcio.sock'}")
        self.urls["fulcio"] = self.local("fulcio")

    def timestamps(self):
        """Before Rekor: both want port 2112 for metrics, and only Rekor goes on without it."""
        self.service("tsa", self.peers["timestamp-server"], "serve", "--scheme=http", "--host=127.0.0.1",
                     f"--port={self.port('tsa')}", "--timestamp-signer=memory", "--timestamp-signer-hash=sha384",
                     "--disable-ntp-monitoring")
        self.urls["tsa"] = f"{self.local('tsa')}/api/v1/timestamp"

    def rekor_v1(self):
        raw, key = self.new_key("rekor1.raw"), self.folder / "rekor1.key"
        openssl("pkcs8", "-topk8", "-nocrypt", "-in", raw, "-out", key)
        host, port = self.trillian().split(":")
        served = ("createLogEntry", "getLogEntryByIndex", "getLogEntryByUUID", "searchLogQuery", "getLogInfo",
                  "getPublicKey", "getLogProof")
        self.service("rekor1", self.peers["rekor-server"], "serve", "--host=127.0.0.1", f"--port={self.port('rekor1')}",
                     "--rekor_server.address=127.0.0.1", "--rekor_server.hostname=127.0.0.1",
                     f"--rekor_server.signer={key}", f"--trillian_log_server.address={host}",
                     f"--trillian_log_server.port={port}", f"--trillian_log_server.tlog_id={self.new_tree()}",
                     f"--enabled_api_endpoints={','.join(served)}")
        self.urls["rekor1"] = self.local("rekor1")

    def rekor_v2(self):
        key = self.folder / "rekor2.key"
        openssl("genpkey", "-algorithm", "ed25519", "-out", key)
        self.service("rekor2", self.peers["rekor-v2"], "serve", f"--hostname={ORIGIN}", f"--signer-filepath={key}",
                     f"--http-port={self.port('rekor2')}", f"--grpc-port={self.port('rekor2 grpc')}",
                     f"--http-metrics-port={self.port('rekor2 metrics')}", f"--storage-dir={self.folder / 'rekor2'}",
                     "--checkpoint-interval=1s")
        self.urls["rekor2"] = self.local("rekor2")

    def start_registries(self) -> dict[str, Registry]:
        port = free_port()
        self.servers.start("go-containerregistry", self.peers["referrers-registry"], f"127.0.0.1:{port}", port=port,
                           env=self.env.variables)
        start = lambda name, **more: distribution(self.peers["registry"], name, self.folder, self.servers, **more)
        return {
            "referrers": Registry("go-containerregistry", f"127.0.0.1:{port}"),
            "tag schema": start("distribution"),
            "login": start("distribution, login", login=True),
        }

    # ---- small things ------------------------------------------------------------------------------

    def service(self, name: str, *command):
        self.servers.start(name, *command, port=self.ports[name], env=self.env.variables)

    def port(self, name: str) -> int:
        self.ports[name] = free_port()
        return self.ports[name]

    def local(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def endpoints(self, name: str) -> tuple[str, str]:
        return (f"--rpc_endpoint=127.0.0.1:{self.port(name)}",
                f"--http_endpoint=127.0.0.1:{self.port(name + ' http')}")

    def trillian(self) -> str:
        return f"127.0.0.1:{self.ports['trillian_log_server']}"

    def new_tree(self) -> str:
        return self.env.must(self.peers["createtree"], f"--admin_server={self.trillian()}").out.split()[-1]

    def new_key(self, name: str) -> pathlib.Path:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.folder / name)
        return self.folder / name

    def public(self, name: str) -> pathlib.Path:
        path = (self.folder / name).with_suffix(".pub")
        if not path.exists():
            path.write_bytes(openssl("pkey", "-in", self.folder / name, "-pubout"))
        return path
