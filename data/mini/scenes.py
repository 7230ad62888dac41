"""The miniature's pictures: rendered scenes in which some categories keep company and others do not.

A person rides a bicycle, bottles stand on a table, cats sit beside a sofa; aeroplanes and sheep keep to themselves.
Every category has a shape, a pattern and a colour of its own; the ground is cluttered with the same shapes in grey.
Nothing here takes a sine or a power: sums, products and quotients have the same bits on every processor.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

LANDSCAPE, PORTRAIT = (160, 128), (128, 160)
PORTRAITS = 0.25  # share of the pictures
MARGIN = 64  # pixels around a picture in which hidden parts of an object are still counted
SCALES = (0.6, 1.3)

COMPANY = 0.75  # share of the pictures with a company in it, the others show loners
SECOND_COMPANY = 0.3  # share of these that show two, of the same or of another kind
MOST_LONERS = 4

# An object is drawn anew where less of it is seen, and difficult where less than that is.
LEAST_SEEN, DIFFICULT_BELOW, TRUNCATED_BELOW = 0.3, 0.6, 0.95
LEAST_SIDE = 8  # pixels

TILE = 16  # pixels
CLUTTER = 12  # grey patches on the ground
NOISE = 10  # grey levels

# A shape or a pattern: (u, v), which go from -1 to 1 over the object's width and height, to a mask.
Plane = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Category:
    """How a category looks, and what VOC and COCO call it.

    Args:
        voc, coco: its names.
        coco_id: COCO's id of it.
        shape: where the object is.
        pattern: where on it the colour is darker.
        colour: RGB.
        size: width and height in pixels at scale 1.
    """

    voc: str
    coco: str
    coco_id: int
    shape: Plane
    pattern: Plane
    colour: tuple[int, int, int]
    size: tuple[int, int]


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u * u + v * v <= 1


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _ellipse(u, v) & (u * u + v * v >= 0.25)


def _box(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (abs(u) <= 1) & (abs(v) <= 1)


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 2 * abs(u) <= v + 1


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (abs(u) <= 0.3) | (abs(v) <= 0.3)


def _table(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (v <= -0.4) | (abs(u) >= 0.7)


def _bowl(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (v >= 0) | (abs(u) >= 0.6)


def _plain(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return ~_box(u, v)


def _rows(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (3 * (v + 1) % 2 >= 1) & _box(u, v)


def _columns(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (3 * (u + 1) % 2 >= 1) & _box(u, v)


def _checks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _rows(u, v) ^ _columns(u, v)


PERSON = Category("person", "person", 1, _ellipse, _rows, (205, 60, 55), (26, 50))
BICYCLE = Category("bicycle", "bicycle", 2, _ring, _plain, (45, 70, 190), (58, 40))
AEROPLANE = Category("aeroplane", "airplane", 5, _cross, _plain, (225, 225, 235), (54, 38))
CAT = Category("cat", "cat", 17, _triangle, _rows, (235, 150, 40), (32, 32))
SHEEP = Category("sheep", "sheep", 20, _ellipse, _checks, (235, 225, 180), (36, 28))
BOTTLE = Category("bottle", "bottle", 44, _box, _plain, (40, 150, 70), (15, 34))
SOFA = Category("sofa", "couch", 63, _bowl, _checks, (150, 60, 170), (64, 40))
TABLE = Category("diningtable", "dining table", 67, _table, _columns, (140, 90, 45), (72, 42))
CATEGORIES = (PERSON, BICYCLE, AEROPLANE, CAT, SHEEP, BOTTLE, SOFA, TABLE)
LONERS = (AEROPLANE, SHEEP)


@dataclass(frozen=True)
class Company:
    """A host and its guests.

    Args:
        host, guest: the categories.
        most: guests; there is at least one.
        beside: how far to the left or right of the host's middle a guest stands, at least and at most, in half widths
            of the host.
        foot: where a guest ends, from -1 at the host's top to 1 at its bottom.
    """

    host: Category
    guest: Category
    most: int
    beside: tuple[float, float]
    foot: float


COMPANIES = (
    Company(BICYCLE, PERSON, 1, (0, 0.3), foot=-0.2),
    Company(TABLE, BOTTLE, 3, (0.1, 0.8), foot=-0.7),
    Company(SOFA, CAT, 2, (1.1, 1.5), foot=1),
)


Group = Company | Category  # a company, or some loners of a category


@dataclass(frozen=True)
class Thing:
    """Something to paint in the shape of a category: its colour, and its middle and half sizes in pixels."""

    category: Category
    colour: np.ndarray
    x: float
    y: float
    half_width: float
    half_height: float

    def on(self, canvas: np.ndarray, margin: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The part of a canvas, a picture [H, W, …] with a margin around it, that the thing's box covers.

        Returns:
            a view [h, w, …] of the canvas, and over it [h, w] bool: where the thing is, and where it is darker.
        """
        rows, v = _span(self.y, self.half_height, canvas.shape[0], margin)
        columns, u = _span(self.x, self.half_width, canvas.shape[1], margin)
        u, v = u[None, :], v[:, None]
        return canvas[rows, columns], self.category.shape(u, v) & _box(u, v), self.category.pattern(u, v)


def _span(middle: float, half: float, size: int, margin: int) -> tuple[slice, np.ndarray]:
    """Which of `size` pixels, the first at -`margin`, lie within `half` of `middle`, and where, from -1 to 1."""
    first = min(max(math.ceil(middle - half), -margin), size - margin)
    end = max(min(math.floor(middle + half) + 1, size - margin), first)
    return slice(first + margin, end + margin), (np.arange(first, end) - middle) / half


