"""Artificial English for the miniature documents: word lists, a small probabilistic grammar and its lexicon.

Content words are grouped into circles of related words. A topic (the class of a document) is a list of scenes; a scene
assigns a circle to each kind of word. For example, in one scene of one topic, nouns come from the circle of "engine",
adjectives from that of "temple" and verbs from that of "stadium". All words occur in all topics. Topics differ in the
words that occur in the same sentence and, less so, in word frequencies, because some scenes are more frequent.
"""

import re
from collections.abc import Sequence
from random import Random


def _split(table: dict[str, str]) -> dict[str, list[str]]:
    return {key: words.split() for key, words in table.items()}


# One table per circle: kind of content word -> words. All are inflected by appending an ending (see FORMS).
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

# Penn tag -> kind of word and ending.
FORMS = {
    "NN": ("NN", ""),
    "NNS": ("NN", "s"),
    "VB": ("VB", ""),
    "VBD": ("VB", "ed"),
    "JJ": ("JJ", ""),
    "RB": ("RB", ""),
}

# Penn tag -> words that are equally likely in all topics.
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

# A Penn tag in a pattern is replaced by a word with that tag; everything else is literal.
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
# Sentences without words of the topic.
REMARKS = (
    "Thanks in advance!",
    "I read this with great interest.",
    "Someone told me so in a café.",
    "I may be wrong about it.",
    'My short answer is "maybe".',
    "Please write to me if you know more.",
    "It is a naïve question, but here it is.",
)
# Penn tag -> literal words of patterns and remarks.
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

SCENE_WEIGHTS = (4, 2, 1, 1, 1)  # relative frequencies of the scenes of a topic
FAITHFULNESS = 0.9  # probability that a content word comes from the circle of its scene, not from a random one

Scene = dict[str, int]  # kind of word -> index of its circle
Topic = list[Scene]


def draw_topic(generator: Random) -> Topic:
    """Draws the scenes of a topic, most frequent first. Over its scenes, each kind of word uses each circle once."""
    circles = range(len(CIRCLES))
    columns = [generator.sample(circles, len(circles)) for _ in KINDS]
    return [dict(zip(KINDS, scene, strict=True)) for scene in zip(*columns, strict=True)]


def draw_sentence(patterns: Sequence[str], topic: Topic, generator: Random) -> str:
    """Draws a pattern and fills it with words of one scene of the topic.

    >>> generator = Random(0)
    >>> draw_sentence(["DT NN VBD PRP$ NN."], draw_topic(generator), generator)
    'Every prophet honored our verdict.'
    """
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
    """Returns the text with its first letter in upper case; the others are unchanged.

    >>> capitalised("the VOC")
    'The VOC'
    """
    return text[:1].upper() + text[1:]


def lexicon() -> dict[str, str]:
    """Returns word -> Penn tag, for words within and at the start of a sentence. Every word has one tag.

    >>> lexicon()["Engines"]
    'NNS'
    """
    tagged = [(word, tag) for words in (FUNCTION_WORDS, SPELT_WORDS) for tag in words for word in words[tag]]
    for tag, (kind, ending) in FORMS.items():
        tagged += [(word + ending, tag) for circle in CIRCLES for word in circle[kind]]
    return {form: tag for word, tag in tagged for form in (word, capitalised(word))}
