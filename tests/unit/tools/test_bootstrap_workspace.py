import io
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.bootstrap.inputs import find_distributions
from tools.bootstrap.stamp import Work, read_stamp, write_stamp
from tools.bootstrap.steps import LOG_NAME, Installer, StepError, last_lines
from tools.bootstrap.workspace import exclusive, perform, set_up, wanted_stamp, work_for


@dataclass(frozen=True, slots=True)
class RecordingInstaller(Installer):
    """Notes the steps instead of doing them; one of them may fail."""

    done: list[str] = field(default_factory=list)
    failing: str = ""

    def note(self, step: str) -> None:
        assert read_stamp(self.venv) != wanted_stamp(self), "a stamp promises unfinished work"
        if step == self.failing:
            raise StepError(step, f"output of {step}")
        self.done.append(step)

    def create(self) -> None:
        self.note("create")

    def install_torch(self) -> None:
        self.note("torch")

    def install_third_party(self) -> None:
        self.note("third party")

    def install_workspace(self) -> None:
        self.note("workspace")

    def build_native(self) -> None:
        self.note("native")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with one native distribution, and an environment whose Python is a link."""
    (tmp_path / "pyproject.toml").write_text('[dependency-groups]\ntorch = ["torch==1"]\n')
    (tmp_path / "constraints.txt").write_text("")
    core = tmp_path / "core"
    core.mkdir()
    (core / "pyproject.toml").write_text('[project]\nname = "elanus"\n')
    (core / "CMakeLists.txt").write_text("project(elanus)\n")
    (tmp_path / ".stamps").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def installer(root: Path, failing: str = "") -> RecordingInstaller:
    return RecordingInstaller(root, sys.executable, find_distributions(root), failing=failing)


def test_creating_does_every_step_torch_before_everything_else(root: Path) -> None:
    one = installer(root)
    perform(one, Work.CREATE, wanted_stamp(one))
    assert one.done == ["create", "torch", "third party", "workspace"]
    assert work_for(one, wanted_stamp(one)) is Work.NOTHING


def test_a_changed_native_source_builds_and_does_nothing_else(root: Path) -> None:
    one = installer(root)
    write_stamp(one.venv, wanted_stamp(one))
    (root / "core" / "kernel.cpp").write_text("// new\n")
    assert work_for(one, wanted_stamp(one)) is Work.BUILD
    perform(one, Work.BUILD, wanted_stamp(one))
    assert one.done == ["native"]
    assert work_for(one, wanted_stamp(one)) is Work.NOTHING


@pytest.mark.parametrize("failing", ["torch", "third party", "workspace"])
def test_a_failed_installation_leaves_all_of_it_to_do(root: Path, failing: str) -> None:
    one = installer(root, failing)
    write_stamp(one.venv, wanted_stamp(one))
    with pytest.raises(StepError):
        perform(one, Work.INSTALL, wanted_stamp(one))
    assert read_stamp(one.venv) is None


def test_a_failed_build_leaves_the_build_to_do(root: Path) -> None:
    one = installer(root, "native")
    with pytest.raises(StepError):
        perform(one, Work.BUILD, wanted_stamp(one))
    assert work_for(one, wanted_stamp(one)) is Work.BUILD


def test_a_failed_step_is_told_with_its_output_and_the_log(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_up(installer(root, "workspace")) == 1
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "output of workspace",
        f"Set-up failed while workspace. The whole output is in {LOG_NAME}.",
    ]


def test_a_second_set_up_is_silent_and_does_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_up(installer(root)) == 0
    capsys.readouterr()
    second = installer(root)
    assert set_up(second) == 0
    assert second.done == []
    assert capsys.readouterr().err == ""


def test_a_stamp_does_not_count_where_the_environment_lost_its_python(root: Path) -> None:
    one = installer(root)
    write_stamp(one.venv, wanted_stamp(one))
    (one.venv / "bin" / "python").unlink()
    assert work_for(one, wanted_stamp(one)) is Work.CREATE


def test_a_missing_compiler_is_told_before_anything_is_created(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".stamps").rmdir()
    before = sorted(root.rglob("*"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    one = installer(root)
    assert set_up(one) == 1
    assert "CXX names no-such-compiler, which is not on PATH" in capsys.readouterr().err
    assert one.done == []
    assert sorted(root.rglob("*")) == before


def test_a_second_set_up_at_the_same_time_waits_for_the_first(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not capsys: reading it again and again would lose what is written between its two steps.
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    second = threading.Thread(target=set_up, args=[installer(root)])
    with exclusive(root / ".stamps"):
        second.start()
        while "waiting for it" not in told.getvalue():
            assert second.is_alive()
            time.sleep(0.001)
        assert read_stamp(root / ".venv") is None
    second.join()
    assert read_stamp(root / ".venv") == wanted_stamp(installer(root))


def test_the_pip_that_runs_gets_no_setting_that_leads_out_of_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = root / "python"
    recorder.write_text(
        '#!/bin/sh\necho "target=$PIP_TARGET flags=$MAKEFLAGS input=$PIP_NO_INPUT"\n'
    )
    recorder.chmod(0o755)
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("MAKEFLAGS", "n")
    one = Installer(root, str(recorder), find_distributions(root))
    one.create()
    assert one.log.read_text().splitlines() == [
        f"$ {recorder} -m venv --clear {root}/.venv",
        "target= flags= input=1",
    ]


def test_the_end_of_the_output_leaves_out_where_pip_looked() -> None:
    output = "\n".join(
        ["first", "WARNING: Location 'x' is ignored", "", "error: no", "Looking in links"]
    )
    assert last_lines(output) == "first\nerror: no"
    assert last_lines("\n".join(map(str, range(100)))).splitlines()[0] == "85"
