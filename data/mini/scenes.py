"""Rendered scenes, the images of the miniature, in which some categories occur together and others do not.

A person rides a bicycle, bottles stand on a table, cats sit next to a sofa (companies); aeroplanes and sheep occur
without other categories (loners). Each category has its own shape, pattern and colour; the background contains the same
shapes in grey. All arithmetic is sums, products and quotients, which have the same bits on every processor.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

LANDSCAPE, PORTRAIT = (160, 128), (128, 160)
PORTRAITS = 0.25  # fraction of the images
MARGIN = 64  # pixels around the image in which the area of a truncated object is still counted
SCALES = (0.6, 1.3)

COMPANY = 0.75  # fraction of the images that show companies; the others show loners
SECOND_COMPANY = 0.3  # fraction of these that show two companies, which may be of the same kind
MOST_LONERS = 4

# Visible fractions for a scene to be accepted and an object to be not difficult; fraction inside if not truncated.
LEAST_SEEN, DIFFICULT_BELOW, TRUNCATED_BELOW = 0.3, 0.6, 0.95
LEAST_SIDE = 8  # pixels

TILE = 16  # pixels
CLUTTER = 12  # grey patches in the background
NOISE = 10  # grey levels

# A shape or pattern: (u, v), from -1 to 1 over the width and height of the object -> mask.
Plane = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Category:
    """Names and appearance of a category.

    Args:
        voc, coco: names in VOC and COCO.
        coco_id: id in COCO.
        shape: mask of the object.
        pattern: mask of its darker parts.
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
        most: maximum number of guests; the minimum is 1.
        beside: minimum and maximum horizontal distance between guest and host, in half widths of the host.
        foot: lower end of a guest, from -1 (top of the host) to 1 (bottom).
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

Group = Company | Category  # a company, or several loners of a category


@dataclass(frozen=True)
class Thing:
    """A shape to paint: its category, colour, and centre and half sizes in pixels."""

    category: Category
    colour: np.ndarray
    x: float
    y: float
    half_width: float
    half_height: float

    def on(self, canvas: np.ndarray, margin: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns a view [h, w, …] of the box in `canvas`, an image with a margin, and masks [h, w]: shape, pattern."""
        rows, v = _span(self.y, self.half_height, canvas.shape[0], margin)
        columns, u = _span(self.x, self.half_width, canvas.shape[1], margin)
        u, v = u[None, :], v[:, None]
        return canvas[rows, columns], self.category.shape(u, v) & _box(u, v), self.category.pattern(u, v)


def _span(middle: float, half: float, size: int, margin: int) -> tuple[slice, np.ndarray]:
    """Returns the pixels within `half` of `middle`, of `size` pixels starting at -`margin`, and their u or v.

    >>> _span(middle=3.0, half=2.0, size=5, margin=0)
    (slice(1, 5, None), array([-1. , -0.5,  0. ,  0.5]))
    """
    first = min(max(math.ceil(middle - half), -margin), size - margin)
    end = max(min(math.floor(middle + half) + 1, size - margin), first)
    return slice(first + margin, end + margin), (np.arange(first, end) - middle) / half


@dataclass(frozen=True)
class Object:
    """The annotation of an object; `box` is first column and row, last column and row of its visible part, from 0."""

    category: Category
    box: tuple[int, int, int, int]
    truncated: bool
    difficult: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """Pixels [H, W, 3] uint8 RGB, the objects, and for each guest the pair (index of the guest, index of its host)."""

    pixels: np.ndarray
    objects: list[Object]
    relations: list[tuple[int, int]]


def draw_scene(generator: np.random.Generator, groups: Sequence[Group] | None = None) -> Scene:
    """Draws a scene of the given `groups`; None for one or two random companies or several loners.

    >>> scene = draw_scene(np.random.default_rng(0), groups=[COMPANIES[0]])
    >>> scene.pixels.shape, [each.category.coco for each in scene.objects], scene.relations
    ((128, 160, 3), ['bicycle', 'person'], [(1, 0)])
    """
    width, height = PORTRAIT if generator.random() < PORTRAITS else LANDSCAPE
    objects = None
    while objects is None:
        drawn = _draw_groups(generator) if groups is None else groups
        members = [_draw_members(generator, group, width, height) for group in drawn]
        things = [thing for group in members for thing in group]  # Later things cover earlier ones.
        objects = _annotate(things, width, height)
    pixels = _draw_ground(generator, width, height)
    for thing in things:
        _paint(pixels, thing)
    pixels += generator.integers(-NOISE, NOISE + 1, pixels.shape)
    return Scene(pixels.clip(0, 255).astype(np.uint8), objects, _relations(drawn, members))


def _draw_groups(generator: np.random.Generator) -> list[Group]:
    """Returns one or two companies, or one category of loners."""
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
    """Returns the annotations of `things`, painted in this order; None if too little of one of them is visible."""
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
    """Returns [H, W, 3]: tiles of one colour each, covered with grey patches in the shapes of the categories."""
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
