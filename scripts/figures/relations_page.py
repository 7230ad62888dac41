"""A web page in one HTML file: click an object of an image to see the regions it attends to.

python -m scripts.figures.relations_page UNSUP.npz SUP.npz --out FILE.html

The files are written by `vision.attended` for the same images; each is one network on the page. Images, style and
script are embedded: the page works offline, and its Content-Security-Policy blocks all requests.
"""

import argparse
import base64
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from data.common.errors import UserError, run_command
from data.common.files import write_text
from data.images.pixels import read_pixels
from scripts.figures.attended import (
    LEAST_SCORE,
    SAME_PLACE,
    Attended,
    Objects,
    Regions,
    common_objects,
    names_of,
    read_together,
    title_of,
    weight_text,
)

TEMPLATE = Path(__file__).with_suffix(".html")
LONG_SIDE, THUMBNAIL = 800, 96  # pixels
MOST_OBJECTS = 40  # per image
DIGITS = 2  # of scores
EXAMPLE = "example: python -m scripts.figures.relations_page unsup.npz sup.npz --out relations.html"
BAR = {"unit": "image", "mininterval": 1, "leave": False, "delay": 5}


def make_page(files: list[Attended], least_score: float, title: str) -> str:
    """The HTML of the page.

    Args:
        files: files of the same images, one per network.
        least_score: see `common_objects`.
        title: title of the page.
    """
    names = names_of(files[0].images)
    images = [
        describe_image(files, number, name, least_score)
        for number, name in enumerate(tqdm(names, desc="making the page", **BAR))
    ]
    content = {
        "networks": [{"title": title_of(file), "run": file.run, "variant": file.variant} for file in files],
        "images": images,
        "leftOut": sorted({line for file in files for line in file.left_out}),
        "samePlace": SAME_PLACE,
    }
    limits = {
        "side": LONG_SIDE,
        "score": f"{least_score:g}",
        "objects": MOST_OBJECTS,
        "kept": files[0].regions[0].attended.shape[1],
        "overlap": f"{SAME_PLACE:g}",
    }
    return fill_template(title, content, limits)


def fill_template(title: str, content: dict[str, Any], limits: dict[str, Any]) -> str:
    """The template with its placeholders `{{name}}` filled; placeholders in inserted text are left alone."""
    style, script = (TEMPLATE.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".css", ".js"))
    parts = {name: html.escape(str(value)) for name, value in limits.items()}
    parts |= {"title": html.escape(title), "style": style, "script": script, "content": script_json(content)}
    return re.sub(r"{{(\w+)}}", lambda placeholder: parts[placeholder[1]], TEMPLATE.read_text(encoding="utf-8"))


def script_json(value: Any) -> str:
    """JSON for a script element: `<` is escaped, so that no name can end the element or begin a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def describe_image(files: list[Attended], number: int, name: str, least_score: float) -> dict[str, Any]:
    """The content of the page for one image.

    Raises:
        UserError: the image file cannot be read or has changed.
    """
    path, (width, height) = files[0].images[number], files[0].sizes[number].tolist()
    pixels = read_pixels(path)
    if pixels.shape[:2] != (height, width):
        raise UserError(
            f"{path}: has {pixels.shape[1]} x {pixels.shape[0]} pixels instead of {width} x {height}; "
            "run vision.attended again"
        )
    networks = [file.regions[number] for file in files]
    objects = common_objects(networks, least_score)
    objects = Objects(*(column[:MOST_OBJECTS] for column in objects))
    return {
        "name": name,
        "width": width,
        "height": height,
        "source": jpeg_uri(pixels, LONG_SIDE, quality=82),
        "thumbnail": jpeg_uri(pixels, THUMBNAIL, quality=70),
        "networks": [
            describe_network(regions, objects.regions[:, column], objects.overlaps[:, column], files[0].classes)
            for column, regions in enumerate(networks)
        ],
    }


def describe_network(
    regions: Regions, references: np.ndarray, overlaps: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    """The objects of an image in one network: `regions`, and `objects` that refer to them by number.

    Args:
        regions: all regions of the image; only objects and regions they attend to are kept.
        references: [O] the region of each object; -1 for none.
        overlaps: [O] IoU of that region with the object.
        classes: names of the categories.
    """
    references, overlaps = references[references >= 0], overlaps[references >= 0]
    attended = regions.attended[references]
    kept = np.unique([*references, *attended[attended >= 0]]).astype(int)
    position = {region: place for place, region in enumerate(kept.tolist())}
    return {
        "regions": [
            {"box": box, "category": classes[label], "probability": probability}
            for box, label, probability in zip(
                regions.boxes[kept].astype(float).round(1).tolist(),
                regions.labels[kept].tolist(),
                regions.probabilities[kept].astype(float).round(DIGITS).tolist(),
                strict=True,
            )
        ],
        "objects": [
            {
                "region": position[reference],
                "overlap": round(float(overlap), DIGITS),
                "rowMass": weight_text(regions.row_masses[reference]),
                "selfWeight": weight_text(regions.self_weights[reference]),
                "attended": [
                    {"region": position[region], "weight": round(float(weight), 5), "text": weight_text(weight)}
                    for region, weight in zip(
                        regions.attended[reference].tolist(), regions.weights[reference], strict=True
                    )
                    if region >= 0
                ],
            }
            for reference, overlap in zip(references.tolist(), overlaps, strict=True)
        ],
    }


def jpeg_uri(pixels: np.ndarray, long_side: int, quality: int) -> str:
    """Data URI of an image [H, W, 3], reduced if its long side exceeds `long_side` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def score(text: str) -> float:
    """A score from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} must be a number from 0 to 1")
    return value


def main() -> None:
    """Command line of `python -m scripts.figures.relations_page`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.figures.relations_page",
        description="Makes a web page in one HTML file that works offline: click an object of an image to see the "
        "regions it attends to in one or more networks.",
        epilog=EXAMPLE,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="file of vision.attended, one per network")
    parser.add_argument("--out", type=Path, required=True, metavar="HTML", help="output file")
    parser.add_argument("--title", default="What objects attend to", help="title of the page (default: %(default)s)")
    parser.add_argument(
        "--score",
        type=score,
        default=LEAST_SCORE,
        help="lowest score of objects that can be clicked (default: %(default)s)",
    )
    options = parser.parse_args()
    files = read_together(options.files)
    page = make_page(files, options.score, options.title)
    write_text(options.out, page)
    images, left_out = len(files[0].images), len({line for file in files for line in file.left_out})
    print(f"written: {options.out} ({images:,} images, {left_out:,} skipped, {len(page) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run_command(main)
