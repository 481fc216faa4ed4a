"""How is each part of the environment made? One method per step, all of them repeatable.

The build tools and everything third-party go in first, so that the distributions themselves are
installed without build isolation: their CMake folder survives, and building the extension again
compiles only what changed.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap.inputs import CONSTRAINTS, Distribution, dependency_group, third_party
from tools.bootstrap.machine import host_pip, this_machine

LOG_NAME = ".stamps/setup.log"
TAIL_LINES = 15

# Build tools that scikit-build-core takes from PATH, or else from the package of that name.
_BUILD_COMMANDS = ("cmake", "ninja")
# Settings that would send packages elsewhere than into the environment, or tell a build's own make
# what the outer one was asked for.
_DANGEROUS_VARIABLES = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_USER", "PIP_PREFIX", "MAKEFLAGS", "MAKELEVEL"}
)
_PRINT_VERSION = "import sys; print(sys.version_info[:2])"
# pip names every place it looks at in vain; with local package folders that is most of its output.
_NOISE = ("WARNING: Location ", "Looking in ", "Requirement already satisfied")


class StepError(Exception):
    """A command of the set-up failed; ``output`` holds the end of what it printed."""

    def __init__(self, step: str, output: str) -> None:
        super().__init__(step)
        self.step = step
        self.output = output


@dataclass(frozen=True, slots=True)
class Installer:
    """Runs the steps for one workspace; every command's output goes to the log."""

    root: Path
    python: str
    distributions: Sequence[Distribution]

    @property
    def venv(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def log(self) -> Path:
        """The file that holds all output of the last set-up."""
        return self.root / LOG_NAME

    def usable(self) -> bool:
        """Return whether `.venv` has the chosen Python's version and a pip that starts."""
        own = self.venv / "bin" / "python"
        if not own.exists():
            return False
        version = _output([self.python, "-c", _PRINT_VERSION])
        return version is not None and version == _output(
            [str(own), "-c", "import pip; " + _PRINT_VERSION]
        )

    def create(self) -> None:
        """Make an empty `.venv` with pip, replacing whatever is there."""
        step = "creating .venv"
        command = [self.python, "-m", "venv", "--clear", str(self.venv)]
        pip = host_pip(this_machine(), self.python)
        try:
            self._run(step, command)
        except StepError:
            # Debian ships `venv` without the wheels that put pip into it, unless asked for them.
            if pip is None:
                raise
            self._run(step, [*command, "--without-pip"])
            target = str(self.venv / "bin" / "python")
            self._run("installing pip into .venv", [*pip, "--python", target, "install", "pip"])

    def install_torch(self) -> None:
        """Install the pinned torch before anything that would ask for another one."""
        self._pip("installing PyTorch", *dependency_group(self.root, "torch"))

    def install_third_party(self) -> None:
        """Install build tools, development tools and every third-party requirement."""
        build = {line for one in self.distributions for line in one.build_requires}
        build |= {name for name in _BUILD_COMMANDS if shutil.which(name) is None}
        tools = dependency_group(self.root, "dev")
        wanted = third_party(list(self.distributions), tools)
        self._pip("installing packages", *sorted(build), *wanted)

    def install_workspace(self) -> None:
        """Install every distribution of the workspace, editable; builds the extension."""
        self._install_editable("building elanus", self.distributions)

    def build_native(self) -> None:
        """Build and install again only what is compiled."""
        native = [one for one in self.distributions if one.is_native]
        self._install_editable("building the extension", native)

    def _install_editable(self, step: str, distributions: Sequence[Distribution]) -> None:
        places = [part for one in distributions for part in ("--editable", str(one.folder))]
        self._pip(step, "--no-build-isolation", "--no-deps", *places)

    def _pip(self, step: str, *arguments: str) -> None:
        python = str(self.venv / "bin" / "python")
        constraints = str(self.root / CONSTRAINTS)
        command = [python, "-m", "pip", "install", "--progress-bar", "off"]
        self._run(step, [*command, "--constraint", constraints, *arguments])

    def _run(self, step: str, command: list[str]) -> None:
        environ = {k: v for k, v in os.environ.items() if k not in _DANGEROUS_VARIABLES}
        environ |= {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        with self.log.open("ab", buffering=0) as log:
            log.write(f"$ {shlex.join(command)}\n".encode())
            start = log.tell()
            done = subprocess.run(
                command,
                check=False,
                cwd=self.root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if done.returncode != 0:
            output = self.log.read_bytes()[start:].decode(errors="replace")
            raise StepError(step, last_lines(output))


def _output(command: list[str]) -> str | None:
    """Return what a command prints, or None when it fails."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def last_lines(output: str) -> str:
    """Return the end of a failed command's output, without pip's remarks about where it looked."""
    lines = [line for line in output.splitlines() if line.strip()]
    return "\n".join([line for line in lines if not line.startswith(_NOISE)][-TAIL_LINES:])
