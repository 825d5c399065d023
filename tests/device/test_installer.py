"""The installer in a Debian 12 as people have it: odd umasks, other people's files, two at once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.device.roots import INSTALLER, Root, debian

OLD, NEW = (f"{INSTALLER.format(version=version)} *.whl" for version in ("0.1.0", "0.2.0"))
CLONE = f"cd /root/clone && {NEW.partition('&& ')[2].replace(' *.whl', '')}"
TOML = "/etc/hedgerow/edge.toml"
EVERYTHING = (
    "{ find /opt /etc /usr/local ! -type d -printf '%p %m %u %s %T@ %l\\n';"
    " find /opt /etc /usr/local -type d -printf '%p %m %u\\n'; } | sort"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    folder = tmp_path_factory.mktemp("root")
    made = debian(folder, tmp_path_factory.mktemp("scratch"))
    made.run("rm -rf /etc/hedgerow; mkdir -p /root/kept; cp -a /etc/passwd /root/kept")
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def device(root: Root) -> Root:
    """Release 0.1.0 is installed, with its first configuration."""
    root.run(f"rm -rf /etc/hedgerow; {OLD.replace('exec ', '')}")
    return root


@pytest.fixture
def bare(root: Root) -> Root:
    """Nothing is installed."""
    root.run("cd /root/hedgerow-0.1.0 && ./systemd/install --purge")
    return root


def version(device: Root) -> str:
    return device.run("cd / && runuser -u hedgerow -- edge --version").split()[-1]


@pytest.mark.parametrize(
    ("umask", "locale"), [("022", "C"), ("027", "C.UTF-8"), ("077", "tr_TR.ISO-8859-9")]
)
def test_the_services_user_runs_it_whatever_roots_shell_is(
    bare: Root, umask: str, locale: str
) -> None:
    bare.run(f"export LC_ALL={locale}; umask {umask}; {OLD}")
    assert version(bare) == "0.1.0"
    hidden = bare.run("find -L /opt/hedgerow /etc/hedgerow /usr/local ! -perm -o=r 2>/dev/null")
    assert hidden.split() == ["/etc/hedgerow/mqtt-password"]
    assert "right" in bare.run(f"cd / && runuser -u hedgerow -- edge check --config {TOML}")


def test_what_lies_in_roots_own_python_or_in_the_clone_is_not_taken(device: Root) -> None:
    site = "/root/.local/lib/python3.11/site-packages/click"
    device.run(f"mkdir -p {site} && echo 'raise ImportError(1)' > {site}/__init__.py")
    clone = device.folder / "root/clone"
    for name in ("edge", "converter", "systemd"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, clone / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "models/person/model.tflite"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, clone / name)
    device.run(
        "cd /root/clone && mkdir -p build/lib/edge hedgerow.egg-info"
        " && touch build/lib/edge/gone.py"
        " && echo 'raise SystemExit(3)' > build/lib/edge/__init__.py"
        " && touch -d 2001-01-01 edge/*.py && echo edge/gone.py > hedgerow.egg-info/SOURCES.txt"
    )
    look = "find /root/clone -printf '%p %u %s %T@\\n' | sort"
    before = device.run(look)
    said = device.run(f"PIP_USER=1 PYTHONPATH=/root/clone/build/lib {CLONE}")
    assert "edge.toml: right" in said
    assert device.run(look) == before, "nothing is left in the user's clone"
    assert version(device) == "0.1.0"
    assert "gone.py" not in device.run("ls /opt/hedgerow/current/lib/python3.11/site-packages/edge")
    device.run("rm -rf /root/.local /root/clone")


def test_two_at_once(device: Root) -> None:
    """The second is refused, the first goes on."""
    said = device.run(
        f"({NEW}) & sleep 1.5; cd /root/hedgerow-0.1.0; ./systemd/install --uninstall; echo rc=$?;"
        f" ({OLD}); echo rc=$?; wait %1; echo first=$?"
    )
    assert said.count("another installer is running") == 2
    assert said.count("rc=1") == 2
    assert "first=0" in said
    assert version(device) == "0.2.0"


def test_installed_again_nothing_is_different(device: Root) -> None:
    device.run(f"echo '# mine' >> {TOML}")
    look = f"sha256sum {TOML} /etc/systemd/system/edge.service; find /opt/hedgerow /usr/local | "
    look += "sed 's/releases.[^/]*//' | sort"
    before = device.run(look)
    device.run(OLD)
    assert device.run(look) == before


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (f"sed -i 's/^/x/' {TOML}", "this version does not take"),
        (f"chmod 600 {TOML}", "belongs to root, and hedgerow may not read it: sudo chgrp hedgerow"),
    ],
)
def test_an_upgrade_that_is_refused_changes_nothing(device: Root, harm: str, said: str) -> None:
    device.run(f"{harm}; rm /etc/hedgerow/mqtt-password")
    before = device.run(EVERYTHING)
    refused = device.run(f"({NEW}); echo rc=$?", check=False)
    assert said in refused
    assert "nothing is changed" in refused
    assert "rc=1" in refused
    assert device.run(EVERYTHING) == before


def test_a_first_installation_that_fails_leaves_nothing_in_the_way(bare: Root) -> None:
    bare.run(f"mkdir -p /etc/hedgerow; echo x > {TOML}")
    assert "rc=1" in bare.run(f"({OLD}); echo rc=$?")
    assert bare.run("ls -A /opt/hedgerow/releases /usr/local/share; ls /usr/local/bin") == (
        bare.run("echo /opt/hedgerow/releases:; echo; ls -d /usr/local/share/ | sed 's,/$,:,'")
        + bare.run("ls -A /usr/local/share; ls /usr/local/bin")
    )
    bare.run(f"rm {TOML}; {OLD}")
    assert version(bare) == "0.1.0"


@pytest.mark.parametrize(
    "foreign",
    [
        "/usr/local/bin/edge",
        "/etc/systemd/system/edge.service",
        "/usr/lib/systemd/system/edge.service",
        "/etc/sysusers.d/hedgerow.conf",
    ],
)
@pytest.mark.parametrize("how", ["echo 'somebody else' > {}", "ln -s /nowhere {}"])
def test_what_somebody_else_made_is_named_and_stays(bare: Root, foreign: str, how: str) -> None:
    bare.run(f"mkdir -p $(dirname {foreign}); {how.format(foreign)}")
    before = bare.run(EVERYTHING)
    said = bare.run(f"({OLD}); echo rc=$?")
    assert f"{foreign} is not Hedgerow's: move it away first" in said
    assert "rc=1" in said
    assert bare.run(EVERYTHING) == before
    bare.run("cd /root/hedgerow-0.1.0 && ./systemd/install --purge")
    assert bare.run(f"ls {foreign}").strip() == foreign
    bare.run(f"rm {foreign}")


def test_uninstalled_it_leaves_the_data_and_what_is_not_its_own(device: Root) -> None:
    device.run(
        "mkdir -p /opt/hedgerow/models /etc/systemd/system/edge.service.d /var/lib/hedgerow;"
        " echo m > /opt/hedgerow/models/mine.tflite; echo e > /var/lib/hedgerow/events;"
        " echo '[Service]' > /etc/systemd/system/edge.service.d/override.conf;"
        " echo n > /usr/local/share/hedgerow/notes"
    )
    said = device.run("cd /root/hedgerow-0.1.0 && ./systemd/install --uninstall")
    kept = ("/opt/hedgerow", "/etc/systemd/system/edge.service.d", "/usr/local/share/hedgerow")
    for path in (*kept, "/etc/hedgerow", "/var/lib/hedgerow"):
        assert path in said.partition("gone but for: ")[2]
    assert device.run("find /opt/hedgerow -type f").split() == ["/opt/hedgerow/models/mine.tflite"]
    assert device.run("ls /usr/local/share/hedgerow").split() == ["notes"]
    assert "hedgerow" not in device.run("cat /etc/passwd /etc/group")
    assert "edge.toml" in device.run("ls /etc/hedgerow; ls -l /var/lib/hedgerow")
    device.run("rm -rf /opt/hedgerow /etc/systemd/system/edge.service.d /usr/local/share/hedgerow")


@pytest.mark.parametrize("flags", ["--purge", "--purge --uninstall", "--uninstall --purge"])
def test_purge_takes_the_data_and_leaves_a_user_who_logs_in(device: Root, flags: str) -> None:
    device.run("userdel hedgerow; groupdel hedgerow; useradd -m -s /bin/bash hedgerow")
    said = device.run(f"cd /root/hedgerow-0.1.0 && ./systemd/install {flags}")
    assert "the user hedgerow, who can log in" in said
    assert "hedgerow" in device.run("cat /etc/passwd; ls /home")
    left = "find / -xdev -path /root -prune -o -path /home -prune -o -name '*hedgerow*' -print"
    assert device.run(left) == ""
    device.run("userdel -r hedgerow 2>/dev/null", check=False)


@pytest.mark.parametrize("given", ["missing.whl", "--purge=yes", "*.whl other.whl"])
def test_what_makes_no_sense_is_refused_at_once(device: Root, given: str) -> None:
    before = device.run(EVERYTHING)
    said = device.run(f"cd /root/hedgerow-0.1.0 && ./systemd/install {given}; echo rc=$?")
    assert "install: error: " in said
    assert "rc=1" in said
    assert device.run(EVERYTHING) == before


def test_root_checks_as_the_services_user(device: Root) -> None:
    device.run(f"chmod 600 {TOML}")
    said = device.run(f"cd /root && edge check --config {TOML}; echo rc=$?")
    assert f"{TOML}: cannot be read: it belongs to root, and hedgerow may not read it" in said
    assert "rc=78" in said
    device.run(f"chmod 644 {TOML}; mkdir -p /var/lib/hedgerow; chown hedgerow: /var/lib/hedgerow")
    device.run("touch /var/lib/hedgerow/farm.outbox")
    said = device.run("cd /root && edge doctor", check=False)
    assert "/var/lib/hedgerow/farm.outbox: it belongs to root" in said
    assert "sudo chown hedgerow: /var/lib/hedgerow/farm.outbox" in said


def test_a_user_name_without_a_password_is_said_with_the_file_to_write(device: Root) -> None:
    device.run(f"""sed -i 's/^username = .*/username = "me"/' {TOML}""")
    wanted = "'me' has no password: write it into /etc/hedgerow/mqtt-password (the service's)"
    assert wanted in device.run(f"edge check --config {TOML}")
    assert wanted in device.run(f"rm /etc/hedgerow/mqtt-password; edge check --config {TOML}")
    device.run("echo secret > /etc/hedgerow/mqtt-password; chmod 600 /etc/hedgerow/mqtt-password")
    assert "no password" not in device.run(f"edge check --config {TOML}")
    look = f"cd / && runuser -u hedgerow -- edge check --config {TOML}"
    assert "no password" not in device.run(look), "its size is enough to know"


def test_help_tells_every_option(root: Root) -> None:
    said = root.run("/root/hedgerow-0.1.0/systemd/install --help")
    for option in ("--broker", "--uninstall", "--purge", "FILE.whl"):
        assert option in said


def test_no_version_that_others_are_told_of_is_left(device: Root) -> None:
    """Two upgrades later only one release is there."""
    for command in (NEW, OLD):
        device.run(command)
        home = Path(f"{device.folder}/opt/hedgerow")
        assert sorted(path.name for path in home.iterdir()) == ["current", "releases"]
        assert len(list((home / "releases").iterdir())) == 1
