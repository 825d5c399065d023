"""Basic and Digest: the examples of the RFCs, and what cameras ask for."""

import base64
import hashlib
import re

import pytest

from edge.capture.login import Login, challenges


def digest(login: Login, target: str = "/dir/index.html") -> tuple[dict[str, str], bytes]:
    said = login.answer(target)
    assert said is not None and said.startswith(b"Digest ")
    found = re.findall(rb'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))', said)
    return {k.decode(): (a or b).decode("latin-1") for k, a, b in found}, said


def expected(values: dict[str, str], password: bytes, name: str = "md5", body: bool = False) -> str:
    """RFC 7616, section 3.4.1."""

    def hashed(data: bytes) -> str:
        return hashlib.new(name, data).hexdigest()

    a1 = values["username"].encode("latin-1") + f":{values['realm']}:".encode() + password
    a2 = f"GET:{values['uri']}" + (f":{hashed(b'')}" if body else "")
    parts = (values["nonce"], values["nc"], values["cnonce"], values["qop"])
    return hashed(":".join((hashed(a1), *parts, hashed(a2.encode()))).encode())


@pytest.mark.parametrize(
    ("algorithm", "name"), [("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256")]
)
def test_digest_of_each_algorithm(algorithm: str, name: str) -> None:
    """With the names of RFC 7616, section 3.9.1."""
    login = Login("Mufasa", "Circle of Life")
    header = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0"'
    )
    assert login.asked([header]) is None
    said, _ = digest(login)
    assert said["opaque"] == "FQhe/qaU925kfnzjCev0"
    assert (said["qop"], said["nc"], said["algorithm"]) == ("auth", "00000001", algorithm)
    assert said["response"] == expected(said, b"Circle of Life", name)


def test_an_umlaut_is_utf_8_first_then_latin_1() -> None:
    login = Login("admin", "pässe")
    header = 'Digest realm="cam x", qop="auth", nonce="abc"'
    for password in ("pässe".encode(), "pässe".encode("latin-1")):
        assert login.asked([header]) is None
        said, _ = digest(login)
        assert said["response"] == expected(said, password)
    assert login.asked([header]) == "", "no third time: cameras lock out who repeats"


def test_auth_int_covers_the_empty_body_or_as_some_cameras_have_it_nothing() -> None:
    login = Login("admin", "x")
    for body in (True, False):
        assert login.asked(['Digest realm="r", qop="auth-int", nonce="n"']) is None
        said, _ = digest(login)
        assert said["qop"] == "auth-int"
        assert said["response"] == expected(said, b"x", body=body)


def test_without_qop_as_in_rfc_2069() -> None:
    login = Login("Mufasa", "CircleOfLife")
    login.asked(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])
    said, _ = digest(login)
    assert said["response"] == "1949323746fe6a43ef61f9606e7febea" and "nc" not in said


def test_a_session_and_a_user_that_hides() -> None:
    login = Login("admin", "x")
    login.asked(['Digest realm="r", qop="auth", nonce="n", algorithm=MD5-sess, userhash=true'])
    said, _ = digest(login)
    assert said["username"] == hashlib.md5(b"admin:r").hexdigest()
    key = hashlib.md5(b"admin:r:x").hexdigest()
    session = hashlib.md5(f"{key}:n:{said['cnonce']}".encode()).hexdigest()
    what = hashlib.md5(b"GET:/dir/index.html").hexdigest()
    proof = f"{session}:n:00000001:{said['cnonce']}:auth:{what}"
    assert said["response"] == hashlib.md5(proof.encode()).hexdigest()


def test_a_nonce_serves_again_and_one_that_is_old_is_no_wrong_password() -> None:
    login = Login("admin", "x")
    assert login.asked(['Digest realm="r", qop="auth", nonce="n"']) is None
    assert [digest(login)[0]["nc"] for _ in range(3)] == ["00000001", "00000002", "00000003"]
    assert login.asked(['Digest realm="r", qop="auth", nonce="m"']) is None
    assert digest(login)[0]["nc"] == "00000001"
    assert login.asked(['Digest realm="r", qop="auth", nonce="o", stale=TRUE']) is None
    digest(login)
    assert login.asked(['Digest realm="r", qop="auth", nonce="p"']) == ""


def test_quotes_in_a_name_are_quoted() -> None:
    login = Login('a"b\\c', "x")
    login.asked(['Digest realm="r \\"q\\"", nonce="n"'])
    assert b'username="a\\"b\\\\c", realm="r \\"q\\""' in digest(login)[1]


def test_basic_in_utf_8_then_latin_1() -> None:
    login = Login("admin", "pässe")
    for encoding in ("utf-8", "latin-1"):
        assert login.asked(['Basic realm="cam"']) is None
        said = login.answer("/")
        assert said == b"Basic " + base64.b64encode("admin:pässe".encode(encoding))
    assert login.asked(['Basic realm="cam"']) == ""


def test_the_strongest_of_what_is_offered() -> None:
    headers = [
        'Basic realm="a, b", Digest realm="c", nonce="1", qop="auth"',
        'Digest realm="c", nonce="2", qop="auth", algorithm=SHA-256',
        'Digest realm="c", nonce="3", algorithm=SHA-999',
        "Negotiate",
    ]
    assert [one.scheme for one in challenges(headers)] == ["basic", "digest", "digest", "negotiate"]
    login = Login("admin", "x")
    assert login.asked(headers) is None
    assert digest(login)[0]["nonce"] == "2"


@pytest.mark.parametrize("header", ["NTLM", "Bearer realm=x", "", ",,=", 'Digest qop="x",nonce=y'])
def test_what_is_not_known_is_said(header: str) -> None:
    login = Login("admin", "hunter2")
    said = login.asked([header])
    assert said is not None and "not supported" in said and "hunter2" not in said
