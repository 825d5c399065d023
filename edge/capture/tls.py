"""A host and whom to trust -> a TLS connection to the right camera, before a byte is sent to it."""

import hashlib
import re
import socket
import ssl
from pathlib import Path

from edge.capture.trouble import INSTALLED_S, in_words
from edge.errors import TransientError

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def fingerprint(trust: str) -> str | None:
    """`sha256:AB:CD...`, as openssl, browsers and we write it -> 64 letters; None: it is a file."""
    text = trust.rpartition("=")[2].strip().lower().removeprefix("sha256:")
    text = re.sub(r"[\s:]", "", text)
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else None


def connect(where: tuple[str, int], trust: str, timeout_s: float) -> ssl.SSLSocket:
    """`trust`: a fingerprint, a certificate file, or empty for the system's authorities.

    A trusted certificate needs no host name in it. Raises TransientError without the host.
    """
    pinned = fingerprint(trust) if trust else None
    authority = Path(trust).expanduser() if trust and pinned is None else None
    known = {pinned} if pinned else _fingerprints(authority) if authority else set()
    if known:
        sock = _wrapped(where, _any(), timeout_s)
        seen = _seen(sock)
        if seen in known:
            return sock
        sock.close()
        if pinned:
            raise _untrusted(f"has another certificate than trust says: sha256:{seen}")
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
        return _wrapped(where, context, timeout_s)
    except ssl.SSLCertVerificationError as error:
        with _wrapped(where, _any(), timeout_s) as sock:
            seen = _seen(sock)
        raise _untrusted(
            f"its certificate is not trusted ({error.verify_message}); if it is the camera's own, "
            f'set trust = "sha256:{seen}"'
        ) from None
    except ssl.SSLError as error:
        raise TransientError(f"speaks no TLS that is safe today ({error.reason})") from None


def _untrusted(why: str) -> TransientError:
    return TransientError(why, INSTALLED_S)


def _wrapped(where: tuple[str, int], context: ssl.SSLContext, timeout_s: float) -> ssl.SSLSocket:
    sock = socket.create_connection(where, timeout_s)
    try:
        return context.wrap_socket(sock, server_hostname=where[0])
    except BaseException:
        sock.close()
        raise


def _any() -> ssl.SSLContext:
    """For a look at the certificate, which we judge ourselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _seen(sock: ssl.SSLSocket) -> str:
    return hashlib.sha256(sock.getpeercert(binary_form=True) or b"").hexdigest()


def _fingerprints(file: Path) -> set[str | None]:
    """Of the certificates in a file. Raises TransientError where there is none."""
    try:
        found = CERTIFICATE.findall(file.read_text(encoding="latin-1"))
        made = {hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest() for text in found}
    except OSError as error:
        raise _untrusted(f"trust: {file}: cannot be read: {in_words(error)}") from None
    except ValueError:
        made = set()
    if not made:
        raise _untrusted(f"trust: {file}: holds no certificate (PEM)")
    return {*made}
