"""A made-up English for the miniature documents: word lists, a small probabilistic grammar, and its lexicon.

Content words come in circles of words at home together. A topic, which is the class of a document, is a list
of scenes, and a scene says from which circle it takes each kind of word: in one scene of one topic the nouns
come from the engine's circle, the adjectives from the temple's and the verbs from the stadium's. Every topic
writes every word. What tells topics apart is which words meet within a sentence and, more weakly, which
words come often, since a topic prefers some of its scenes.
"""

import re
from collections.abc import Sequence
from random import Random


def _split(table: dict[str, str]) -> dict[str, list[str]]:
    return {key: words.split() for key, words in table.items()}


# Kind of content word -> words, one table a circle. All are inflected by endings alone (see FORMS).
CIRCLES = [
    _split(circle)
    for circle in (
        {
            "NN": "engine circuit cable monitor printer",
            "VB": "repair install connect reboot",
            "JJ": "electric digital broken fast",
            "RB": "quickly manually neatly",
        },
        {
            "NN": "player helmet ticket season stadium",
            "VB": "kick attack defend collect",
            "JJ": "strong athletic rough famous",
            "RB": "fiercely easily boldly",
        },
        {
            "NN": "doctor muscle tablet heart nurse",
            "VB": "treat heal inject comfort",
            "JJ": "healthy painful nervous sick",
            "RB": "gently slowly carefully",
        },
        {
            "NN": "prophet temple senator verdict sermon",
            "VB": "elect pardon honor reject",
            "JJ": "holy legal ancient moral",
            "RB": "publicly solemnly truly",
        },
        {
            "NN": "rocket planet comet river forest",
            "VB": "launch orbit explain flood",
            "JJ": "lunar distant cold bright",
            "RB": "silently suddenly endlessly",
        },
    )
]
KINDS = ("NN", "VB", "JJ", "RB")

# Penn tag -> the kind of word it is a form of, and the ending of that form.
FORMS = {
    "NN": ("NN", ""),
    "NNS": ("NN", "s"),
    "VB": ("VB", ""),
    "VBD": ("VB", "ed"),
    "JJ": ("JJ", ""),
    "RB": ("RB", ""),
}

# Penn tag -> words that every topic draws alike.
FUNCTION_WORDS = _split(
    {
        "DT": "the this every another",
        "PRP": "I we they you",
        "PRP$": "my our their your",
        "MD": "will can must should might",
        "IN": "with from near under behind without",
        "CC": "and but while",
        "WRB": "why how when where",
    }
)

# A Penn tag in a pattern is a slot for a word with that tag; all else is written as it stands.
STATEMENTS = (
    "DT JJ NN RB VBD DT NN IN PRP$ NN.",
    "PRP RB VBD DT JJ NN IN DT NN.",
    "DT NN IN PRP$ JJ NN VBD DT NN RB.",
    "I think that PRP MD RB VB DT JJ NN.",
    "Most of the JJ NNS MD RB VB DT NN.",
    "DT NN VBD PRP$ NN, CC PRP RB VBD DT JJ NN.",
    "As far as I know, the RB JJ NNS VBD DT NN.",
    "It was DT RB JJ NN, CC PRP MD VB it.",
    "There are NNS IN DT JJ NN that MD RB VB PRP$ NN!",
)
QUESTIONS = (
    "WRB MD DT JJ NN RB VB DT NN?",
    "MD PRP RB VB DT JJ NN IN DT NN?",
    "Does anyone know WRB the JJ NNS RB VBD DT NN?",
    "Is there DT JJ NN that MD RB VB PRP$ NNS?",
)
# Sentences that say nothing of the topic, of which posts and answers are full.
REMARKS = (
    "Thanks in advance!",
    "I read this with great interest.",
    "Someone told me so in a café.",
    "I may be wrong about it.",
    'My short answer is "maybe".',
    "Please write to me if you know more.",
    "It is a naïve question, but here it is.",
)
# Penn tag -> words that patterns spell out.
SPELT_WORDS = _split(
    {
        "NN": "someone anyone advance interest answer question café",
        "NNS": "thanks",
        "VB": "be write",
        "VBP": "are know think",
        "VBZ": "is does",
        "VBD": "was told read",
        "JJ": "far great more naïve short wrong",
        "JJS": "most",
        "RB": "here maybe so",
        "UH": "please",
        "DT": "a",
        "EX": "there",
        "IN": "as of that in about if",
        "MD": "may",
        "PRP": "it me",
        "TO": "to",
    }
)
SLOT = re.compile(r"\b[A-Z]{2,}\b\$?")

# How often each scene of a topic comes, and how often a content word keeps to its scene's circle.
SCENE_WEIGHTS = (4, 2, 1, 1, 1)
FAITHFULNESS = 0.9

Scene = dict[str, int]  # Kind of word -> index of its circle.
Topic = list[Scene]


def draw_topic(generator: Random) -> Topic:
    """Draws a topic's scenes, most frequent first; each circle serves each kind of word in one of them."""
    circles = range(len(CIRCLES))
    columns = [generator.sample(circles, len(circles)) for _ in KINDS]
    return [dict(zip(KINDS, scene, strict=True)) for scene in zip(*columns, strict=True)]


def draw_sentence(patterns: Sequence[str], topic: Topic, generator: Random) -> str:
    """One of the patterns, capitalised, its slots filled with words of one scene of the topic."""
    scene = generator.choices(topic, SCENE_WEIGHTS)[0]
    pattern = generator.choice(patterns)
    return capitalised(SLOT.sub(lambda slot: _draw_word(slot.group(), scene, generator), pattern))


def _draw_word(tag: str, scene: Scene, generator: Random) -> str:
    if tag in FUNCTION_WORDS:
        return generator.choice(FUNCTION_WORDS[tag])
    kind, ending = FORMS[tag]
    circle = scene[kind] if generator.random() < FAITHFULNESS else generator.randrange(len(CIRCLES))
    return generator.choice(CIRCLES[circle][kind]) + ending


def capitalised(text: str) -> str:
    """The text with its first letter in upper case and the others as they are."""
    return text[:1].upper() + text[1:]


def lexicon() -> dict[str, str]:
    """Word, as written within and at the start of a sentence -> its Penn tag, of which it has only one."""
    tagged = [(word, tag) for words in (FUNCTION_WORDS, SPELT_WORDS) for tag in words for word in words[tag]]
    for tag, (kind, ending) in FORMS.items():
        tagged += [(word + ending, tag) for circle in CIRCLES for word in circle[kind]]
    return {form: tag for word, tag in tagged for form in (word, capitalised(word))}
