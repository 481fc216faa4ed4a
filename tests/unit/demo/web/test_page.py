"""The page in a real browser: headless Chromium, where this machine has one."""

import re
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from elanus_demo.answer import AnswerError, Question
from elanus_demo.answer.http_models import OpenAICompatible
from elanus_demo.embedding import TimedEmbedder, load_embedder
from elanus_demo.store import PassageStore
from support.browser import NEEDS_BROWSER, Visit, started_browser, violations, visiting
from support.chat_server import Reply, chat_server, server_sent_events
from support.web_chat import HOSTILE, Scripted, desk_of, filled_store, served

QUESTION = "How often do I rotate the signing key?"
ANSWER = (
    "Every **ninety days** [1], with `keyctl` [2]. ",
    "See [9].\n\n1. First\n2. Then\n\n```sh\n",
    "rotate --now <b>\n```\n",
)

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def embedder() -> TimedEmbedder:
    return load_embedder("hash")


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, embedder: TimedEmbedder
) -> Iterator[PassageStore]:
    with filled_store(tmp_path_factory.mktemp("page"), embedder, "lexical") as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def script() -> Scripted:
    return Scripted(*ANSWER)


@pytest.fixture(scope="module")
def url(store: PassageStore, script: Scripted) -> Iterator[str]:
    with served(desk_of(store, script)) as address:
        yield address


class ChatVisit(Visit):
    """Waits until the page has asked what it can be asked."""

    def __call__(self, address: str, width: int = 1280, height: int = 800, **options: Any) -> Page:
        page = super().__call__(address, width, height, **options)
        page.locator("#suggestions button").first.wait_for()
        return page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with visiting(browser, ChatVisit) as opened:
        yield opened


def put(page: Page, question: str = QUESTION) -> None:
    """Ask a question and wait for the end of its answer."""
    before = page.locator(".turn").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    expect(page.locator(".turn")).to_have_count(before + 1)
    expect(page.locator(".turn:not(.is-running)")).to_have_count(before + 1)


def overflow(page: Page) -> list[int]:
    """Return by how many pixels the page, the conversation and the sources are too wide."""
    widths: list[int] = page.evaluate(
        """() => ["html", "#main", "#cards"].map((one) => document.querySelector(one))
          .map((one) => one.scrollWidth - one.clientWidth)"""
    )
    return widths


def test_answer_with_citations_sources_and_times(visit: Visit, url: str) -> None:
    page = visit(url)
    expect(page.locator("#welcome-title")).to_have_text("Ask the handbook")
    expect(page.locator("#welcome-text")).to_contain_text("4 passages from 4 files")
    expect(page.locator("#provider")).to_have_text("Answers: the script")
    page.click("#suggestions button")
    turn = page.locator(".turn:not(.is-running)")
    expect(turn.locator(".asked")).to_have_text("How often do I rotate the key?")
    answer = turn.locator(".answer")
    expect(answer.locator("strong")).to_have_text("ninety days")
    expect(answer.locator("p code")).to_have_text("keyctl")
    expect(answer.locator("pre code")).to_have_text("rotate --now <b>")
    expect(answer.locator("ol li")).to_have_text(["First", "Then"])
    expect(answer.locator("p").first).to_contain_text("See [9].")
    assert answer.locator(".cite").all_text_contents() == ["1", "2"]
    expect(turn.locator(".meta")).to_contain_text("Answered by the script in")
    assert re.search(
        r"4 passages searched in [\d.]+ ms, [\d.]+ ms to embed", turn.locator(".meta").inner_text()
    )


def test_source_shows_its_marks_and_why_it_was_found(visit: Visit, url: str) -> None:
    page = visit(url)
    put(page)
    card = page.locator(".card").first
    expect(card.locator("h3")).to_have_text("Source 1: guide/keys.md")
    assert card.locator("mark").all_text_contents() == ["Rotate", "signing", "key", "keys"]
    card.locator("summary").click()
    parts = card.locator(".part").all_inner_texts()
    assert re.search(r"Meaning.*rank 1, cosine 0\.\d{4}.*\+ 0\.0164", parts[0], re.DOTALL)
    assert re.search(r"Words.*rank 1, BM25 \d\.\d\d.*\+ 0\.0164", parts[1], re.DOTALL)
    assert re.search(r"Fused.*RRF\(k=60.*= 0\.0328", parts[2], re.DOTALL)
    assert re.search(r"Reranked.*lexical, stays at 1", parts[3], re.DOTALL)
    assert set(card.locator(".term").all_text_contents()) >= {"rotat", "sign", "key"}
    dense, bm25 = (card.locator(f".bar .leg-{leg}").bounding_box() for leg in ("dense", "bm25"))
    assert dense is not None
    assert bm25 is not None
    assert dense["width"] == pytest.approx(bm25["width"], abs=1) != 0


