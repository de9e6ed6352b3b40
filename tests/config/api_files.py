"""Certificate, key and token file for the API over TCP, made anew for each test."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET = hashlib.sha256(b"may write, in tests").hexdigest()
READER = hashlib.sha256(b"may read, in tests").hexdigest()


def make_api_files(directory: Path, only: str = "", password: bytes | None = None, days: int = 30) -> None:
    """Write ``api.crt``, ``api.key`` and ``api.tokens``, or ``only`` one of them; the certificate is for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ha01")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    contents = {
        "api.crt": certificate.public_bytes(serialization.Encoding.PEM),
        "api.key": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
        "api.tokens": f"prometheus read {READER}\nanna write {SECRET}\n".encode(),
    }
    for each, data in contents.items():
        if only in ("", each):
            # By another name first: who looks meanwhile finds the old file or the new one.
            path = directory / f"{each}.new"
            path.write_bytes(data)
            path.chmod(0o600)
            path.rename(directory / each)
