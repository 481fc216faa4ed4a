"""The server's page in a real browser."""

from __future__ import annotations

import base64
import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pymilvus import DataType, Function, FunctionType, MilvusClient

from elanus_server import Settings
from elanus_server.ui.page import HEADERS
from support.browser import NEEDS_BROWSER, Visit, started_browser, violations, visiting
from support.rest_client import RestClient
from support.running_server import Running

PASSWORD = "ein Geheimnis: ünd mehr"
HOSTILE = "<img src=x onerror='window.owned = 1'>"
BIG = 2**53 + 1
"""A key that JavaScript cannot hold as a number."""
pytestmark = NEEDS_BROWSER


def fill(client: MilvusClient) -> None:
    """Make a database with what the page shows."""
    schema = client.create_schema(enable_dynamic_field=True, description="Passages of manuals")
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=2000, enable_analyzer=True)
    schema.add_field("price", DataType.DOUBLE, nullable=True)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function("bm25 of text", FunctionType.BM25, ["text"], ["bm25"]))
    indexes = client.prepare_index_params()
    indexes.add_index("dense", index_type="HNSW", metric_type="L2", params={"M": 16})
    indexes.add_index("bm25", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection("passages", schema=schema, index_params=indexes)
    texts = ["rotate the signing key", "whales sing at night", HOSTILE]
    rows = [
        {"id": i, "text": texts[i % 3], "price": None if i == 1 else i / 2, "dense": [i, 0.0]}
        for i in range(59)
    ]
    rows.append({"id": BIG, "text": "the last", "price": 0.0, "dense": [0, 99.0], "extra": "more"})
    client.insert("passages", rows)
    client.create_alias("passages", "books")
    client.create_collection("released", dimension=2)
    client.release_collection("released")
    client.create_database("other")


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with Running(Settings(":memory:", port=0, metrics_port=None)) as running:
        address = f"http://127.0.0.1:{running.ports.rest}"
        made = MilvusClient(address)
        fill(made)
        made.close()
        yield address


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A server where everybody has to log in."""
    settings = Settings(":memory:", port=0, metrics_port=None, auth=True, root_password=PASSWORD)
    with Running(settings) as running:
        address = f"http://127.0.0.1:{running.ports.rest}"
        made = MilvusClient(address, user="root", password=PASSWORD)
        made.create_collection("notes", dimension=2)
        made.create_role("reader")
        made.grant_privilege_v2("reader", "Query", "notes")
        made.create_user("ada", "lovelace")
        made.grant_role("ada", "reader")
        made.close()
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as started:
        yield started


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with visiting(browser) as opened:
        yield opened


def log_in(page: Page, user: str, password: str) -> None:
    page.get_by_label("User", exact=True).fill(user)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


def overflow(page: Page) -> int:
    """Return by how many pixels the page is too wide."""
    wider: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wider


def cells(page: Page, name: str) -> list[list[str]]:
    """Return the texts of a table, row by row."""
    rows = page.get_by_role("region", name=name).locator("tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def test_address_of_the_server_leads_to_its_collections(visit: Visit, uri: str) -> None:
    page = visit(uri)
    expect(page.locator("#collections a")).to_have_text(["passages60", "released0"])
    expect(page.locator("h2", has_text="Database default")).to_be_visible()
    page.get_by_label("Database").select_option("other")
    expect(page.locator(".empty")).to_contain_text("There is no collection yet.")
    assert page.url == f"{uri}/ui/#other"


def test_overview_tells_fields_indexes_and_facts(visit: Visit, uri: str) -> None:
    page = visit(uri)
    page.locator("#collections a", has_text="passages").click()
    expect(page.locator(".state")).to_have_text("loaded")
    assert cells(page, "Fields") == [
        ["id", "Int64", "primary key", ""],
        [
            "text",
            "VarChar",
            'max_length 2000, enable_analyzer true, analyzer_params {"type": "standard"}',
            "",
        ],
        ["price", "Double", "may be null", ""],
        ["dense", "FloatVector", "dim 2", ""],
        ["bm25", "SparseFloatVector", "", "bm25 of text (text)"],
    ]
    assert cells(page, "Indexes") == [
        ["dense", "dense", "HNSW", "L2", "M 16", "60 of 60"],
        ["bm25", "bm25", "SPARSE_INVERTED_INDEX", "BM25", "", "60 of 60"],
    ]
    facts = page.locator(".figures").inner_text()
    assert re.search(r"Undeclared fields\s+allowed", facts)
    assert re.search(r"Aliases\s+books", facts)


def test_rows_are_paged_and_filtered(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#default/passages/rows")
    expect(page.locator(".pager span")).to_have_text("1 to 25 of 60 rows")
    assert cells(page, "Rows")[1][:4] == ["1", "whales sing at night", "null", "[1, 0]"]
    expect(page.get_by_role("button", name="Earlier")).to_be_disabled()
    page.get_by_role("button", name="Later").click()
    expect(page.get_by_role("button", name="Later")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".pager span")).to_have_text("51 to 60 of 60 rows")
    expect(page.get_by_role("button", name="Later")).to_be_disabled()
    expect(page.get_by_role("button", name="Earlier")).to_be_focused()
    # Its digits are all there, and its undeclared field has a column.
    assert cells(page, "Rows")[-1][0] == str(BIG)
    assert cells(page, "Rows")[-1][-2] == "more"
    page.get_by_label("Filter").fill("id in [3, 4] or extra == 'more'")
    page.get_by_label("Filter").press("Enter")
    expect(page.locator(".pager span")).to_have_text("1 to 3 of 3 rows")
    assert [row[0] for row in cells(page, "Rows")] == ["3", "4", str(BIG)]
    page.get_by_label("Filter").fill("id < 0")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".empty")).to_have_text("No row passes the filter.")
    page.get_by_label("Filter").fill("id in [")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot parse expression: id in [")


def test_search_by_text_by_vector_and_by_row(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#default/passages/search")
    expect(page.get_by_label("Search by")).to_have_value("text")
    page.get_by_label("Query").fill("whales")
    page.get_by_label("Hits").fill("3")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".hit h3")).to_have_text(["id 1", "id 4", "id 7"])
    expect(page.locator(".found .about")).to_contain_text("Scores are BM25; larger is nearer.")
    page.get_by_label("Field").select_option("dense")
    expect(page.locator("#query-hint")).to_have_text("Numbers between brackets, 2 of them.")
    page.get_by_label("Query").fill("[10.2, 0]")
    page.get_by_label("Filter").fill("id != 10")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".hit h3")).to_have_text(["id 11", "id 9", "id 12"])
    expect(page.locator(".hit .score").first).to_have_text("score 0.64000")
    widths = page.locator(".hit .bar i").evaluate_all("(all) => all.map((one) => one.style.width)")
    # Smaller is nearer: the bar of the nearest hit is the longest.
    assert widths[0] == "100%"
    assert [float(width[:-1]) for width in widths] == sorted(
        (float(width[:-1]) for width in widths), reverse=True
    )
    page.get_by_label("Query").fill("ten")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_contain_text("The query is no JSON")
    page.get_by_label("Search by").select_option("like")
    page.get_by_label("Query").fill(str(BIG))
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".hit h3").first).to_have_text(f"id {BIG}")


def test_row_leads_to_rows_like_it(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#default/passages/rows")
    page.get_by_role("link", name="search for rows like 4").click()
    expect(page.get_by_label("Query")).to_have_value("4")
    expect(page.locator(".hit h3").first).to_have_text("id 1")
    page.go_back()
    expect(page.locator(".pager span")).to_have_text("1 to 25 of 60 rows")


def test_markup_of_rows_stays_text(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#default/passages/rows")
    expect(page.get_by_role("cell", name=HOSTILE, exact=True).first).to_be_visible()
    page.goto(f"{uri}/ui/#default/passages/search/2")
    expect(page.locator(".hit dd").first).to_contain_text(HOSTILE)
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.owned") is None


def test_collection_is_loaded_when_asked(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#default/released/rows")
    expect(page.locator(".state")).to_have_text("not loaded")
    expect(page.locator(".empty")).to_contain_text("once the collection is loaded")
    page.get_by_role("button", name="Load").click()
    expect(page.locator(".state")).to_have_text("loaded")
    expect(page.locator(".empty")).to_have_text("There are no rows yet.")


def test_health_and_calls_are_told(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#!server")
    expect(page.locator(".state")).to_have_text("answers, and no work failed")
    assert re.search(r"Collections\s+2", page.locator(".figures").inner_text())
    told = {row[0]: row[1:] for row in cells(page, "Calls since the start")}
    assert told["CreateCollection"][:2] == ["2", "0"]
    assert told["CreateCollection"][3].endswith("ms")
    expect(page.get_by_role("link", name="Users and roles")).to_be_hidden()


def test_collection_that_is_not_there_is_named(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#default/none")
    expect(page.get_by_role("alert")).to_contain_text("collection not found")


def test_database_that_is_not_there_is_named(visit: Visit, uri: str) -> None:
    page = visit(f"{uri}/ui/#nowhere/passages")
    expect(page.get_by_role("alert")).to_have_text(
        "There is no database nowhere; there are: default, other."
    )
    page.get_by_label("Database").select_option("default")
    expect(page.locator("#collections a")).to_have_text(["passages60", "released0"])


def test_logging_in_and_out(visit: Visit, guarded: str) -> None:
    page = visit(guarded)
    expect(page.get_by_role("dialog")).to_be_visible()
    log_in(page, "root", "wrong")
    expect(page.get_by_role("alert")).to_have_text("User, password or token are not right.")
    log_in(page, "root", PASSWORD)
    expect(page.locator("#who")).to_have_text("root")
    page.get_by_role("link", name="Users and roles").click()
    expect(page.locator("h2", has_text="Users and roles")).to_be_visible()
    assert cells(page, "Users") == [["ada", "reader"], ["root", "admin"]]
    assert cells(page, "Roles") == [
        ["admin", "do everything"],
        ["public", "do nothing"],
        ["reader", "Query on notes of default"],
    ]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#main")).to_be_empty()
    page.reload()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        *(0, 0, "")
    ]
    _only_refusals(visit)


def test_login_stays_until_somebody_is_in(visit: Visit, guarded: str) -> None:
    page = visit(guarded)
    for _ in range(3):
        expect(page.get_by_label("User", exact=True)).to_be_focused()
        page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_visible()
    log_in(page, "root", PASSWORD)
    expect(page.locator("#who")).to_have_text("root")
    expect(page.get_by_role("dialog")).to_be_hidden()
    _only_refusals(visit)


def test_late_refusal_does_not_log_out(visit: Visit, guarded: str) -> None:
    page = visit(guarded)
    expect(page.get_by_role("dialog")).to_be_visible()
    held: list[Route] = []
    page.route("**/databases/list", lambda route: route.continue_() if held else held.append(route))
    log_in(page, "root", "wrong")
    log_in(page, "root", PASSWORD)
    expect(page.locator("#who")).to_have_text("root")
    with page.expect_response("**/databases/list"):
        held[0].continue_()
    page.get_by_role("link", name="Users and roles").click()
    expect(page.locator("h2", has_text="Users and roles")).to_be_visible()
    _only_refusals(visit)


def test_token_logs_in_and_is_not_shown(visit: Visit, guarded: str) -> None:
    root = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Bearer {root}"}
    made = RestClient(guarded).post("tokens/create", headers, name="page")["data"]
    page = visit(guarded)
    page.get_by_text("With a token instead").click()
    page.get_by_label("Token").fill(made["token"])
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#who")).to_have_text("by a token")
    expect(page.locator("#collections a")).to_have_text(["notes0"])
    assert made["token"] not in page.content()
    _only_refusals(visit)


def test_users_see_what_they_may_and_are_told_what_they_may_not(visit: Visit, guarded: str) -> None:
    page = visit(f"{guarded}/ui/#default/notes/rows")
    page.get_by_text("With a token instead").click()
    page.get_by_label("Token").fill("ada:lovelace")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".empty")).to_have_text("There are no rows yet.")
    expect(page.locator("#collections a")).to_have_text(["notes"])
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("region", name="Fields")).to_be_visible()
    page.get_by_role("link", name="Health and calls").click()
    expect(page.get_by_role("alert")).to_contain_text("permission deny to ada")
    _only_refusals(visit)


def _only_refusals(visit: Visit) -> None:
    """Chromium writes answers with status 401 and 403 to the console by itself."""
    assert {re.sub(r"\D", "", said) for said in visit.complaints} <= {"401", "403"}
    visit.complaints.clear()


def test_server_that_is_gone_is_said(visit: Visit) -> None:
    with Running(Settings(":memory:", port=0, metrics_port=None)) as running:
        page = visit(f"http://127.0.0.1:{running.ports.rest}")
        expect(page.locator("h2", has_text="Database default")).to_be_visible()
    page.get_by_role("link", name="Health and calls").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    visit.complaints.clear()  # Chromium writes the failed requests to the console.


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_page_is_accessible_and_fits(visit: Visit, uri: str, scheme: str, width: int) -> None:
    page = visit(uri, width, color_scheme=scheme)
    for hash_, ready in {
        "#default/passages": "h3",
        "#default/passages/rows": ".pager",
        "#default/passages/search/2": ".hit",
        "#!server": "table",
    }.items():
        page.goto(f"{uri}/ui/{hash_}")
        page.locator(f"main:not([aria-busy]) {ready}").first.wait_for()
        assert violations(page) == [], hash_
        assert overflow(page) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_routes_are_accessible_and_fit(visit: Visit, uri: str, scheme: str) -> None:
    page = visit(f"{uri}/docs", 360, color_scheme=scheme)
    page.locator("summary").first.click()
    assert violations(page) == []
    assert overflow(page) == 0


def test_login_is_accessible(visit: Visit, guarded: str) -> None:
    page = visit(guarded)
    log_in(page, "root", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []
    _only_refusals(visit)


def test_everything_is_reached_by_keyboard(visit: Visit, uri: str) -> None:
    page = visit(uri)
    expect(page.locator("#collections a").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.locator("#collections a", has_text="passages").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Search", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Query").fill("whales")
    page.get_by_label("Filter").press("Enter")
    expect(page.locator(".hit").first).to_be_visible()


def test_files_of_the_page_restrict_it(uri: str) -> None:
    for path in ("/ui/", "/ui/static/app.js", "/ui/none"):
        try:
            answer = urllib.request.urlopen(f"{uri}{path}")
        except urllib.error.HTTPError as error:
            answer = error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert HEADERS.items() <= headers.items()