def test_citation_leads_to_its_source(visit: Visit, url: str) -> None:
    page = visit(url)
    put(page)
    page.locator(".cite").nth(1).click()
    second = page.locator('.card[data-number="2"]')
    expect(second).to_be_focused()
    expect(second).to_have_class(re.compile("is-cited"))
    page.locator(".cite").first.hover()
    expect(page.locator('.card[data-number="1"]')).to_have_class(re.compile("is-cited"))
    expect(second).not_to_have_class(re.compile("is-cited"))


def test_markup_of_documents_and_models_stays_text(visit: Visit, store: PassageStore) -> None:
    desk = desk_of(
        store, Scripted(f"Model: {HOSTILE} [1]", f"\n\n- {HOSTILE}\n\n```\n{HOSTILE}\n```")
    )
    with served(desk) as url:
        page = visit(url)
        put(page, f"signing key never rotated {HOSTILE}")
        hostile = page.locator(".card", has_text="hostile.md").locator(".passage")
        expect(hostile).to_contain_text(HOSTILE)
        expect(page.locator(".answer")).to_contain_text(HOSTILE)
        expect(page.locator(".asked")).to_contain_text(HOSTILE)
        assert page.locator("#layout script, #layout img").count() == 0
        assert page.evaluate("window.owned") is None


