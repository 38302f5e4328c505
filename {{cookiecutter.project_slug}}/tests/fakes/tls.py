"""TLS in front of real engines, whose embedded builds know none: an authority of our own, and a door that ends it."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Address = tuple[str, int] | str
POSTGRES_ASKS_FOR_TLS = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@dataclass(frozen=True)
class Authority:
    """Certificates of one authority in a folder: its own, and one for this machine."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @classmethod
    def made(cls, folder: Path, *, host: str = "localhost") -> "Authority":
        folder.mkdir(parents=True, exist_ok=True)
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = _name(f"authority of {folder.name}")
        root = _builder(name, name, ca_key.public_key()).add_extension(x509.BasicConstraints(True, 0), critical=True)
        ca = root.sign(ca_key, hashes.SHA256())
        places = [x509.DNSName(host), *([x509.IPAddress(ip_address("127.0.0.1"))] if host == "localhost" else [])]
        leaf = _builder(_name(host), name, key.public_key()).add_extension(
            x509.SubjectAlternativeName(places), critical=False
        )
        certificate = leaf.sign(ca_key, hashes.SHA256())
        (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        (folder / "host.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "host.key").write_bytes(private)
        return cls(folder)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "host.pem", self.folder / "host.key")
        return context


@contextmanager
def door(authority: Authority, behind: Address, *, speaks: Literal["postgres", "plain"]) -> Iterator[int]:
    """Listen on a port of this machine, end TLS, and pass everything on to the engine behind; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = authority.context()

    def listen() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                threading.Thread(target=_serve, args=(line, context, behind, speaks), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _serve(line: socket.socket, context: ssl.SSLContext, behind: Address, speaks: str) -> None:
    with suppress(OSError, ssl.SSLError):
        if speaks == "postgres":
            if line.recv(8) != POSTGRES_ASKS_FOR_TLS:
                line.close()  # whoever does not want TLS is not let in
                return
            line.sendall(b"S")
        secured = context.wrap_socket(line, server_side=True)
        kind = socket.AF_UNIX if isinstance(behind, str) else socket.AF_INET
        engine = socket.socket(kind)
        engine.connect(behind)
        back = threading.Thread(target=_pass, args=(engine, secured), daemon=True)
        back.start()
        _pass(secured, engine)
        back.join()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError, ssl.SSLError, ValueError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (sink, source):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
