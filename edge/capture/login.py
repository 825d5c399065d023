"""What a server asks for (WWW-Authenticate) -> what we say: Basic (RFC 7617), Digest (RFC 7616)."""

import base64
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge.text import shown

TOKEN = re.compile(r'([\w!#$%&\'*+.^`|~-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]*))?')
HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
"""Digest's algorithms, the weakest first, and their names in hashlib."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a server offers."""

    scheme: str
    values: dict[str, str]

    @property
    def rank(self) -> int:
        """The higher, the better; 0: not understood."""
        if self.scheme == "basic":
            return 1
        known = not self.values.get("qop") or self.qop
        return 2 + list(HASHES).index(self.hash) if self.scheme == "digest" and known else 0

    @property
    def hash(self) -> str:
        """Digest's algorithm, the weakest for one that is unknown."""
        return self.values.get("algorithm", "md5").lower().removesuffix("-sess")

    @property
    def qop(self) -> str:
        """`auth` before `auth-int`; empty: as RFC 2069 had it, or unknown."""
        offered = [one.strip().lower() for one in self.values.get("qop", "").split(",")]
        return next((one for one in ("auth", "auth-int") if one in offered), "")


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """Of one header with several in it as well as of several headers."""
    found: list[Challenge] = []
    for header in headers:
        for name, value in TOKEN.findall(header):
            if not value:
                found.append(Challenge(name.lower(), {}))
            elif found:
                text = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value
                found[-1].values[name.lower()] = text
    return [one for one in found if one.scheme != "digest" or one.hash in HASHES]


class Login:
    """User and password for one server, and how it takes them."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        encodings = ["utf-8"]
        if not (user + password).isascii():
            encodings.append("latin-1")  # as cameras that never heard of UTF-8 have it
        self._ways = [(encoding, body) for encoding in encodings for body in (True, False)]
        """Encoding, and whether auth-int covers the (empty) body: some cameras leave that out."""
        self._chosen: Challenge | None = None
        self._count = 0
        """Requests with the server's present nonce."""

    def answer(self, target: str) -> bytes | None:
        """The Authorization header of the next GET; None before the server has asked."""
        if self._chosen is None:
            return None
        self._count += 1
        encoding, _ = self._ways[0]
        if self._chosen.scheme == "basic":
            both = f"{self._user}:{self._password}".encode(encoding, "replace")
            return b"Basic " + base64.b64encode(both)
        return self._digest(self._chosen.values, target).encode(encoding, "replace")

    def asked(self, headers: list[str]) -> str | None:
        """Take a refusal -> None if another try makes sense; else why none does (empty: who)."""
        offered = challenges(headers)
        best = max(offered, key=lambda one: one.rank, default=None)
        if best is None or not best.rank:
            names = ", ".join(dict.fromkeys(one.scheme for one in offered)) or "nothing known"
            return f"asks for a log-in that is not supported ({shown(names, 60)}): set it to Digest"
        refused = self._chosen is not None and (self._chosen.scheme == "basic" or self._count == 1)
        if not (self._user or self._password):
            return ""
        if refused and best.values.get("stale", "").lower() != "true":
            del self._ways[0]
        if best.qop != "auth-int":
            self._ways = [way for way in self._ways if way[1]]
        self._chosen, self._count = best, 0
        return None if self._ways else ""

    def _digest(self, values: dict[str, str], target: str) -> str:
        """Section 3.4: `A1`, `A2` and what becomes of them."""
        assert self._chosen is not None
        name, qop, (encoding, body) = HASHES[self._chosen.hash], self._chosen.qop, self._ways[0]

        def hashed(*parts: str) -> str:
            return _hashed(name, ":".join(parts).encode(encoding, "replace"))

        realm, nonce = values.get("realm", ""), values.get("nonce", "")
        ours, count = os.urandom(8).hex(), f"{self._count:08x}"
        key = hashed(self._user, realm, self._password)
        if values.get("algorithm", "").lower().endswith("-sess"):
            key = hashed(key, nonce, ours)
        empty = (hashed(""),) if qop == "auth-int" and body else ()
        what = hashed("GET", target, *empty)
        proof = hashed(key, nonce, count, ours, qop, what) if qop else hashed(key, nonce, what)
        hides = values.get("userhash", "").lower() == "true"
        said = {
            "username": hashed(self._user, realm) if hides else self._user,
            "realm": realm,
            "nonce": nonce,
            "uri": target,
            "response": proof,
        }
        said |= {"opaque": values["opaque"]} if "opaque" in values else {}
        said |= {"cnonce": ours} if qop else {}
        quoted = [f"{name}={_quoted(value)}" for name, value in said.items()]
        plain = [f"algorithm={values['algorithm']}"] if "algorithm" in values else []
        plain += [f"qop={qop}", f"nc={count}"] if qop else []
        plain += ["userhash=true"] if hides else []
        return "Digest " + ", ".join(quoted + plain)


def _hashed(name: str, data: bytes) -> str:
    return hashlib.new(name, data, usedforsecurity=False).hexdigest()


def _quoted(text: str) -> str:
    """As a quoted-string of RFC 7230."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
