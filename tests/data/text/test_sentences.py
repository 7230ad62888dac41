import tarfile
from dataclasses import replace
from itertools import islice
from pathlib import Path

import nltk
import pytest
from nltk.tag import PerceptronTagger
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktTokenizer

from data.common.errors import UserError
from data.download.unpack import copy
from data.text import sentences as text
from data.text.newsgroups import ARCHIVE
from data.text.recipe import TextRecipe
from data.text.sentences import CATEGORIES, TextAnalyser, Word

LEXICON = """\
dog\tNN
dogs\tNNS
Rex\tNNP
barks\tVBZ
bark\tVB
loud\tJJ
louder\tJJR
loudly\tRB
up\tRP
the\tDT
Polish\tJJ
polish\tVB
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "lexicon.tsv").write_text(LEXICON)
    return tmp_path


def words(analyser: TextAnalyser, post: str) -> list[list[str]]:
    return [[word.text for word in sentence] for sentence in analyser.analyse(post)]


def categories(analyser: TextAnalyser, post: str) -> list[str]:
    return [CATEGORIES[word.category] for sentence in analyser.analyse(post) for word in sentence]


@pytest.mark.parametrize(
    ("post", "sentences"),
    [
        ("Rex barks. The Dogs bark, loudly!", [["rex", "barks"], ["the", "dogs", "bark", "loudly"]]),
        ("the dog\nbarks", [["the", "dog", "barks"]]),
        ("the dog\n\nbarks", [["the", "dog"], ["barks"]]),
        ("the dog\n \t\nbarks", [["the", "dog"], ["barks"]]),
        ("the dog\r\n\r\nbarks", [["the", "dog"], ["barks"]]),
        ("Dogs.\n\n----\n\n! ! !\n\nBark.", [["dogs"], ["bark"]]),
        (
            'A -- "b" (c), 42 % of $3.50 ... é _ ½ * don\'t',
            [["a", "b", "c", "42", "of", "3.50", "é", "½", "do", "n't"]],
        ),
        ("", []),
        ("   \n\n \n", []),
        ("... -- !!! ?\n\n***", []),
    ],
)
def test_sentences_of_a_text(recipe, root, post, sentences):
    assert words(TextAnalyser(recipe, root), post) == sentences


def test_categories_follow_the_tags_of_the_cased_words(recipe, root):
    analyser = TextAnalyser(recipe, root)
    assert categories(analyser, "dog dogs Rex barks bark loud louder loudly up the unheard") == (
        ["noun"] * 3 + ["verb"] * 2 + ["adjective"] * 2 + ["adverb"] + ["other"] * 3
    )
    assert categories(analyser, "Polish dogs polish") == ["adjective", "noun", "verb"]


def test_sentences_and_words_are_limited(recipe, root):
    analyser = TextAnalyser(replace(recipe, max_sentences=2, max_words=3), root)
    assert words(analyser, "- the - loud - dog - barks.\n\n!\n\nup. Rex\n\nlast") == [["the", "loud", "dog"], ["up"]]
    analyser = TextAnalyser(recipe, root)
    cut = words(analyser, "\n\n".join(["dog " * 40] * 20))
    assert [len(sentence) for sentence in cut] == [30] * 15


def test_texts_are_analysed_independently(recipe, root):
    analyser = TextAnalyser(replace(recipe, max_sentences=2), root)
    posts = ["Rex barks. The Dogs bark, loudly! up", "", "...", "the loud dog"]
    together = analyser.analyse_many(posts)
    assert [[len(sentence) for sentence in sentences] for sentences in together] == [[2, 4], [], [], [3]]
    assert together == [analyser.analyse(post) for post in posts]
    assert analyser.analyse_many([]) == []


def test_words_contain_no_white_space(recipe, root):
    odd = "".join(
        map(chr, [*range(0x20), 0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x200B, 0x2028, 0x2029, 0x3000, 0xFEFF, 0x130])
    )
    post = " ".join(f"a{character}b" for character in odd)
    found = [word for sentence in words(TextAnalyser(replace(recipe, max_words=200), root), post) for word in sentence]
    assert len(found) > len(odd)
    assert all(word and word.split() == [word] for word in found)
    assert "\n".join(found).split("\n") == found


def refusal(recipe: TextRecipe, root: Path) -> str:
    with pytest.raises(UserError) as error:
        TextAnalyser(recipe, root)
    return str(error.value)


TAGGER = "nltk_data/taggers/averaged_perceptron_tagger_eng/averaged_perceptron_tagger_eng"


def test_missing_or_damaged_nltk_data_get_one_line(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [])
    for changes in ({"sentences": "punkt"}, {"tagger": "perceptron"}):
        refused = refusal(replace(recipe, **changes), tmp_path)
        assert refused.startswith(f"{tmp_path}/nltk_data: ")
        assert refused.endswith(f"scripts/get_data.sh nltk --data {tmp_path}")
    (tmp_path / TAGGER).parent.mkdir(parents=True)
    for name in ("weights", "tagdict", "classes"):
        (tmp_path / f"{TAGGER}.{name}.json").write_text('{"cut":')
    assert refusal(replace(recipe, tagger="perceptron"), tmp_path) == refused


@pytest.mark.parametrize(("content", "place"), [(None, ""), ("dog\tNN\ncat\n", "line 2 "), ("", "")])
def test_a_missing_or_malformed_lexicon_is_refused(recipe, tmp_path, content, place):
    path = tmp_path / "lexicon.tsv"
    if content is not None:
        path.write_text(content)
    refused = refusal(recipe, tmp_path)
    assert refused.startswith(f"{path}: {place}")
    assert refused.endswith(f"python -m data.mini --out {tmp_path}")


# --- on real posts, with NLTK's own models ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def posts(shared) -> list[str]:
    """A few real posts."""
    with tarfile.open(shared / ARCHIVE) as tar:
        members = islice((member for member in tar if member.isfile()), 20)
        return [tar.extractfile(member).read().decode("latin-1") for member in members]


@pytest.fixture
def real_recipe(recipe):
    return replace(recipe, sentences="punkt", tagger="perceptron")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nltk_data/tokenizers/punkt_tab/english/abbrev_types.txt", ""),
        (f"{TAGGER}.weights.json", "{}"),
        (f"{TAGGER}.weights.json", "null"),
        (f"{TAGGER}.classes.json", "[]"),
    ],
)
def test_nltk_data_without_contents_are_refused(shared, tmp_path, monkeypatch, real_recipe, name, content):
    monkeypatch.setattr(nltk.data, "path", [])
    copy(shared / "nltk_data", tmp_path)
    TextAnalyser(real_recipe, tmp_path)
    (tmp_path / name).write_text(content)
    assert refusal(real_recipe, tmp_path).startswith(f"{tmp_path}/nltk_data: ")


def test_nltk_data_that_others_may_write_are_refused(shared, tmp_path, monkeypatch, real_recipe, recwarn):
    monkeypatch.setattr(nltk.data, "path", [])
    copy(shared / "nltk_data", tmp_path)
    (tmp_path / "nltk_data").chmod(0o775)
    assert "chmod -R go-w" in refusal(real_recipe, tmp_path)
    assert not recwarn.list


def analysed(posts: list[str], root: Path, recipe: TextRecipe) -> list[list[list[Word]]]:
    analyser = TextAnalyser(recipe, root)
    return [analyser.analyse(post) for post in posts]


def test_real_posts_are_split_and_tagged_as_by_nltk(shared, posts, real_recipe):
    analyser = TextAnalyser(replace(real_recipe, max_sentences=100_000, max_words=100_000), shared)
    punkt, tagger = PunktTokenizer("english"), PerceptronTagger()

    def words_by_nltk(sentence: str) -> list[Word]:
        tagged = tagger.tag(NLTKWordTokenizer().tokenize(sentence))
        kept = [(token, tag) for token, tag in tagged if any(map(str.isalnum, token))]
        return [Word(token.lower(), {"NN": 1, "VB": 2, "JJ": 3, "RB": 4}.get(tag[:2], 5)) for token, tag in kept]

    wanted = [
        [
            words
            for part in text.BLANK_LINES.split(post)
            for sentence in punkt.tokenize(part)
            if (words := words_by_nltk(sentence))
        ]
        for post in posts
    ]
    assert analyser.analyse_many(posts) == [analyser.analyse(post) for post in posts] == wanted


def test_words_are_tagged_as_in_the_whole_sentence(shared, posts, real_recipe, monkeypatch):
    whole = analysed(posts, shared, replace(real_recipe, max_words=100_000))
    short = replace(real_recipe, max_words=2)
    wanted = [[sentence[:2] for sentence in document] for document in whole]
    assert analysed(posts, shared, short) == wanted
    monkeypatch.setattr(text, "TAGGER_LOOKAHEAD", 1)
    assert analysed(posts, shared, short) != wanted
