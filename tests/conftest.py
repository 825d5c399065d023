"""What tests stand on: the real material, a real broker, the commands as a user types them."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.feed_witness import Witness

REPOSITORY = Path(__file__).resolve().parent.parent
TESTDATA = REPOSITORY.parent / "shared" / "testdata"
VWW = TESTDATA / "models/mlperf-tiny/vww_mobilenet_96/vww_96_int8.tflite"
VWW_CONTRACT = """
name = "vww"
labels = ["no_person", "person"]
thresholds = { person = 0.6 }
input = { width = 96, height = 96 }
"""
"""As the model's authors state it: x/255, [no person, person]."""
SSD = TESTDATA / "models/tflite-support/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
SSD_CONTRACT = """
name = "coco_ssd"
task = "detect"
labels = [{labels}]
thresholds = {{ person = 0.5 }}
input = {{ width = 300, height = 300, mean = [128], std = [128] }}
output = {{ layout = "ssd_postprocess" }}
"""

settings.register_profile("shared", deadline=None)  # what else runs decides how long it takes
settings.load_profile("shared")

# What a shell starts in its background ignores SIGINT, and so would the commands that we interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

Edge = Callable[..., subprocess.CompletedProcess[str]]


def need(there: bool, what: str) -> None:
    """Skip with the reason; where nothing may be skipped (.ci/run), fail with it."""
    if there:
        return
    if os.environ.get("HEDGEROW_NO_SKIPS"):
        pytest.fail(f"{what} is missing, and HEDGEROW_NO_SKIPS forbids to skip")
    pytest.skip(f"{what} is missing")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of each test's own, as systemd would name it."""
    folder = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    return folder


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Real models, pictures and videos, which a user's clone does not have."""
    need(TESTDATA.is_dir(), "../shared/testdata")
    return TESTDATA


@pytest.fixture
def vww(testdata: Path, tmp_path: Path) -> Path:
    """MLPerf Tiny's person classifier, described by a model.toml beside it."""
    folder = tmp_path / "vww"
    folder.mkdir()
    (folder / "model.toml").write_text(VWW_CONTRACT)
    return Path(shutil.copy(testdata / VWW.relative_to(TESTDATA), folder / "vww.tflite"))


@pytest.fixture(scope="session")
def delegate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """A delegate of C, compiled: `delegate(mode="wrong")` is its name for the configuration."""
    compiler = shutil.which("gcc")
    need(compiler is not None, "gcc")
    library = tmp_path_factory.mktemp("delegate") / "libcopy.so"
    source = REPOSITORY / "tests/delegates/delegate.c"
    subprocess.run([str(compiler), "-shared", "-fPIC", "-o", library, source], check=True)

    def name(**options: object) -> str:
        return f"external:{library}?" + "&".join(f"{key}={options[key]}" for key in options)

    return name


@pytest.fixture
def vulkan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Vulkan driver in software: SwiftShader, which Debian's chromium brings."""
    driver = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
    need(driver.exists(), "SwiftShader (apt install chromium)")
    monkeypatch.setenv("VK_ICD_FILENAMES", str(driver))


@pytest.fixture(scope="session")
def ssd(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO SSD MobileNetV1 of 2018, described by a model.toml beside it."""
    folder = tmp_path_factory.mktemp("ssd")
    names = (testdata / "models/tflite-support/ssd_labelmap.txt").read_text().splitlines()
    listed = ", ".join(f'"{name}"' for name in names)
    (folder / "model.toml").write_text(SSD_CONTRACT.format(labels=listed))
    return Path(shutil.copy(testdata / SSD.relative_to(TESTDATA), folder / "ssd.tflite"))


@pytest.fixture(scope="session")
def demo_photographs() -> None:
    """The photographs of the demo: source."""
    from importlib.util import find_spec

    need(find_spec("skimage") is not None, "scikit-image")


@pytest.fixture(scope="session")
def edge() -> Edge:
    """Run the command `edge` to its end."""

    def run(*arguments: object, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            edge_command(*arguments), capture_output=True, text=True, timeout=timeout_s, check=False
        )

    return run


def edge_command(*arguments: object) -> list[str]:
    """The command line, for tests that hold the process."""
    return [sys.executable, "-m", "edge", *map(str, arguments)]


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """Debian's mosquitto on a port of its own; can be stopped and started again.

    Everything that is published on it is held against the feed's schemas.
    """

    def __init__(self, folder: Path, settings: str = "allow_anonymous true\n") -> None:
        self.port = free_port()
        self.address = f"mqtt://127.0.0.1:{self.port}"
        self._conf = folder / "mosquitto.conf"
        user = getpass.getuser()  # started as root, it would give up the right to read our files
        self._conf.write_text(f"user {user}\nlistener {self.port} 127.0.0.1\n{settings}")
        self._process: subprocess.Popen[bytes] | None = None
        self._witness = Witness(self.address) if "allow_anonymous true" in settings else None

    def start(self) -> None:
        self._launch()
        if self._witness is not None:
            self._witness.start()

    def _launch(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        need(Path(program).exists(), "mosquitto")
        self._process = subprocess.Popen(
            [program, "-c", str(self._conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until_s = time.monotonic() + 10
        while time.monotonic() < until_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("mosquitto did not come up")

    def stop(self) -> None:
        """Fails where a payload was not what its schema says."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None
            if self._witness is not None:
                self._witness.stop()
                assert not self._witness.problems, self._witness.problems[:3]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real broker."""
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()
