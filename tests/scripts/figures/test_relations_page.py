import base64
import io
import json
import re
import sys
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from data.common.errors import UserError, run_command
from scripts.figures import relations_page
from scripts.figures.attended import read_together
from scripts.figures.relations_page import LONG_SIDE, TEMPLATE, fill_template, jpeg_uri, make_page, script_json
from tests.attended_files import SHIFT, write_pair
from tests.browser import CHROMEDRIVER, CHROMIUM, open_browser

NASTY = """q'"<b>&é </script><!-- {{style}} #1+.jpg""".replace("/", "∕")
CLASSES = np.array(["</script><b>cat</b>", "dog 'n' \"dog\""])
LEFT_OUT = np.array(["cut.jpg: not an image <i>"])


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return [folder / "one.jpg", folder / NASTY, folder / "three.png"]


@pytest.fixture(scope="module")
def page(images):
    """A page of three images and two networks."""
    files = read_together(write_pair(images[0].parent, images, classes=CLASSES, left_out=LEFT_OUT))
    path = images[0].parent / "page.html"
    path.write_text(make_page(files, 0.3, 'A "page" </title> {{content}}'), encoding="utf-8")
    return path


def content_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="content" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


# --- the HTML file --------------------------------------------------------------------------------------------------


def test_page_contains_images_networks_and_objects(page):
    content = content_of(page)
    assert [image["name"] for image in content["images"]] == ["one.jpg", NASTY, "three.png"]
    assert content["leftOut"] == LEFT_OUT.tolist()
    assert [network["variant"] for network in content["networks"]] == ["fan-unsup", "fan-sup"]
    sup = content["images"][0]["networks"][1]
    assert [each["category"] for each in sup["regions"]] == [CLASSES[label] for label in (0, 1, 1, 0)]
    cat, dog = sup["objects"]
    assert sup["regions"][cat["region"]]["box"] == [10 + SHIFT, 10, 49 + SHIFT, 49]
    assert cat["attended"][0] == {"region": dog["region"], "weight": 0.6, "text": "0.600"}
    assert (cat["selfWeight"], cat["rowMass"], cat["overlap"]) == ("0.100", "0.600", 0.82)
    assert [each["text"] for each in dog["attended"]] == ["0.750", "0.049", "<0.001"]


