"""Every Markdown file of the repository renders as intended: its tables parse and its relative links exist."""

import re
import subprocess
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
PARSER = MarkdownIt("commonmark").enable("table")  # GitHub's tables


def broken_tables(text: str) -> list[str]:
    """Paragraphs that look like rows of a table, which the parser did not accept as one."""
    inline = [token for token in PARSER.parse(text) if token.type == "inline"]
    return [token.content for token in inline if re.match(r"\|.*\|$", token.content, re.DOTALL)]


@pytest.mark.parametrize("page", PAGES)
def test_tables_parse(page):
    assert broken_tables((ROOT / page).read_text()) == []


def test_table_with_an_empty_line_is_found():
    assert broken_tables("| a | b |\n|---|---|\n| 1 | 2 |\n\n| 3 | 4 |\n") == ["| 3 | 4 |"]


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_exist(page):
    targets = []
    for token in PARSER.parse((ROOT / page).read_text()):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target and "://" not in target:
                targets.append(str(target))
    missing = [target for target in targets if not _exists(page, target)]
    assert missing == []


def _exists(page: str, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    if not file.exists():
        return False
    return not anchor or anchor in _anchors(file.read_text())


def _anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings: lower case, punctuation removed, spaces as hyphens."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}
