"""Small real servers for the tests of probes: HTTP, HTTP over TLS with an authority of the test, and TCP that says as told."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Said = Callable[[bytes], bytes | None]


class Server:
    """Says ``say(heard)`` to each connection once something was heard (or at once, with ``greets``); None: nothing, ever."""

    def __init__(self, say: Said, greets: bool = False) -> None:
        self._say = say
        self._greets = greets
        self.heard: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            heard = b"" if self._greets else await reader.read(65536)
            self.heard.append(heard)
            said = self._say(heard)
            if said is None:
                await reader.read()  # until the other side goes
            else:
                writer.write(said)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(say: Said, tls: ssl.SSLContext | None = None, greets: bool = False) -> AsyncIterator[Server]:
    server = Server(say, greets)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


def page(body: str = "all is well", status: str = "200 OK", *headers: str) -> Said:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", "Connection: close", *headers]
    return lambda _heard: ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Authority:
    """A certificate authority of the test, in ``folder/ca.pem``."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of the test ({name})")])
        self.path = str(folder / f"{name}.pem")
        extension = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._begin(self._name, self._key).add_extension(extension, True).sign(self._key, hashes.SHA256())
        Path(self.path).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _begin(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 2) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    def server(self, *names: str, days: int = 2) -> ssl.SSLContext:
        """A context with a certificate for these names and addresses; negative ``days``: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        others = x509.SubjectAlternativeName([_general(name) for name in names])
        certificate = self._begin(subject, key, days).add_extension(others, False).sign(self._key, hashes.SHA256())
        file = self._folder / f"server-{names[0]}-{days}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