def test_names_are_escaped_and_their_placeholders_left_alone(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("</script>") == 2 and "<!--" not in text
    assert "<title>A &quot;page&quot; &lt;/title&gt; {{content}}</title>" in text
    assert "{{style}}" in content_of(page)["images"][1]["name"]
    assert json.loads(script_json("</script><!--")) == "</script><!--"


def test_every_placeholder_is_filled():
    limits = dict.fromkeys(("score", "objects", "kept", "side", "overlap"), 1)
    assert "{{" not in fill_template("title", {}, limits)
    assert set(re.findall(r"{{(\w+)}}", TEMPLATE.read_text())) == {*limits, "title", "style", "script", "content"}


def test_page_refers_to_nothing_outside(page):
    outside_data = page.read_text(encoding="utf-8").replace(
        "http://www.w3.org/2000/svg", ""
    )  # a namespace, not a request
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", re.sub(r'"data:[^"]*"', "", outside_data))
    assert "default-src 'none'; img-src data:" in outside_data


def test_large_images_are_reduced():
    for shape, size in [((400, 1600, 3), (LONG_SIDE, LONG_SIDE // 4)), ((30, 40, 3), (40, 30))]:
        uri = jpeg_uri(np.zeros(shape, np.uint8), LONG_SIDE, quality=80)
        assert Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).size == size


def test_changed_images_are_refused(tmp_path):
    image = tmp_path / "a.jpg"
    files = read_together(write_pair(tmp_path, [image]))
    Image.new("RGB", (30, 20)).save(image)
    with pytest.raises(UserError, match="a.jpg: .*30 x 20 .*200 x 100"):
        make_page(files, 0.3, "title")


def test_command_writes_the_page(tmp_path, monkeypatch, capsys):
    files = write_pair(tmp_path, [tmp_path / "a.jpg"], left_out=LEFT_OUT)
    out = tmp_path / "page.html"
    for score, code in (("0.5", 0), ("2", 2), ("x", 2)):
        monkeypatch.setattr(sys, "argv", ["page", *map(str, files), "--out", str(out), "--score", score])
        try:
            run_command(relations_page.main)
        except SystemExit as exit:
            assert exit.code == code and "--score" in capsys.readouterr().err
        else:
            assert code == 0 and capsys.readouterr().out.startswith(f"written: {out} (1 images")
    assert "score of at least 0.5," in out.read_text()


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chromium, page):
    """Reloads the page on a wide screen."""
    chromium.resize(1400, 1000)
    show(chromium, page)
    return chromium


def show(browser, page, address=""):
    browser.open("about:blank")  # otherwise a new address does not reload the page
    browser.open(page.as_uri() + address)


def weights(browser):
    """The weights in the lists and on the regions of each visible network, best first."""
    lists, marks = browser.run(
        "const texts = (panel, what) => [...panel.querySelectorAll(what)].map((each) => each.textContent);"
        "const panels = [...document.querySelectorAll('.panel')].filter((panel) => !panel.hidden);"
        "return ['.weight', '.region span'].map((what) => panels.map((panel) => texts(panel, what)))"
    )
    assert lists == [panel[::-1] for panel in marks]  # the strongest is on top
    return lists


def state(browser):
    """Name of the image, number of the object in the address, and status line."""
    return browser.run(
        "const wanted = new URLSearchParams(location.hash.slice(1));"
        "return [document.getElementById('name').textContent, wanted.get('object'),"
        " document.getElementById('status').textContent]"
    )


CAT_UNSUP, CAT_SUP = ["0.300", "0.150"], ["0.600", "0.050"]
SECOND_CAT = ".panel:nth-child(2) .object:nth-of-type(1)"


def test_clicking_an_object_shows_its_weights_in_both_networks(browser):
    assert weights(browser) == [[], []] and state(browser)[:2] == ["one.jpg (1 of 3)", None]
    browser.click(SECOND_CAT)
    assert weights(browser) == [CAT_UNSUP, CAT_SUP]
    assert state(browser) == ["one.jpg (1 of 3)", "1", "Object 1 of 2."]
    browser.click(".panel:nth-child(1) .object:nth-of-type(2)")
    assert weights(browser) == [["0.500", "0.060", "0.040"], ["0.750", "0.049", "<0.001"]]
    current = browser.run("return [...document.querySelectorAll('.object[aria-current]')].map((each) => each.title)")
    assert current == [f"object 2: {CLASSES[1]} 0.80"] * 2


def test_positions_and_line_widths_of_regions(browser):
    browser.click(SECOND_CAT)
    boxes, widths, lines = browser.run(
        "const picture = document.querySelector('.panel:nth-child(2) .picture');"
        "const around = picture.getBoundingClientRect();"
        "const marks = [...picture.querySelectorAll('.region')].reverse();"
        "const box = (each) => { const at = each.getBoundingClientRect(); return [at.left - around.left, at.top -"
        " around.top, at.width, at.height].map((side) => side * 200 / around.width) };"
        "return [marks.map(box), marks.map((each) => parseFloat(getComputedStyle(each).borderWidth)),"
        " [...picture.querySelectorAll('line')].map((each) => parseFloat(each.style.strokeWidth))]"
    )
    np.testing.assert_allclose(boxes, [[100 + SHIFT, 20, 60, 60], [60 + SHIFT, 60, 31, 36]], atol=0.1)
    assert widths[0] > widths[1] and lines == pytest.approx([6, 1 + 5 * 0.05 / 0.6], rel=1e-4)


def test_number_of_regions_and_repeats(browser):
    browser.click(SECOND_CAT)
    set_control = (
        "const control = document.getElementById(arguments[0]); Object.assign(control, arguments[1]);"
        "control.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    browser.run(set_control, "distinct", {"checked": False})
    assert weights(browser) == [["0.300", "0.150", "0.050"], ["0.600", "0.250", "0.050"]]
    browser.run(set_control, "count", {"value": 1})
    assert weights(browser) == [["0.300"], ["0.600"]]
    assert browser.run("return document.getElementById('count-text').textContent") == "1"


def test_choice_of_networks(browser):
    browser.click(SECOND_CAT)
    for choice, expected in (("1", [CAT_SUP]), ("0", [CAT_UNSUP]), ("all", [CAT_UNSUP, CAT_SUP])):
        browser.click(f"input[value='{choice}']")
        assert weights(browser) == expected


def test_arrow_keys_change_the_image_except_in_inputs(browser):
    browser.click(SECOND_CAT)
    browser.press("ArrowRight")
    assert state(browser)[:2] == [f"{NASTY} (2 of 3)", None] and weights(browser) == [[], []]
    browser.press("ArrowLeft", "ArrowLeft")
    assert state(browser)[0] == "three.png (3 of 3)"
    browser.click("#count")
    browser.press("ArrowRight")
    assert state(browser)[0] == "three.png (3 of 3)"
    browser.click("#thumbnails a:nth-child(1)")
    assert state(browser)[0] == "one.jpg (1 of 3)"


def test_tab_enter_and_escape_select_objects(browser):
    browser.run("document.getElementById('distinct').focus()")
    browser.press("Tab", "Enter")
    assert state(browser)[1] == "1" and weights(browser) == [CAT_UNSUP, CAT_SUP]
    name = browser.run("return document.activeElement.getAttribute('aria-label')")
    assert name == f"object 1: {CLASSES[0]} 0.90"
    browser.press("Tab", "Enter")
    assert state(browser)[1] == "2"
    browser.press("Tab")  # objects of the other network are skipped
    assert not browser.run("return document.activeElement.matches('.object')")
    browser.press("Escape")
    assert state(browser)[1] is None and weights(browser) == [[], []]


def test_addresses_select_image_and_object(browser, page):
    show(browser, page, f"#image={quote(NASTY)}&object=1")
    assert state(browser) == [f"{NASTY} (2 of 3)", "1", "Object 1 of 2."]
    assert weights(browser) == [CAT_UNSUP, CAT_SUP]
    for address, named in [
        ("#image=four.jpg&object=1", "image four.jpg"),
        ("#image=one.jpg&object=9", "object 9"),
        ("#image=one.jpg&object=x", "object x"),
    ]:
        show(browser, page, address)
        assert named in state(browser)[2] and weights(browser) == [[], []]


def test_narrow_screens_show_one_network_without_scrolling(browser, page):
    browser.resize(360, 740)
    show(browser, page, "#image=one.jpg&object=1")
    assert weights(browser) == [CAT_SUP]
    assert browser.run("return document.documentElement.scrollWidth") <= 360


def test_elements_are_named_and_skipped_images_listed(browser):
    unnamed = browser.run(
        "return [...document.querySelectorAll('a, input, nav, img')].filter((each) =>"
        " !(each.ariaLabel || each.alt || each.querySelector('img')?.alt || each.labels?.[0].textContent.trim()))"
    )
    assert unnamed == []
    assert browser.run("return document.getElementById('left-out').textContent").endswith(LEFT_OUT[0])


def test_no_requests_and_no_errors(browser, page):
    browser.log("browser")
    browser.log("performance")
    show(browser, page, "#image=one.jpg&object=1")
    browser.press("ArrowRight", "ArrowRight")
    messages = [json.loads(entry)["message"] for entry in browser.log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in [address.partition("#")[0] for address in asked]
    assert {address.partition(":")[0] for address in asked} <= {"file", "data", "about"}
    assert browser.log("browser") == []