@dataclass(frozen=True)
class Object:
    """An object as it is annotated.

    Args:
        category: what it is.
        box: first column and row, last column and row of what is seen of it, counted from 0.
        truncated: part of it lies outside the picture.
        difficult: little of it is seen.
    """

    category: Category
    box: tuple[int, int, int, int]
    truncated: bool
    difficult: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, [H, W, 3] uint8 RGB, the objects in it, and the numbers of each guest and its host among them."""

    pixels: np.ndarray
    objects: list[Object]
    relations: list[tuple[int, int]]


def draw_scene(generator: np.random.Generator, groups: Sequence[Group] | None = None) -> Scene:
    """Draws a scene that shows the `groups`, or, without any said, one or two companies or some loners."""
    width, height = PORTRAIT if generator.random() < PORTRAITS else LANDSCAPE
    objects = None
    while objects is None:
        drawn = _draw_groups(generator) if groups is None else groups
        members = [_draw_members(generator, group, width, height) for group in drawn]
        things = [thing for group in members for thing in group]  # What comes later hides what came before.
        objects = _annotate(things, width, height)
    pixels = _draw_ground(generator, width, height)
    for thing in things:
        _paint(pixels, thing)
    pixels += generator.integers(-NOISE, NOISE + 1, pixels.shape)
    return Scene(pixels.clip(0, 255).astype(np.uint8), objects, _relations(drawn, members))


def _draw_groups(generator: np.random.Generator) -> list[Group]:
    """One or two companies, or one category of loners."""
    if generator.random() < COMPANY:
        companies = 2 if generator.random() < SECOND_COMPANY else 1
        return [COMPANIES[generator.integers(len(COMPANIES))] for _ in range(companies)]
    return [LONERS[generator.integers(len(LONERS))]]


def _draw_members(generator: np.random.Generator, group: Group, width: int, height: int) -> list[Thing]:
    if isinstance(group, Company):
        return _draw_company(generator, group, width, height)
    return [
        _draw_thing(generator, group, _between(generator, *SCALES), *_draw_place(generator, width, height))
        for _ in range(generator.integers(1, MOST_LONERS + 1))
    ]


def _relations(groups: Sequence[Group], members: list[list[Thing]]) -> list[tuple[int, int]]:
    relations, host = [], 0
    for group, things in zip(groups, members, strict=True):
        if isinstance(group, Company):
            relations += [(host + guest, host) for guest in range(1, len(things))]
        host += len(things)
    return relations


def _draw_company(generator: np.random.Generator, company: Company, width: int, height: int) -> list[Thing]:
    scale = _between(generator, *SCALES)
    host = _draw_thing(generator, company.host, scale, *_draw_place(generator, width, height))
    guests = []
    for _ in range(generator.integers(1, company.most + 1)):
        side = 1 if generator.random() < 0.5 else -1
        x = host.x + side * _between(generator, *company.beside) * host.half_width
        guest = _draw_thing(generator, company.guest, scale, x, 0)
        foot = host.y + company.foot * host.half_height
        guests.append(replace(guest, y=foot - guest.half_height))
    return [host, *guests]


def _draw_place(generator: np.random.Generator, width: int, height: int) -> tuple[float, float]:
    return _between(generator, 0.1, 0.9) * width, _between(generator, 0.2, 0.9) * height


def _draw_thing(generator: np.random.Generator, category: Category, scale: float, x: float, y: float) -> Thing:
    colour = np.array(category.colour) + generator.integers(-20, 21, 3)
    half_width, half_height = (scale * side / 2 * _between(generator, 0.9, 1.1) for side in category.size)
    return Thing(category, colour, x, y, half_width, half_height)


def _between(generator: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * generator.random()


def _annotate(things: list[Thing], width: int, height: int) -> list[Object] | None:
    """The objects that the `things`, painted in their order, make; None where too little of one is seen."""
    inside = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    hidden = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN), bool)
    objects = []
    for thing in reversed(things):
        where = np.zeros_like(hidden)
        view, shape, _ = thing.on(where, MARGIN)
        view[:] = shape
        seen = (where & ~hidden)[inside]
        hidden |= where
        columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
        whole = where.sum()
        if seen.sum() < LEAST_SEEN * whole or min(np.ptp(columns), np.ptp(rows)) < LEAST_SIDE:
            return None
        box = tuple(int(edge) for edge in (columns[0], rows[0], columns[-1], rows[-1]))
        is_truncated = bool(where[inside].sum() < TRUNCATED_BELOW * whole)
        objects.append(Object(thing.category, box, is_truncated, bool(seen.sum() < DIFFICULT_BELOW * whole)))
    return objects[::-1]


def _draw_ground(generator: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[H, W, 3]: tiles of one colour each, and on them grey patches in the shapes of the categories."""
    tiles = (height // TILE, width // TILE)
    pixels = generator.integers(80, 150, (*tiles, 1)) + generator.integers(-15, 16, (*tiles, 3))
    pixels = pixels.repeat(TILE, axis=0).repeat(TILE, axis=1).astype(float)
    for _ in range(CLUTTER):
        category = CATEGORIES[generator.integers(len(CATEGORIES))]
        patch = _draw_thing(generator, category, 0.5, _between(generator, 0, width), _between(generator, 0, height))
        _paint(pixels, replace(patch, colour=generator.integers(50, 190) + generator.integers(-15, 16, 3)))
    return pixels


def _paint(pixels: np.ndarray, thing: Thing) -> None:
    view, where, is_darker = thing.on(pixels)
    view[where] = np.where(is_darker, 0.6, 1.0)[where][:, None] * thing.colour