def test_a_script_put_into_the_page_is_not_run(visit: Visit, url: str) -> None:
    page = visit(url)
    refused = page.evaluate(
        """() => {
          try { document.body.innerHTML = "<img src=x onerror='window.owned = 1'>"; }
          catch (error) { return error.name; }
        }"""
    )
    assert refused == "TypeError"
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.append("window.owned = 1");
      document.body.append(script);
    }""")
    assert page.evaluate("window.owned") is None
    assert visit.complaints
    visit.complaints.clear()


def test_words_show_while_the_model_writes_and_stop_ends_it(
    visit: Visit, store: PassageStore
) -> None:
    leave = threading.Event()

    def endless() -> Iterator[str]:
        yield from server_sent_events("Every ", "ninety ")[:3]
        while not leave.wait(0.02):
            yield server_sent_events("more ")[1]

    with (
        chat_server({"/chat/completions": Reply(endless())}) as model,
        served(desk_of(store, OpenAICompatible(model.url, "small"))) as url,
    ):
        page = visit(url)
        page.fill("#question", QUESTION)
        page.press("#question", "Enter")
        expect(page.locator(".turn.is-running .answer")).to_contain_text("Every ninety more")
        expect(page.locator(".card").first).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".turn .answer")).to_contain_text("Stopped.")
        expect(page.locator(".source-chip")).to_have_count(3)
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
        stopped = model.hung_up.wait(20)
        leave.set()
    assert stopped


def test_conversation_goes_on_survives_a_reload_and_starts_anew(
    visit: Visit, url: str, script: Scripted
) -> None:
    page = visit(url)
    put(page, "How do I rotate the key?")
    put(page, "And how long do they stay valid?")
    expect(page.locator(".turn").nth(1).locator(".note q")).to_have_text(
        "How do I rotate the key? And how long do they stay valid?"
    )
    assert [turn.question for turn in script.asked[-1].history] == ["How do I rotate the key?"]
    page.reload()
    expect(page.locator(".asked")).to_have_text(
        ["How do I rotate the key?", "And how long do they stay valid?"]
    )
    expect(page.locator(".card")).to_have_count(3)
    page.click("#new")
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#sources")).to_be_hidden()
    expect(page.locator("#welcome")).to_be_visible()
    put(page, "And how long do they stay valid?")
    assert script.asked[-1].history == ()


def test_chosen_folders_and_files_limit_the_search(visit: Visit, url: str) -> None:
    page = visit(url)
    page.click("#scope-open")
    expect(page.locator(".scope-list li")).to_have_count(6)
    page.fill("#scope-find", "OPS")
    expect(page.locator(".scope-list label")).to_have_text(
        ["ops/ 1 passage", "ops/backup.md 1 passage"]
    )
    page.get_by_label("ops/ 1 passage", exact=True).check()
    page.click("#scope-done")
    expect(page.locator("#scope-label")).to_have_text("ops/")
    put(page)
    expect(page.locator(".card h3")).to_have_text(["Source 1: ops/backup.md"])
    page.click("#scope-open")
    page.click("#scope-clear")
    page.keyboard.press("Escape")
    expect(page.locator("#scope-label")).to_have_text("All files")
    put(page)
    expect(page.locator(".card")).to_have_count(3)


def test_failure_is_said_and_asking_again_works(visit: Visit, url: str) -> None:
    page = visit(url)
    page.route("**/api/ask", lambda route: route.abort())
    put(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The server does not answer. Is elanus-demo still running?")
    page.unroute("**/api/ask")
    alert.get_by_role("button", name="Ask again").click()
    expect(page.locator(".turn:not(.is-running) .cite").first).to_be_visible()
    expect(page.locator(".turn")).to_have_count(1)
    visit.complaints.clear()  # Chromium writes the aborted request to the console.


def test_failed_model_is_named_above_the_answer_of_the_next(
    visit: Visit, store: PassageStore
) -> None:
    class Failing(Scripted):
        title = "broken model"

        async def astream(self, question: Question) -> AsyncGenerator[str]:
            yield "Half an ans"
            raise AnswerError("out of memory")

    with served(desk_of(store, Failing(), Scripted("Whole [1]."))) as url:
        page = visit(url)
        put(page)
        expect(page.locator(".note.warn")).to_have_text("broken model failed. out of memory")
        expect(page.locator(".answer")).to_have_text("Whole\u00a01.")


def test_model_that_says_nothing_is_named(visit: Visit, store: PassageStore) -> None:
    with served(desk_of(store, Scripted())) as url:
        page = visit(url)
        put(page)
        expect(page.locator(".answer")).to_have_text("the script said nothing.")


def test_everything_is_reached_by_keyboard(visit: Visit, url: str) -> None:
    page = visit(url)
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert page.input_value("#question") == "one\ntwo"
    page.keyboard.press("Enter")
    expect(page.locator(".turn:not(.is-running) .asked")).to_have_text("one\ntwo")
    page.locator(".cite").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator('.card[data-number="1"]')).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".card").first.locator("details")).to_have_attribute("open", "")
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()


def test_phone_shows_the_sources_over_the_conversation(visit: Visit, url: str) -> None:
    page = visit(url, 360, 740, is_mobile=True, has_touch=True)
    put(page, "a" * 300)
    assert overflow(page) == [0, 0, 0]
    expect(page.locator("#sources")).to_be_hidden()
    page.locator(".cite").first.tap()
    expect(page.locator("#sources")).to_be_visible()
    expect(page.locator('.card[data-number="1"]')).to_be_focused()
    assert page.evaluate("document.getElementById('main').inert")
    assert overflow(page) == [0, 0, 0]
    page.keyboard.press("Escape")
    expect(page.locator("#sources")).to_be_hidden()
    expect(page.locator(".cite").first).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(visit: Visit, url: str, scheme: str) -> None:
    page = visit(url, color_scheme=scheme, reduced_motion="reduce")
    assert violations(page) == []
    put(page)
    page.locator(".card summary").first.click()
    page.locator(".cite").first.hover()
    assert violations(page) == []
    page.click("#scope-open")
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_page_and_failures_are_accessible(
    visit: Visit, store: PassageStore, scheme: str
) -> None:
    class Failing(Scripted):
        async def astream(self, question: Question) -> AsyncGenerator[str]:
            raise AnswerError("out of memory")
            yield ""

    with served(desk_of(store, Failing())) as url:
        page = visit(url, 360, 740, color_scheme=scheme, reduced_motion="reduce", is_mobile=True)
        put(page)
        expect(page.get_by_role("alert")).to_contain_text("Nobody could answer")
        assert violations(page) == []
        page.locator(".source-chip").first.click()
        assert violations(page) == []
