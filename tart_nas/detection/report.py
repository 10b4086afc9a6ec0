"""The page of a trained detector: average precision, its curve, and test images with what was found in them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from tart_nas.detection.average_precision import Detections
from tart_nas.detection.pedestrians import DetectionData, DetectionImage
from tart_nas.detection.training import DetectionEpoch
from tart_nas.files import replacing
from tart_nas.runs.figures import PALETTE, label_axes, new_panel
from tart_nas.runs.inline_svg import inline_svg
from tart_nas.runs.pages import render

__all__ = ["DetectionReport", "write_report"]

_PICTURES = 8
_WIDTH = 640  # pixels that a picture is reduced to, so that a page stays below 1 MB
_LEAST_SCORE = 0.5  # of the detections that are drawn: below, a detector finds most things several times


@dataclass(frozen=True)
class DetectionReport:
    """What there is to tell of a trained detector.

    Args:
        folder: where it is.
        settings: those that decided the result, JSON.
        epochs: what was measured of each.
        data: the images.
        parameters: of the detector.
        device: that it was trained on, in words.
    """

    folder: Path
    settings: Mapping[str, Any]
    epochs: Sequence[DetectionEpoch]
    data: DetectionData
    parameters: int
    device: str

    @property
    def shown(self) -> tuple[DetectionImage, ...]:
        """The images of which there are pictures: the first ones for testing."""
        return self.data.test[:_PICTURES]


def write_report(report: DetectionReport, found: Sequence[Detections]) -> None:
    """Writes ``report.html`` into the folder, whole or not at all.

    Args:
        report: what to tell.
        found: what was detected in each image of ``report.shown``.
    """
    page = render("detection.html", _content(report, found))
    with replacing(report.folder / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _content(report: DetectionReport, found: Sequence[Detections]) -> dict[str, Any]:
    precision = report.epochs[-1].precision
    tests = len(report.data.test)
    notes = {
        "AP": "mean over the thresholds 0.50 to 0.95 of the intersection over union",
        "AP50": "at the threshold 0.50",
        "AP75": "at the threshold 0.75",
    }
    tiles = [
        {"name": name, "value": f"{100 * value:.1f} %", "note": notes[name]}
        for name, value in precision.to_dict().items()
    ]
    people = sum(len(image.boxes) for image in report.data.test)
    tiles.append({"name": "Test images", "value": str(tests), "note": f"with {_number(people, 'object')}"})
    figures = {"precision": _precision_figure(report.epochs), "loss": _loss_figure(report.epochs)}
    labels = {"precision": "Average precision after each epoch.", "loss": "Mean training loss of each epoch."}
    return {
        "title": f"{report.folder} · TART-NAS detection",
        "heading": str(report.folder),
        "subject": f"Faster R-CNN on {_network(report.settings['backbone'])} · {report.data.source}",
        "tiles": tiles,
        "panels": [inline_svg(figure, name, labels[name], PALETTE) for name, figure in figures.items()],
        "least_score": f"{_LEAST_SCORE:.1f}",
        "pictures": [_picture(image, one) for image, one in zip(report.shown, found, strict=True)],
        "settings": _settings(report),
        "curve": [
            (epoch.epoch, f"{epoch.loss:.4f}", *(f"{100 * v:.1f}" for v in epoch.precision.to_dict().values()),
             f"{epoch.lr:.2g}", f"{epoch.seconds:.1f}")
            for epoch in report.epochs
        ],
    }  # fmt: skip


def _network(backbone: Mapping[str, Any]) -> str:
    return str(backbone["about"].get("name") or backbone["model"] or "a network")


def _settings(report: DetectionReport) -> list[tuple[str, str]]:
    settings = report.settings
    start = "random weights of the seed"
    if "init" in settings:
        start = f"predicted by {settings['init']['ghn']}"
    elif "initial_weights" in settings:
        start = "given weights"
    scaling, recipe = settings["scaling"], settings["recipe"]
    return [
        ("backbone", _network(settings["backbone"])),
        ("its first weights", start),
        ("parameters of the detector", f"{report.parameters:,}"),
        ("training images", str(len(report.data.train))),
        ("images scaled to", f"shorter side {scaling['min_size']}, longer at most {scaling['max_size']} pixels"),
        ("recipe", ", ".join(f"{name.replace('_', ' ')} {_word(value)}" for name, value in recipe.items())),
        ("seed", str(settings["seed"])),
        ("device", report.device),
    ]


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _precision_figure(epochs: Sequence[DetectionEpoch]) -> Figure:
    figure, axes = new_panel()
    numbers = [epoch.epoch for epoch in epochs]
    for name, colour in (("AP50", "top"), ("AP", "random")):
        values = [100 * epoch.precision.to_dict()[name] for epoch in epochs]
        axes.plot(numbers, values, marker="o", markersize=4, color=PALETTE[colour], label=name)
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axes(axes, "Average precision", "epoch", "on the test images (%)")
    return figure


def _loss_figure(epochs: Sequence[DetectionEpoch]) -> Figure:
    figure, axes = new_panel()
    numbers = [epoch.epoch for epoch in epochs]
    axes.plot(numbers, [epoch.loss for epoch in epochs], marker="o", markersize=4, color=PALETTE["top"])
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axes(axes, "Training loss", "epoch", "mean of the epoch's steps")
    return figure


def _picture(image: DetectionImage, found: Detections) -> dict[str, Any]:
    """What the template draws: the image, and rectangles in its pixels."""
    height, width = image.pixels.shape[1:]
    drawn = [
        {**_rectangle(box), "score": f"{score:.2f}"}
        for box, score in zip(found.boxes, found.scores.tolist(), strict=True)
        if score >= _LEAST_SCORE
    ]
    return {
        "name": image.name,
        "width": width,
        "height": height,
        # Of the width, so that lines and letters look alike in small and in large images.
        "line": round(width / 160, 2),
        "letters": round(width / 22, 2),
        "data": _data_address(image.pixels),
        "true": [_rectangle(box) for box in image.boxes],
        "found": drawn,
        "label": f"{image.name}: {_number(len(image.boxes), 'true box', 'es')}, {_number(len(drawn), 'detection')}",
    }


def _number(count: int, noun: str, plural: str = "s") -> str:
    return f"{count} {noun}{plural if count != 1 else ''}"


def _rectangle(box: Tensor) -> dict[str, float]:
    x1, y1, x2, y2 = (round(value, 1) for value in box.tolist())
    return {"x": x1, "y": y1, "width": round(x2 - x1, 1), "height": round(y2 - y1, 1)}


def _data_address(pixels: Tensor) -> Markup:
    """An image as an address that holds the image itself, JPEG."""
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    picture.thumbnail((_WIDTH, 2 * _WIDTH))
    buffer = BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return Markup("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
