"""`edge models`: public models over HTTP, whole, right and with a contract, or not at all."""

import json
import os
import pty
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from edge import catalog, model
from tests.conftest import REPOSITORY, Edge, edge_command, free_port, need
from tests.mirror import Mirror

PERSON = catalog.find("person-mlperf-tiny").model
"""The smallest of them."""
CLASSIFIERS = ("imagenet-mobilenet-v1-small", "imagenet-mobilenet-v2", "inat-birds-mobilenet-v2")


@pytest.fixture(scope="module")
def upstream(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue's files under their upstream names."""
    folder = tmp_path_factory.mktemp("upstream")
    there = {path.name: path for path in (testdata / "models").rglob("*.tflite")}
    for entry in catalog.entries().values():
        shutil.copy(there[entry.model.file], folder)
    return folder


@pytest.fixture(scope="module")
def fetched(upstream: Path, edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, from a mirror."""
    out = tmp_path_factory.mktemp("fetched")
    with Mirror(upstream) as mirror:
        done = edge("models", "fetch", *catalog.entries(), "--from", mirror.address, "--out", out)
    assert done.returncode == 0, done.stderr
    assert left(out) == sorted(f"{name}.tflite" for name in catalog.entries())
    return out


def fetching(mirror: object, out: Path) -> tuple[object, ...]:
    return ("models", "fetch", "person-mlperf-tiny", "--from", mirror, "--out", out)


def fetch(edge: Edge, mirror: object, out: Path) -> subprocess.CompletedProcess[str]:
    return edge(*fetching(mirror, out))


def left(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


class TestTheCatalogue:
    def test_lies_in_models_too(self) -> None:
        assert (REPOSITORY / "models/catalog.toml").read_bytes() == catalog.CATALOG.read_bytes()

    def test_is_listed_for_people_and_for_programs(self, edge: Edge) -> None:
        lines = edge("models", "list").stdout.splitlines()
        told = json.loads(edge("models", "list", "--json").stdout)
        assert [line.split()[0] for line in lines] == list(told) == list(catalog.entries())
        for line, entry in zip(lines, told.values(), strict=True):
            assert entry["licence"] in line and entry["summary"] in line
            assert entry["model"]["url"].startswith("https://")

    def test_has_no_other_name(self, edge: Edge, tmp_path: Path) -> None:
        done = edge("models", "fetch", "horse", "--out", tmp_path)
        assert (done.returncode, left(tmp_path)) == (78, [])
        assert done.stderr.startswith("edge: error: horse: is not in the catalogue; it has coco-")

    def test_is_part_of_the_package(self) -> None:
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
        packaged = project["tool"]["setuptools"]["package-data"]["edge.catalog"]
        assert packaged == [catalog.CATALOG.name]


class TestEveryModel:
    """Runs on a real picture, with nothing but the fetched file, and says what its project says."""

    def labels(self, edge: Edge, path: Path, picture: Path, folder: Path) -> dict[str, float]:
        """Every label that `edge run` sees in the picture, with its best score."""
        folder.mkdir(exist_ok=True)
        shutil.copy(picture, folder)
        done = edge("run", "--source", f"dir:{folder}", "--model", path, "--json")
        assert done.returncode == 0, done.stderr
        seen = next(json.loads(t) for t in done.stdout.splitlines() if "observation/1" in t)
        scores: dict[str, float] = {}
        for found in seen["detections"]:
            scores.setdefault(found["label"], found["score"])
        return scores

    @pytest.mark.parametrize("name", CLASSIFIERS)
    def test_classifiers(
        self, name: str, fetched: Path, edge: Edge, testdata: Path, tmp_path: Path
    ) -> None:
        cases = json.loads((testdata / "expected/cases.json").read_text())["classification"]
        file = catalog.find(name).model.file
        cases = [case for case in cases if case["model"].endswith(f"/{file}")]
        assert cases
        for case in cases:
            truth = (testdata / case["labels"]).read_text().splitlines()
            picture = testdata / case["image"]
            scores = self.labels(edge, fetched / f"{name}.tflite", picture, tmp_path / "pictures")
            expected = truth[case["expected_label_in_top_k"]]
            assert expected in list(scores)[: case["k"]]
            assert scores[expected] >= case["score_at_least"]

    def test_the_detector(self, fetched: Path, edge: Edge, testdata: Path, tmp_path: Path) -> None:
        cases = json.loads((testdata / "expected/cases.json").read_text())["detection"]
        path = fetched / "coco-ssd-mobilenet-v1.tflite"
        for at, case in enumerate(cases):
            picture = testdata / case["image"]
            scores = self.labels(edge, path, picture, tmp_path / f"pictures-{at}")
            for expected in case["expected"]:
                stated = expected.get("score_at_least", expected.get("score"))
                assert scores[expected["label"]] >= stated

    def test_the_person_model(self, fetched: Path, edge: Edge, testdata: Path) -> None:
        """87.0 % of MLPerf's open samples, as measured with the bare interpreter."""
        source = f"dir:{testdata / 'images/vww01-open'}"
        path = fetched / "person-mlperf-tiny.tflite"
        done = edge("run", "--source", source, "--model", path, "--json")
        seen = [json.loads(t) for t in done.stdout.splitlines() if "observation/1" in t]
        right = sum(Path(one["origin"]).parent.name == one["label"] for one in seen)
        assert len(seen) == 131 and round(right / len(seen), 3) == 0.870

    def test_background_makes_no_events(self, fetched: Path) -> None:
        contract = model.load(fetched / "inat-birds-mobilenet-v2.tflite").contract
        assert set(contract.labels) - set(contract.thresholds) == {"background"}

    def test_two_labels_of_one_name_stay_apart(self, fetched: Path) -> None:
        """A crane is a bird and a machine."""
        labels = model.load(fetched / "imagenet-mobilenet-v2.tflite").contract.labels
        assert labels[135] == "crane" and labels[518] == "crane (518)"

    def test_the_contract_says_where_it_comes_from(self, fetched: Path) -> None:
        for name, entry in catalog.entries().items():
            provenance = model.load(fetched / f"{name}.tflite").contract.provenance
            assert provenance["url"] == entry.model.url
            assert provenance["source_sha256"] == entry.model.sha256
            assert provenance["licence"] == entry.licence

    def test_is_verified_and_a_changed_one_is_not(
        self, fetched: Path, edge: Edge, upstream: Path, tmp_path: Path
    ) -> None:
        done = edge("models", "verify", *sorted(fetched.iterdir()))
        assert [line.split(": ")[1] for line in done.stdout.splitlines()] == [
            f"{name}, verified" for name in sorted(catalog.entries())
        ]
        path = fetched / "person-mlperf-tiny.tflite"
        loaded = model.load(path)
        contract = loaded.contract.model_copy(update={"labels": ("person", "no_person")})
        swapped = tmp_path / "swapped.tflite"
        swapped.write_bytes(model.sealed(loaded.flatbuffer, contract, {}))
        other = REPOSITORY / "models/person/model.tflite"
        for wrong, reason in (
            (swapped, "is person-mlperf-tiny, but its contract was changed; fetch it again"),
            (other, "is none of the catalogue's models"),
            (upstream / PERSON.file, "as upstream has it, without a contract"),
        ):
            done = edge("models", "verify", wrong)
            assert done.returncode == 78 and reason in done.stderr, done.stderr


class TestFetching:
    def test_gives_a_whole_file_and_leaves_nothing_else(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        out = tmp_path / "new/folder"
        with Mirror(upstream) as mirror:
            assert fetch(edge, mirror.address, out).returncode == 0
            again = fetch(edge, mirror.address, out)
        assert left(out) == ["person-mlperf-tiny.tflite"]
        assert catalog.verify(out / "person-mlperf-tiny.tflite") == "person-mlperf-tiny"
        assert "is there already, verified" in again.stdout and mirror.requests == [""]

    def test_works_from_a_folder_without_network(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        assert fetch(edge, upstream, tmp_path / "out").returncode == 0
        assert left(tmp_path / "out") == ["person-mlperf-tiny.tflite"]
        empty = tmp_path / "empty"
        empty.mkdir()
        done = fetch(edge, empty, tmp_path / "other")
        assert done.returncode == 78 and "No such file" in done.stderr

    def test_goes_on_where_the_connection_was_cut(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        with Mirror(upstream, cuts=[100_000, 50_000]) as mirror:
            done = fetch(edge, mirror.address, tmp_path / "out")
        assert done.returncode == 0, done.stderr
        assert mirror.requests == ["", "bytes=100000-", "bytes=150000-"]
        assert left(tmp_path / "out") == ["person-mlperf-tiny.tflite"]

    def test_gives_up_in_one_line_and_goes_on_at_the_next_command(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        with Mirror(upstream, cuts=[100_000, 1, 1, 1, 1]) as mirror:
            done = fetch(edge, mirror.address, tmp_path / "out")
            assert done.returncode == 1
            assert f"cut at 100004 of {PERSON.bytes} bytes: " in done.stderr
            assert len(done.stderr.splitlines()) == 1 and len(mirror.requests) == 5
            assert [Path(name).suffix for name in left(tmp_path / "out")] == [".part"]
            assert fetch(edge, mirror.address, tmp_path / "out").returncode == 0
        assert mirror.requests[-1] == "bytes=100004-"
        assert left(tmp_path / "out") == ["person-mlperf-tiny.tflite"]

    def test_begins_again_where_the_server_knows_no_ranges(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        with Mirror(upstream, cuts=[100_000], ranges=False) as mirror:
            assert fetch(edge, mirror.address, tmp_path / "out").returncode == 0
        assert mirror.requests == ["", "bytes=100000-"]
        assert left(tmp_path / "out") == ["person-mlperf-tiny.tflite"]

    def test_begins_again_where_the_part_was_damaged(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        with Mirror(upstream, cuts=[100_000, 1, 1, 1, 1]) as mirror:
            fetch(edge, mirror.address, out)
            next(out.iterdir()).write_bytes(bytes(100_004))  # as a power cut may leave it
            assert fetch(edge, mirror.address, out).returncode == 0
        assert mirror.requests[-2:] == ["bytes=100004-", ""]
        assert left(out) == ["person-mlperf-tiny.tflite"]

    def test_keeps_what_has_come_when_interrupted(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        with Mirror(upstream, stalls_at=100_000) as mirror:
            command = edge_command(*fetching(mirror.address, out))
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            until_s = time.monotonic() + 60
            while not (parts := list(out.glob("*.part"))) or parts[0].stat().st_size < 100_000:
                assert time.monotonic() < until_s and process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=60)[1]
            assert process.returncode == 130 and "Traceback" not in told
            assert "100000 of 333288 bytes are kept" in told
            mirror.stalls_at = None
            assert fetch(edge, mirror.address, out).returncode == 0
        assert mirror.requests == ["", "bytes=100000-"]
        assert left(out) == ["person-mlperf-tiny.tflite"]


class TestWhatIsRefused:
    def wrong(self, edge: Edge, mirror: Mirror, out: Path) -> str:
        """The one line; nothing is kept, and a file that was there stays as it was."""
        out.mkdir()
        (out / "person-mlperf-tiny.tflite").write_bytes(b"what was there")
        done = edge(*fetching(mirror.address, out), "--force")
        assert done.returncode == 78 and len(done.stderr.splitlines()) == 1, done.stderr
        assert left(out) == ["person-mlperf-tiny.tflite"]
        assert (out / "person-mlperf-tiny.tflite").read_bytes() == b"what was there"
        return done.stderr

    @pytest.fixture
    def changed(self, upstream: Path, tmp_path: Path) -> Path:
        """One bit of the file is another."""
        content = bytearray((upstream / PERSON.file).read_bytes())
        content[200_000] ^= 1
        folder = tmp_path / "changed"
        folder.mkdir()
        (folder / PERSON.file).write_bytes(content)
        return folder

    def test_a_file_that_is_there_already(self, upstream: Path, edge: Edge, tmp_path: Path) -> None:
        """It may be the user's own; --force overwrites it."""
        out = tmp_path / "out"
        out.mkdir()
        mine = out / "person-mlperf-tiny.tflite"
        mine.write_bytes(b"mine")
        done = fetch(edge, upstream, out)
        assert done.returncode == 78
        assert f"{mine}: is there already, and is not this model" in done.stderr
        assert (left(out), mine.read_bytes()) == ([mine.name], b"mine")
        assert edge(*fetching(upstream, out), "--force").returncode == 0
        assert catalog.verify(mine) == "person-mlperf-tiny"

    def test_another_hash(self, changed: Path, edge: Edge, tmp_path: Path) -> None:
        with Mirror(changed) as mirror:
            told = self.wrong(edge, mirror, tmp_path / "out")
        assert "is another file: its SHA-256 is " in told and PERSON.sha256[:12] in told

    def test_another_hash_behind_a_right_beginning(
        self, changed: Path, edge: Edge, tmp_path: Path
    ) -> None:
        with Mirror(changed, cuts=[100_000]) as mirror:
            told = self.wrong(edge, mirror, tmp_path / "out")
        assert "is another file" in told
        assert mirror.requests == ["", "bytes=100000-"]

    def test_another_hash_in_a_folder(self, changed: Path, edge: Edge, tmp_path: Path) -> None:
        done = fetch(edge, changed, tmp_path / "out")
        assert done.returncode == 78 and "is another file than the catalogue's" in done.stderr
        assert left(tmp_path / "out") == []

    @pytest.mark.parametrize("claims", [10**12, 17])
    def test_another_size(self, claims: int, upstream: Path, edge: Edge, tmp_path: Path) -> None:
        with Mirror(upstream, claims=claims) as mirror:
            told = self.wrong(edge, mirror, tmp_path / "out")
        assert f"it has {claims} bytes, the catalogue says {PERSON.bytes}" in told

    def test_a_file_without_end(self, changed: Path, edge: Edge, tmp_path: Path) -> None:
        """No more is read than the catalogue's size."""
        with Mirror(changed, endless=True) as mirror:
            assert "is another file: its SHA-256" in self.wrong(edge, mirror, tmp_path / "out")

    def test_a_file_that_is_gone(self, edge: Edge, tmp_path: Path) -> None:
        with Mirror(tmp_path) as mirror:
            assert "the server answers 404" in self.wrong(edge, mirror, tmp_path / "out")

    def test_a_redirect_away_from_https(
        self, upstream: Path, edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        need(shutil.which("openssl") is not None, "openssl")
        made = "req -x509 -nodes -newkey rsa:2048 -days 2 -keyout key.pem -out cert.pem"
        named = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
        command = ["openssl", *made.split(), *named.split()]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        both = tmp_path / "both.pem"
        both.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "cert.pem").read_text())
        with Mirror(upstream) as plain, Mirror(upstream, certificate=both) as secure:
            untrusted = fetch(edge, secure.address, tmp_path / "untrusted")
            assert untrusted.returncode == 1 and "cannot be reached: " in untrusted.stderr
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
            assert fetch(edge, secure.address, tmp_path / "secure").returncode == 0
            secure.redirect = plain.address
            told = self.wrong(edge, secure, tmp_path / "out")
            assert "which is not https; refused" in told and plain.requests == []
            plain.redirect = f"{secure.address}/again"  # from http it may go anywhere, not for ever
            assert fetch(edge, plain.address, tmp_path / "other").returncode == 78

    def test_a_redirect_that_the_user_asked_for_is_followed(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        with Mirror(upstream) as there, Mirror(upstream, redirect=there.address) as here:
            assert fetch(edge, here.address, tmp_path / "out").returncode == 0

    @pytest.mark.parametrize("mirror", ["ftp://host/x", "file:///etc", "http://me:secret@host/x"])
    def test_an_address_of_another_kind(self, mirror: str, edge: Edge, tmp_path: Path) -> None:
        done = fetch(edge, mirror, tmp_path / "out")
        assert done.returncode == 78 and "--from: expected http://HOST/" in done.stderr
        assert "secret" not in done.stderr


class TestWhatMayWorkLater:
    def test_no_network(self, edge: Edge, tmp_path: Path) -> None:
        done = fetch(edge, f"http://localhost:{free_port()}", tmp_path / "out")
        assert done.returncode == 1 and "cannot be reached: Connection refused" in done.stderr
        assert len(done.stderr.splitlines()) == 1 and left(tmp_path / "out") == []

    def test_a_server_that_is_ill(self, upstream: Path, edge: Edge, tmp_path: Path) -> None:
        with Mirror(upstream, status=503) as mirror:
            done = fetch(edge, mirror.address, tmp_path / "out")
        assert done.returncode == 1 and "the server answers 503" in done.stderr

    def test_a_full_disk_is_not_kept_full(self, upstream: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.mkdir()
        with Mirror(upstream) as mirror:
            command = edge_command(*fetching(mirror.address, out))
            limited = ["bash", "-c", 'ulimit -f 100; exec "$@"', "bash", *command]
            done = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and "cannot be written: File too large" in done.stderr
        assert len(done.stderr.splitlines()) == 1 and left(out) == []

    def test_a_folder_that_is_not_ours(self, upstream: Path, edge: Edge, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        done = fetch(edge, upstream, tmp_path / "file/out")
        assert done.returncode == 1 and "cannot be written: Not a directory" in done.stderr

    def test_two_fetches_do_not_write_one_file(
        self, upstream: Path, edge: Edge, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        with Mirror(upstream, stalls_at=1000) as mirror:
            command = edge_command(*fetching(mirror.address, out))
            first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            until_s = time.monotonic() + 60
            while not list(out.glob("*.part")) or not mirror.requests:
                assert time.monotonic() < until_s
                time.sleep(0.05)
            done = fetch(edge, mirror.address, out)
            first.kill()
            first.wait()
        assert done.returncode == 1 and "another `edge models fetch` writes it" in done.stderr


def test_progress_is_shown_on_a_terminal_alone(upstream: Path, edge: Edge, tmp_path: Path) -> None:
    with Mirror(upstream) as mirror:
        assert fetch(edge, mirror.address, tmp_path / "quiet").stderr == ""
        ours, theirs = pty.openpty()
        subprocess.run(
            edge_command(*fetching(mirror.address, tmp_path / "seen")),
            stderr=theirs, stdout=subprocess.DEVNULL, timeout=60, check=True,
        )  # fmt: skip
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
    assert "person-mlperf-tiny" in shown and "100%" in shown
