"""A certificate authority that lives as long as the tests."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """The authority's certificate, and a server's that it signed."""

    certificate: Path
    server_context: ssl.SSLContext
    """For a server called localhost, model.test or 127.0.0.1."""

    def client_context(self) -> ssl.SSLContext:
        """Make a context that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.certificate)


def make_authority(openssl: str, folder: Path) -> Authority:
    """Make one with the command `openssl`."""

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    (folder / "names").write_text("subjectAltName=DNS:localhost,DNS:model.test,IP:127.0.0.1")
    key = ["-newkey", "rsa:2048", "-nodes"]
    run("req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority")
    run("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    signed_by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    run("x509", "-req", "-in", "server.csr", "-out", "server.pem", "-extfile", "names", *signed_by)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Authority(folder / "ca.pem", context)
