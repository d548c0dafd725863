"""The page of ``stats --html`` in a real browser: it works, and nothing in a store acts there."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from synthstore.render.html import page
from synthstore.stats.atlas import CAP
from synthstore.stats.gathering import Portrait, stats
from synthstore.testing.stores import Built, build
from synthstore.verify import LookOptions
from tests.program import spawn

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

HOSTILE = (
    "</script><script>document.title='owned'</script>"
    "<img src=http://127.0.0.1:9/x onerror=\"document.title='owned'\">"
    '" onmouseover="document.title=\'owned\'" {{ 7*7 }} \x1b[31m \u202e'
)


@dataclass(slots=True)
class Tab:
    """One page that is open, and what it did."""

    page: api.Page  # type: ignore[name-defined]
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, file: Path) -> None:
        """Show a file."""
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())

    def rows(self) -> int:
        """Findings that can be seen."""
        return int(self.page.locator("#findings tbody tr:visible").count())

    def paper(self) -> str:
        """The colour behind it all."""
        return str(self.page.evaluate("getComputedStyle(document.body).backgroundColor"))


@dataclass(frozen=True, slots=True)
class Pages:
    """A store, and the pages that were made of it."""

    store: Built
    page: Path
    large: Path
    """As a store of 20,000 memories, each with a finding, would give it."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    folder = tmp_path_factory.mktemp("pages")
    store = hostile(folder / "store")
    repo, small, large = (folder / name for name in ("repo", "page.html", "large.html"))
    assert spawn("backup", store.root, "--repo", repo).returncode == 0
    assert spawn("stats", store.root, "--repo", repo, "--html", small).returncode == 0
    portrait = asyncio.run(stats(store.root, LookOptions(fail_on=None), mapped=True))
    large.write_text(page(grown(portrait)))
    return Pages(store, small, large)


def hostile(root: Path) -> Built:
    """A store with damage of several kinds, and with text that would like to be more."""
    built = build("native", root, memories=14)
    built.edit(built.memories[0], lambda doc: doc.update(content=HOSTILE))
    for name in built.memories[8:11]:
        built.file(name).unlink()
    built.edit(built.memories[1], lambda doc: doc.update(quickrecal_score=7.5))
    (root / "memories" / "<img src=x onerror=alert(1)>.json").write_text("{}")
    return built


@pytest.fixture(scope="module")
def browser(pages: Pages) -> Iterator[api.Browser]:  # type: ignore[name-defined]
    """After the pages: while it runs, its event loop is the thread's own."""
    with api.sync_playwright() as playwright:
        # Its own sandbox does not start for root.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: api.Browser) -> Iterator[Tab]:  # type: ignore[name-defined]
    shown = browser.new_page(color_scheme="light")
    yield Tab(shown)
    shown.close()


def test_it_works(tab: Tab, pages: Pages) -> None:
    store, file = pages.store, pages.page
    tab.open(file)
    everything = tab.rows()
    assert everything >= 4
    tab.page.fill("#filter", store.memories[8])
    assert tab.rows() == 1
    tab.page.fill("#filter", "")
    tab.page.select_option("#severity", "error")
    assert 3 <= tab.rows() < everything
    tab.page.select_option("#severity", "")
    tab.page.click("button.code[data-code=M001]")
    assert tab.rows() == 3
    assert tab.page.text_content("#shown") == "3 shown"
    tab.page.click("button.code[data-code=M001]")
    assert tab.rows() == everything

    point = tab.page.locator(f'#points circle[data-name="memory {store.memories[2]}"]')
    point.hover(force=True)
    hover = tab.page.locator("#hover")
    assert hover.is_visible()
    assert store.memories[2] in str(hover.text_content())
    assert store.docs[store.memories[2]]["content"][:40] in str(hover.text_content())
    before = point.evaluate("e => getComputedStyle(e).fill")
    tab.page.select_option("#by", "score")
    assert point.evaluate("e => getComputedStyle(e).fill") != before
    tab.page.mouse.move(1, 1)
    assert not hover.is_visible()

    assert tab.page.locator("#timeline circle").count() == 1
    assert tab.page.locator(".plots figure").count() == 5
    light = tab.paper()
    tab.page.click("#theme")
    assert tab.paper() != light
    tab.page.click("#theme")
    assert tab.paper() == light
    assert tab.requests == [file.as_uri()]
    assert tab.complaints == []


def test_it_follows_the_system_s_colours(
    browser: api.Browser,  # type: ignore[name-defined]
    pages: Pages,
) -> None:
    papers = set()
    for scheme in ("light", "dark"):
        shown = Tab(browser.new_page(color_scheme=scheme))
        shown.open(pages.page)
        papers.add(shown.paper())
        shown.page.close()
    assert len(papers) == 2


def test_hostile_content_stays_text(tab: Tab, pages: Pages) -> None:
    store, file = pages.store, pages.page
    tab.open(file)
    point = tab.page.locator(f'#points circle[data-name="memory {store.memories[0]}"]')
    point.hover(force=True)
    tab.page.wait_for_timeout(100)
    shown = str(tab.page.locator("#hover p").text_content())
    assert shown.startswith("</script><script>document.title=")
    assert "{{ 7*7 }}" in shown
    assert "\x1b" not in shown
    assert "<img src=x" in str(tab.page.locator("#findings").text_content())
    assert "owned" not in tab.page.title()
    assert tab.page.locator("img").count() == 0
    assert tab.page.locator("script").count() == 1
    assert tab.requests == [file.as_uri()]
    assert tab.complaints == []


def test_its_policy_stops_what_would_get_in(tab: Tab, pages: Pages, tmp_path: Path) -> None:
    file = tmp_path / "broken.html"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        caller = HOSTILE.replace(":9/", f":{server.getsockname()[1]}/")
        file.write_text(pages.page.read_text().replace("<main>", f"<main>{caller}", 1))
        tab.open(file)
        tab.page.wait_for_timeout(200)
        assert tab.page.locator("img").count() == 1
        assert "owned" not in tab.page.title()
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


def test_a_page_of_twenty_thousand_stays_usable(tab: Tab, pages: Pages) -> None:
    assert pages.large.stat().st_size < 2_000_000
    tab.open(pages.large)
    assert tab.page.locator("#points circle").count() == CAP
    assert "2,000 of 20,000" in str(tab.page.locator("#map").text_content())
    assert "The first 2,000 of 20,000" in str(tab.page.locator("#findings").text_content())
    spent = tab.page.evaluate(
        """() => {
            const filter = document.querySelector("#filter");
            const start = performance.now();
            filter.value = "id-012";
            filter.dispatchEvent(new Event("input"));
            document.body.offsetHeight;
            return performance.now() - start;
        }"""
    )
    assert spent < 2_000
    assert tab.rows() == 100


def grown(portrait: Portrait) -> Portrait:
    """The same, as a store of 20,000 with as many findings would give it."""
    told, atlas = portrait.stats, portrait.atlas
    one = told.report.findings[0]
    subjects = (replace(one.subject, id=f"id-{n:05}") for n in range(20_000))
    findings = tuple(replace(one, subject=subject) for subject in subjects)
    spots = np.random.default_rng(1).uniform(-1, 1, (CAP, 2))
    points = tuple(
        replace(atlas.points[0], id=f"id-{n:05}", x=float(x), y=float(y), text="word " * 32)
        for n, (x, y) in enumerate(spots)
    )
    return Portrait(
        replace(told, report=replace(told.report, findings=findings)),
        replace(atlas, points=points, placed=20_000),
    )
