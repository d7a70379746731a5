"""An authority of the tests' own, and certificates that it signs, as PEM files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Identity:
    """A certificate with its chain, its key (PKCS#8), and both in one file as a broker reads them."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates; its own is ``authority.pem`` in the directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self.certificate = directory / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.certificate))

    def issue(
        self, name: str, *hosts: str, locked_with: str | None = None, not_after: datetime | None = None
    ) -> Identity:
        """An identity whose subject's common name is ``name``, for these host names or addresses."""
        issued = self._authority.issue_cert(*hosts, common_name=name, not_after=not_after)
        secret = BestAvailableEncryption(locked_with.encode()) if locked_with else NoEncryption()
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        texts = {
            "cert": b"".join(blob.bytes() for blob in issued.cert_chain_pems),
            "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret),
        }
        paths = {kind: self._directory / f"{name}.{kind}.pem" for kind in (*texts, "both")}
        for kind, text in {**texts, "both": texts["key"] + texts["cert"]}.items():
            paths[kind].write_bytes(text)
        return Identity(paths["cert"], paths["key"], paths["both"])

    def traditional_key(self, name: str) -> Path:
        """A key in the form that OpenSSL wrote before PKCS#8, which Java does not read."""
        path = self._directory / f"{name}.traditional.pem"
        self._authority.issue_cert(f"{name}.example").private_key_pem.write_to_path(str(path))
        return path
