"""TLS: what a client trusts and what it shows."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files. Without `ca`, what the system trusts is trusted."""

    ca: Optional[str] = None
    certificate: Optional[str] = None  # our own, for mutual TLS
    key: Optional[str] = None

    def context(self) -> "ssl.SSLContext":
        import ssl
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def pem(self) -> tuple[Optional[bytes], Optional[bytes], Optional[bytes]]:
        """(trusted, key, certificate), as gRPC wants them."""
        def read(path: Optional[str]) -> Optional[bytes]:
            if path is None:
                return None
            with open(path, "rb") as file:
                return file.read()
        return read(self.ca), read(self.key), read(self.certificate)
