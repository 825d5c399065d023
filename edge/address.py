"""What people write for a source -> an Address: its parts, and a form without secrets to show."""

import ipaddress
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from edge.text import composed, shown

NETWORK = ("rtsp", "rtsps", "http", "https")
LOCAL = ("usb", "v4l2", "picamera", "csi", "gst", "dir", "file", "demo")
HIDDEN = "***"
HOST = re.compile(r"(\[[0-9a-f:.]+(?:%[\w.]+)?\]|[^\s:/?#@\[\]]+)(?::(\d{1,5})?)?$", re.IGNORECASE)
"""A host name or an IP address, then perhaps a port."""
TELLING = re.compile(r"[=:;@]")
"""In a part of a path: some cameras want `user=admin_password=...` there."""
SECRETS = (
    (re.compile(r"//.*@", re.DOTALL), f"//{HIDDEN}@"),
    (re.compile(r"[^\s/'\"]*:[^'\"]*@"), f"{HIDDEN}@"),
    (re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*"), rf"\1?{HIDDEN}"),
    (
        re.compile(
            r"((?:user|usr|login|pass|pwd|pw|pin|token|auth|key|secret)[\w-]*['\"]?\s*[=:]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s&;'\"]+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)
"""What must not be shown, and what is shown instead."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a source is. Only `shown` may be shown."""

    scheme: str
    """In lower case; empty for what is neither a known scheme nor a path."""
    rest: str = field(repr=False)
    """What follows the scheme of a source that is not on the network."""
    shown: str
    """One line without user, password, query and whatever else may be a secret."""
    host: str = field(default="", repr=False)
    """In the form that goes over the network; empty where the address names none that can be."""
    port: int | None = None
    target: str = field(default="", repr=False)
    """Path and query, encoded as a request line has them."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def bare(self) -> str:
        """The URL without user and password."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def netloc(self) -> str:
        """Host, and port where the address names one."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def encodings(self) -> tuple[str, ...]:
        """In which to say user and password: old cameras never heard of UTF-8."""
        return ("utf-8",) if (self.user + self.password).isascii() else ("utf-8", "latin-1")

    def url(self, encoding: str = "utf-8") -> str:
        """With user and password, in the encoding that the camera reads them in."""
        if not self.user and not self.password:
            return self.bare
        user, password = (
            quote(t.encode(encoding, "replace"), safe="") for t in (self.user, self.password)
        )
        return f"{self.scheme}://{user}:{password}@{self.netloc}{self.target}"

    def as_user(self, user: str, password: str) -> "Address":
        """The same address for somebody else."""
        return replace(self, user=user, password=password)


def read(text: str) -> Address:
    """However it is typed: `0`, a path, `RTSP://`, blanks around it, a password with `@` in it."""
    text = text.strip().strip("\ufeff\u200b").strip()
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme in NETWORK:
        return _network(scheme, _decoded(rest.encode("utf-8", "surrogateescape")))
    if colon and scheme in LOCAL:
        return Address(scheme, rest, _shown_local(scheme, rest))
    return _short(text)


def _short(text: str) -> Address:
    """A number, a device or a path; else what says nothing."""
    if text.isdecimal():
        return Address("usb", text, f"usb:{text}")
    if re.match(r"/dev/(video|v4l/)", text):
        return Address("v4l2", text, shown(f"v4l2:{text}"))
    there = exists(text)
    if there or not (re.match(r"[a-z][a-z0-9+.-]*:", text, re.IGNORECASE) or like_host(text)):
        kind = "dir" if there and Path(text).is_dir() else "file"
        return Address(kind, text, f"{kind}:{hidden(text)}")
    return Address("", text, hidden(text))


def hidden(text: str) -> str:
    """Any text as one safe line, without what looks like credentials in it."""
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return shown(text)


def like_host(text: str) -> str:
    """The host that an address without a scheme begins with; empty where it is none."""
    found = HOST.match(re.split(r"[/?#]", text.rpartition("@")[2])[0])
    if found is None or text.startswith(("/", ".")):
        return ""
    name = found[1]
    looks = _is_ip(name) or "@" in text or (found[2] is not None and "." in name)
    return found[0] if looks or name.endswith((".local", ".lan", ".fritz.box")) else ""


def _network(scheme: str, rest: str) -> Address:
    """`rest` follows the scheme's colon."""
    who, where, target = _split(rest[2:] if rest.startswith("//") else "")
    host, port = _host(where)
    user, _, password = (who or "").partition(":")
    return Address(
        scheme,
        rest,
        _shown(scheme, who is not None, where, target),
        host,
        port,
        quote(target.partition("#")[0], safe="/?&=+$,:;@!*'()%~[]|") if host else "",
        _decoded(unquote_to_bytes(user)),
        _decoded(unquote_to_bytes(password)),
    )


def _split(rest: str) -> tuple[str | None, str, str]:
    """Credentials (None: there are none), host with port, path with query.

    RFC 3986 first; but passwords with `/ ? # @` are typed as they are. Then the last `@` counts:
    where the first reading gives no host, or the second a better one.
    """
    where, target = _parted(rest)
    who, at, host = where.rpartition("@")
    later, typed, after = target.rpartition("@")
    if typed and not re.match(r"/.*\?.*=", later):
        after_host, after_target = _parted(after)
        better = ":" in where and _is_full(after_host) and not _is_full(host)
        if better or not _host(host)[0]:
            return rest.rpartition("@")[0], after_host, after_target
    return (who if at else None), host, target


def _parted(text: str) -> tuple[str, str]:
    """Up to the path or query, and from there. A `#` means nothing to a camera."""
    at = re.search(r"[/?]", text)
    where, target = (text[: at.start()], text[at.start() :]) if at else (text, "")
    return (where if "@" in where else where.partition("#")[0]), target


def _is_full(where: str) -> bool:
    """Whether it is certainly a host: an IP address, or a name with dots."""
    host, _ = _host(where)
    return "." in host or host.startswith("[")


def _is_ip(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return False


def _host(where: str) -> tuple[str, int | None]:
    """Host and port; an empty host for what is none."""
    found = HOST.match(where)
    if found is None or (found[2] and not 0 < int(found[2]) < 65536):
        return "", None
    name, port = composed(found[1]), int(found[2]) if found[2] else None
    try:
        return (name if name.isascii() else name.encode("idna").decode()), port
    except UnicodeError:
        return "", None


def _decoded(raw: bytes) -> str:
    """UTF-8, or Latin-1 if it cannot be that."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _shown(scheme: str, named: bool, where: str, target: str) -> str:
    path, question, query = target.partition("?")
    path = path.partition("#")[0]
    if "@" in path or ("@" in query and not _is_full(where)):
        named, (where, path) = True, _parted(target.rpartition("@")[2])  # part of a password?
        path, question, _ = path.partition("?")
    parts = (HIDDEN if TELLING.search(part) else part for part in path.split("/"))
    who = f"{HIDDEN}@" if named else ""
    query = f"?{HIDDEN}" if question else ""
    where = where if HOST.match(where) or not where else HIDDEN
    return shown(f"{scheme}://{who}{where}{'/'.join(parts)}{query}")


def _shown_local(scheme: str, rest: str) -> str:
    """Of a pipeline, what its elements are called: any of its values may be a secret."""
    if scheme == "gst":
        rest = re.sub(r"=\s*(\"[^\"]*\"|'[^']*'|[^\s,]+)", f"={HIDDEN}", rest)
    return f"{scheme}:{hidden(rest)}"


def exists(text: str) -> bool:
    """Whether it is the path of something that is there."""
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False
