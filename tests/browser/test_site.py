"""The site as a reader has it who has only its folder: no network, no kernel."""

import re

import pytest

from tools.ledger import claims
from tools.notebooks import read
from tools.website import build, chapters, linked, texts

pytestmark = [pytest.mark.browser, pytest.mark.long]

# A colour's brightness, 0 to 255.
BRIGHT = """(part, name) => {
    const [r, g, b] = getComputedStyle(part)[name].match(/[0-9.]+/g).map(Number);
    return 0.299 * r + 0.587 * g + 0.114 * b;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return folder


@pytest.fixture
def visit(new_page, site):
    """Opens a page of the site from its file; `page.failed` and `page.asked` stay empty."""

    def make(name, **options):
        page = new_page(offline=True, **options)
        page.failed, page.asked = [], []
        page.on("requestfailed", lambda request: page.failed.append(request.url))
        own = ("file:", "data:", "blob:")
        page.on("request", lambda r: r.url.startswith(own) or page.asked.append(r.url))
        page.goto((site / name).as_uri())
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")
        return page

    return make


def broken_links(page, site):
    """The addresses on a page that lead to no file of the site."""
    addresses = page.locator("article a[href]").evaluate_all("all => all.map(link => link.href)")
    files = [a.partition("#")[0] for a in addresses if a.startswith("file:")]
    return [file for file in files if not site.__class__(file.removeprefix("file://")).is_file()]


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_needs_nothing_from_outside_draws_its_mathematics_and_moves(visit, site, path):
    page = visit(f"notebooks/{path.stem}.html")
    text = page.locator("article").inner_text()
    has_tex = any("$" in c.source for c in read(path).cells if c.cell_type == "markdown")
    assert (page.locator("mjx-container svg").count() > 0) == has_tex
    assert page.locator("mjx-merror").count() == 0
    assert not re.search(r"\$\$|\\mathrm|\\phi", text), "TeX that was not drawn"
    slider = page.get_by_role("slider").first
    picture = slider.locator("xpath=ancestor::figure").locator("img")
    before = picture.get_attribute("alt")
    slider.focus()
    last = slider.evaluate("input => input.value === input.max")
    page.keyboard.press("ArrowLeft" if last else "ArrowRight")
    assert picture.get_attribute("alt") != before
    assert broken_links(page, site) == []
    assert (page.failed, page.asked, page.complaints) == ([], [], [])


@pytest.mark.parametrize("name", [name.removesuffix(".md") for name in texts().values()])
def test_every_other_page_needs_nothing_from_outside_and_its_links_lead_somewhere(
    visit, site, name
):
    page = visit(f"{name}.html")
    broken = page.locator("article img").evaluate_all(
        "all => all.filter(image => !image.naturalWidth).map(image => image.src)"
    )
    assert broken == []
    assert broken_links(page, site) == []
    assert (page.failed, page.asked, page.complaints) == ([], [], [])


def test_the_ledger_unfolds_as_a_table(visit):
    page = visit("index.html")
    words = page.get_by_text("The ledger", exact=True)
    table = page.locator("details").filter(has=words).locator("table")
    assert not table.is_visible()
    words.click()
    rows = [row.inner_text() for row in table.locator("tbody tr").all()]
    assert len(rows) == len(claims())
    assert all(claim.verdict in row for claim, row in zip(claims(), rows, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_and_code_can_be_read_on_a_light_and_on_a_dark_page(visit, theme):
    page = visit("notebooks/03_focus_ability.html", color_scheme=theme)
    ground = page.locator("body").evaluate(BRIGHT, "backgroundColor")
    assert (ground > 200) == (theme == "light")
    for part in ("article p", ".jp-OutputArea-output pre", "mjx-container", ".jp-InputArea pre"):
        words = page.locator(part).first.evaluate(BRIGHT, "color")
        assert abs(words - ground) > 110, f"{part} can hardly be read"
    card = page.locator("figure.explore").first
    assert card.evaluate(BRIGHT, "backgroundColor") == pytest.approx(255)
    assert card.evaluate(BRIGHT, "color") < 60


def test_links_to_files_that_are_no_pages_become_words():
    text = "[code](flatten_edu/paper.py), [one](notebooks/01_softmax_attention.ipynb#x), [web](https://a.org)"
    assert linked(text, "README.md") == (
        "code, [one](notebooks/01_softmax_attention.ipynb#x), [web](https://a.org)"
    )
