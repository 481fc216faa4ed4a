"""What can be typed on the command line, and what does each failure say?"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from elanus import ElanusError
from elanus.errors import ModelMismatchError, PluginNotInstalledError
from elanus_demo.answer import AsyncAnswerer, choose_answerers
from elanus_demo.answer.choice import Provider
from elanus_demo.chat import Chat, line_history
from elanus_demo.corpus import CorpusError, Listing, Skipped, list_folder, list_stdlib
from elanus_demo.embedding import DEFAULT_EMBEDDER, TimedEmbedder, load_embedder
from elanus_demo.printing import count_of, say
from elanus_demo.progress import format_time, make_progress
from elanus_demo.store import PassageStore, Place, open_store
from elanus_demo.sync import skipped, summary, sync

_DEFAULT_LIMIT = 5
_LARGEST_LIMIT = 50
_DEFAULT_PORT = 8765
_LARGEST_PORT = 65_535
_SKIPPED_SHOWN = 20

_EXIT_FAILURE = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the page is served.

    Attributes:
        port: Port on 127.0.0.1; 0 takes a free one.
        open_browser: Show the page in the browser at once.
    """

    port: int
    open_browser: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line and the environment ask for.

    Attributes:
        docs: Folder or file to ask, or None for the documentation of the running Python.
        ask: Question to answer once, or None.
        db: Folder of the store or URL of a server, or None for a folder per corpus in the user's
            cache.
        limit: Passages found for a question.
        reset: Index everything anew.
        embedder: Name of the embedder plug-in.
        provider: Who may answer.
        rerank: Name of the reranker plug-in that reads the best passages, or None.
        web: Where a page in the browser is served, or None for the terminal.
    """

    docs: Path | None
    ask: str | None
    db: str | None
    limit: int
    reset: bool
    embedder: str
    provider: Provider
    rerank: str | None = None
    web: WebSettings | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    settings = parse_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
    console = Console(highlight=False, emoji=False, markup=False)
    errors = Console(stderr=True, highlight=False, emoji=False, markup=False)
    try:
        _run(settings, console)
    except CorpusError as error:
        say(errors, f"error: {error}", "red")
        return _EXIT_USAGE
    except PluginNotInstalledError as error:
        say(errors, f"error: {error}", "red")
        if error.name == settings.embedder:
            say(errors, "Or run with --embedder hash, which needs no model and finds by words.")
        return _EXIT_FAILURE
    except ModelMismatchError as error:
        say(errors, f"error: {error}", "red")
        say(errors, "Run with --reset to index everything with this model, or give another --db.")
        return _EXIT_FAILURE
    except ElanusError as error:
        say(errors, f"error: {error}", "red")
        return _EXIT_FAILURE
    except KeyboardInterrupt:
        say(errors, "\nInterrupted. What was embedded is kept; the next run goes on from there.")
        return _EXIT_INTERRUPTED
    except OSError as error:
        say(errors, f"error: {error}", "red")
        return _EXIT_FAILURE
    return 0


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings; an option wins over the environment, an empty value is none.

    Raises:
        SystemExit: The arguments are wrong, or help was asked for.
    """
    parser = argparse.ArgumentParser(
        prog="elanus-demo",
        description="Ask your own documents. Without --docs: the documentation of this Python.",
        epilog="Answers come from OPENAI_BASE_URL/OPENAI_MODEL/OPENAI_API_KEY if set, else from "
        "Ollama (OLLAMA_HOST, OLLAMA_MODEL) if it runs, else they are quoted from the passages.",
    )
    add = parser.add_argument
    add("--docs", metavar="PATH", help="folder or file to ask (environment: DOCS)")
    add("--ask", metavar="QUESTION", help="answer once and exit (environment: ASK)")
    add(
        "--db",
        metavar="PLACE",
        help="folder of the store, or URL of a server (credentials: ELANUS_TOKEN); default: a "
        "folder per corpus in the cache",
    )
    add("--limit", type=_limit, default=_DEFAULT_LIMIT, help="passages to cite (default: 5)")
    add("--reset", action="store_true", help="index everything anew")
    add("--embedder", default=DEFAULT_EMBEDDER, help="embedder plug-in: minilm (default), hash")
    add(
        "--provider",
        choices=[str(provider) for provider in Provider],
        default=str(Provider.AUTO),
        help="who answers (default: auto, the first that is there)",
    )
    add("--rerank", metavar="NAME", help="reranker plug-in that reads the best passages")
    add("--web", action="store_true", help="answer on a page in the browser")
    add("--port", type=_port, default=_DEFAULT_PORT, help=f"of the page (default: {_DEFAULT_PORT})")
    add("--open", action="store_true", help="show the page in the browser at once")
    parsed = parser.parse_args(arguments)
    if parsed.web and parsed.ask:
        parser.error("--ask answers in the terminal; leave it out with --web")
    docs = parsed.docs or environment.get("DOCS")
    ask = (parsed.ask or environment.get("ASK") or "").strip()
    return Settings(
        docs=Path(docs) if docs else None,
        ask=ask or None,
        db=parsed.db or None,
        limit=parsed.limit,
        reset=parsed.reset,
        embedder=parsed.embedder,
        provider=Provider(parsed.provider),
        rerank=parsed.rerank,
        web=WebSettings(parsed.port, parsed.open) if parsed.web else None,
    )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder for stores that are not placed by ``--db``."""
    base = environment.get("XDG_CACHE_HOME")
    # The specification says that a relative path is to be ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "elanus-demo"


def _limit(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= _LARGEST_LIMIT:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number from 1 to {_LARGEST_LIMIT}, got {text!r}")


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= _LARGEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number from 0 to {_LARGEST_PORT}, got {text!r}")


def _run(settings: Settings, console: Console) -> None:
    if settings.web and not (find_spec("starlette") and find_spec("uvicorn")):
        raise PluginNotInstalledError(
            "--web needs starlette and uvicorn; install them with: pip install 'elanus-demo[web]'"
        )
    listing = list_folder(settings.docs) if settings.docs else list_stdlib()
    cache = cache_folder(os.environ)
    place = _place(settings.db, listing.name, settings.embedder, cache)
    embedder = _load_embedder(settings.embedder, console)
    reset, reranker = settings.reset, settings.rerank
    with open_store(place, embedder, reset=reset, reranker=reranker) as store:
        _index(listing, store, place.uri, console)
        answerers, remarks = choose_answerers(os.environ, embedder, settings.provider)
        for remark in remarks:
            say(console, f"note: {remark}", "yellow")
        say(console, f"Answers come from {answerers[0].title}.", "dim")
        console.print()
        chat = Chat(store, answerers, console, settings.limit)
        if settings.web:
            _serve(settings.web, listing, chat, answerers)
        elif settings.ask:
            _ask_once(chat, settings.ask)
        elif sys.stdin.isatty() and console.is_terminal:
            with line_history(cache / "history"):
                chat.loop()
        else:
            for question in listing.example_questions:
                _ask_once(Chat(store, answerers, console, settings.limit), question)
                console.print()


def _place(db: str | None, corpus: str, embedder: str, cache: Path) -> Place:
    """Return where the passages of a corpus are stored."""
    if db is not None and "://" in db:
        return Place.on_server(db, f"{corpus}_{embedder}", cache, os.environ.get("ELANUS_TOKEN"))
    return Place.in_folder(Path(db) if db else cache / f"{corpus}-{embedder}")


def _serve(
    web: WebSettings, listing: Listing, chat: Chat, answerers: Sequence[AsyncAnswerer]
) -> None:
    # The server is an extra, and starting without it is quicker.
    from elanus_demo.web.app import Desk
    from elanus_demo.web.serving import serve

    # Files are mapped and checked by the first search; the first question should not wait for that.
    chat.store.search(listing.title, chat.limit)
    desk = Desk(listing.title, chat.store, answerers, chat.limit, listing.example_questions)
    serve(desk, web.port, chat.console, open_browser=web.open_browser)


def _ask_once(chat: Chat, question: str) -> None:
    say(chat.console, f"> {question}", "bold")
    chat.console.print()
    chat.ask(question)


def _load_embedder(name: str, console: Console) -> TimedEmbedder:
    if not console.is_terminal:
        return load_embedder(name)
    with console.status("Loading the embedding model"):
        return load_embedder(name)


def _index(listing: Listing, store: PassageStore, uri: str, console: Console) -> None:
    say(console, f"Indexing {listing.title} ({count_of(len(listing.files), 'file')})")
    report = sync(listing, store, make_progress(console))
    _print_skipped(skipped(report), console)
    if listing.num_other:
        say(console, f"left out: {count_of(listing.num_other, 'file')} of other types", "dim")
    num_passages = store.count()
    if not num_passages:
        raise CorpusError(f"{listing.title}: the files hold no text that could be asked")
    say(console, f"{summary(report)} (files, in {format_time(report.seconds)})")
    embedded = f", {report.embedded:,} embedded now" if report.embedded else ""
    say(console, f"{count_of(num_passages, 'passage')}{embedded}, stored in {uri}", "dim")


def _print_skipped(files: Sequence[Skipped], console: Console) -> None:
    for file in files[:_SKIPPED_SHOWN]:
        say(console, f"skipped {file.key}: {file.reason}", "yellow")
    if len(files) > _SKIPPED_SHOWN:
        more = len(files) - _SKIPPED_SHOWN
        say(console, f"skipped {count_of(more, 'more file')}", "yellow")
