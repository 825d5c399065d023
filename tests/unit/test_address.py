"""Addresses as people type them: what they mean, and that nothing secret is in what is shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.address import hidden, read
from edge.cli.names import by_name
from edge.errors import FatalError

PASSWORDS = [
    "hunter2", "p#ss", "p?ss", "p@ss", "p%ss", "p/ss", "p:ss", "p#a?b@c", "p@ss:w/rd#1?%zz x",
    "100%", "@@", "a//b", "pässe", "#1", "?x",
]  # fmt: skip


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("where", ["127.0.0.1", "10.0.0.5:554", "cam.lan:8554", "[fe80::1]:554"])
def test_a_password_is_taken_as_it_is_typed(password: str, where: str) -> None:
    address = read(f"rtsp://admin:{password}@{where}/live/ch0?x=1")
    assert (address.user, address.password) == ("admin", password)
    assert address.netloc == where
    assert address.target == "/live/ch0?x=1"
    assert address.shown == f"rtsp://***@{where}/live/ch0?***"


@pytest.mark.parametrize("password", PASSWORDS)
def test_its_url_gives_back_the_same(password: str) -> None:
    address = read(f"rtsp://admin:{password}@10.0.0.5/live")
    again = read(address.url())
    assert (again.user, again.password, again.netloc) == ("admin", password, "10.0.0.5")


@pytest.mark.parametrize(
    ("typed", "bare"),
    [
        ("RTSP://10.0.0.5/Live", "rtsp://10.0.0.5/Live"),
        ("  rtsp://10.0.0.5/a \n", "rtsp://10.0.0.5/a"),
        ("\ufeffhttp://cam/x", "http://cam/x"),
        ("http://cam/sp ace.jpg", "http://cam/sp%20ace.jpg"),
        ("http://cam/straße.jpg", "http://cam/stra%C3%9Fe.jpg"),
        ("http://cam/a%20b?c=d%26e", "http://cam/a%20b?c=d%26e"),
        ("http://kamera-küche.local/x", "http://xn--kamera-kche-0hb.local/x"),
        ("http://cam:80/x?mail=a@b.de", "http://cam:80/x?mail=a@b.de"),
        ("http://10.0.0.5:80/pic@2x.jpg", "http://10.0.0.5:80/pic@2x.jpg"),
        ("rtsp://10.0.0.5", "rtsp://10.0.0.5"),
        ("rtsp://10.0.0.5?a=1#b", "rtsp://10.0.0.5?a=1"),
    ],
)
def test_what_is_asked_for(typed: str, bare: str) -> None:
    address = read(typed)
    assert address.bare == bare
    assert address.user == address.password == ""


@pytest.mark.parametrize(
    "typed",
    ["rtsp://", "rtsp:", "rtsp:/x", "http:///x", "rtsp://host:99999/", "http://[x/", "http://a b/"],
)
def test_without_a_host_it_is_none(typed: str) -> None:
    assert read(typed).host == ""


@pytest.mark.parametrize(
    ("typed", "scheme", "rest"),
    [
        ("0", "usb", "0"),
        ("/dev/video0", "v4l2", "/dev/video0"),
        ("/dev/v4l/by-id/usb-x", "v4l2", "/dev/v4l/by-id/usb-x"),
        ("USB:1", "usb", "1"),
        ("clips/a.mp4", "file", "clips/a.mp4"),
        ("06:30.mp4", "file", "06:30.mp4"),
        ("dir:a?watch", "dir", "a?watch"),
    ],
)
def test_what_is_typed_for_short(typed: str, scheme: str, rest: str) -> None:
    assert (read(typed).scheme, read(typed).rest) == (scheme, rest)


def test_names_of_files_keep_their_bytes_and_addresses_are_text(tmp_path: Path) -> None:
    name = b"\xe4.mp4".decode("utf-8", "surrogateescape")
    assert Path(read(f"file:{tmp_path}/{name}").rest).name == name
    assert "\udce4" not in read(f"file:{name}").shown
    assert read(f"http://cam/{name}").target == "/%C3%A4.mp4"
    assert read(f"rtsp://me:{name}@cam/x").password == "ä.mp4"
    assert read("/mnt/nas/a@b.mp4").scheme == "file", "missing, but a path"


def test_what_is_there_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a:b.mp4").touch()
    assert read(str(tmp_path)).scheme == "dir"
    assert read(str(tmp_path / "a:b.mp4")).scheme == "file"


LEAKS = [
    "rtsp://admin:S3CRET@10.0.0.5",
    "RTSP://admin:S3CRET@10.0.0.5/live",
    " rtsp://admin:S3CRET@10.0.0.5/live",
    "Front=rtsp://admin:S3CRET@10.0.0.5/live",
    "rtsp://admin:x#S3CRET@cam/live",
    "rtsp://admin:12?S3CRET@cam/live",
    "rtsp://admin:12/S3CRET@cam/live",
    "rtsp://S3CRET:12/S3CRET@cam",
    "rtsp://admin:S3CRET",
    "rtsp://admin:S3CRET@",
    "rtsp://admin:S3CRET@:554/x",
    "rtsp:admin:S3CRET@cam/x",
    "rtsp:/admin:S3CRET@cam/x",
    "ftp://admin:S3CRET@cam/x",
    "admin:S3CRET@10.0.0.5/live",
    "admin:S3CRET@cam",
    "//admin:S3CRET@nas/share",
    "dir:smb://admin:S3CRET@nas/share",
    "file:rtsp://admin:S3CRET@cam/live",
    "http://cam/snap.cgi?user=admin&pwd=S3CRET",
    "http://cam?pwd=S3CRET",
    "http://cam/x#S3CRET",
    "rtsp://cam/user=admin_password=S3CRET_channel=1_stream=0.sdp",
    "rtsp://cam/user=admin&password=S3CRET&channel=1.sdp?real_stream",
    "rtsp://cam/admin:S3CRET/live",
    "rtsp://cam/live;password=S3CRET",
    "gst:rtspsrc location=rtsp://admin:S3CRET@cam/x ! decodebin",
    'gst:rtspsrc location="rtsp://cam/x" user-id=admin user-pw="S3CRET x S3CRET"',
    "gst:souphttpsrc user-pw = S3CRET location=http://cam",
    "url=rtsp://admin:S3CRET@cam/x",
    "rtsp ://admin:S3CRET@cam/x",
    "http://http://admin:S3CRET@cam/x",
    "demo:?password=S3CRET",
]


@pytest.mark.parametrize("typed", LEAKS)
def test_nothing_secret_is_shown_or_becomes_a_name(typed: str) -> None:
    address = read(typed)
    assert "S3CRET" not in address.shown + repr(address)
    ((name, uri),) = by_name([typed]).items()
    assert "s3cret" not in name and "admin" not in name
    assert typed.endswith(uri)


@pytest.mark.parametrize(
    "text",
    [
        "[{'uri': 'rtsp://admin:S3CRET@cam/x', 'fps': 1}, 'rtsp://u:S3CRET@cam']",
        "http://cam/snap?pwd=S3CRET is not a number",
        "{'password': 'S3CRET'}",
        "no property in element: user-pw=S3CRET",
        "admin:S3CRET@cam",
    ],
)
def test_no_text_carries_one_along(text: str) -> None:
    assert "S3CRET" not in hidden(text)
    assert hidden("[source.yard] line 3, got 12:30") == "[source.yard] line 3, got 12:30"


@given(st.text("abc@:/?#%=& \n", max_size=12), st.sampled_from(["cam", "10.0.0.5", "cam:80"]))
def test_no_password_is_shown(secret: str, where: str) -> None:
    uri = f"rtsp://user:S3CRET{secret}S3CRET@{where}/cam"
    assert "S3CRET" not in read(uri).shown
    assert "s3cret" not in next(iter(by_name([uri])))


@given(st.text(max_size=40))
def test_any_text_is_one_line(text: str) -> None:
    assert read(text).shown.isprintable() or not read(text).shown.isascii()
    assert "\n" not in read(f"rtsp://{text}").shown + read(f"rtsp://cam/{text}").target


class TestNames:
    @pytest.mark.parametrize(
        ("given", "name"),
        [
            ("rtsp://admin:hunter2@127.0.0.1", "127-0-0-1"),
            ("rtsp://10.0.0.5:554/stream1", "stream1"),
            ("rtsp://10.0.0.5/1", "10-0-0-5-1"),
            ("http://cam.lan/snap.jpg?pwd=x", "snap"),
            ("0", "usb-0"),
            ("/dev/video2", "video2"),
            ("picamera:0", "picamera-0"),
            ("csi:0", "csi-0"),
            ("dir:/data/pictures?watch", "pictures"),
            ("clips/06:30.mp4", "06-30"),
            ("demo:?fps=0", "demo"),
            ("gst:videotestsrc pattern=ball ! identity", "videotestsrc"),
            ("Front=rtsp://cam/live", "front"),
            ("Küche 2=usb:0", "kuche-2"),
        ],
    )
    def test_they_come_from_host_and_path(self, given: str, name: str) -> None:
        assert list(by_name([given])) == [name]

    def test_two_sources_never_become_one(self) -> None:
        same = ["rtsp://10.0.0.5/main", "rtsp://10.0.0.6/main", "rtsp://10.0.0.6/main?x=1"]
        assert by_name(same) == {
            "main": same[0], "main-10-0-0-6": same[1], "main-10-0-0-6-2": same[2],
        }  # fmt: skip

    def test_a_name_that_is_given_goes_before_one_that_is_made(self) -> None:
        made = by_name(["rtsp://10.0.0.5/main", "main=rtsp://10.0.0.6/x"])
        assert made == {"main-10-0-0-5": "rtsp://10.0.0.5/main", "main": "rtsp://10.0.0.6/x"}

    def test_a_made_name_leaves_those_of_edge_toml_alone(self) -> None:
        there = {"main": "rtsp://10.0.0.5/main", "usb-0": "usb:0"}
        assert list(by_name(["rtsp://10.0.0.6/main"], there)) == ["main-10-0-0-6"]
        assert list(by_name(["RTSP://10.0.0.5/main", "0"], there)) == ["main", "usb-0"]
        assert list(by_name(["main=rtsp://10.0.0.6/main"], there)) == ["main"], "on purpose"

    def test_a_name_that_is_given_twice_is_refused(self) -> None:
        with pytest.raises(FatalError, match="--source yard: this name is given to two sources"):
            by_name(["yard=usb:0", "Yard=usb:1"])
        with pytest.raises(FatalError, match="expected NAME=URI"):
            by_name(["=rtsp://admin:hunter2@cam"])

    def test_long_ones_stay_apart(self) -> None:
        names = list(by_name([f"dir:/{n}/{'x' * 80}" for n in range(3)]))
        assert len(set(names)) == 3 and max(map(len, names)) <= 64
