"""Whether labels may be learned from together: what somebody should know before a predictor takes them for alike."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tart_nas.devices import described_kind
from tart_nas.predictors import LabelledData

__all__ = ["cautions"]

# The settings that labels depend on, beside the device and the recipe. The others, such as the seed, the threads and
# the number of validation images, change them by chance alone.
_OF_TIMES = ("n_cells", "C", "image_size", "timing_batch", "track_running_stats")
_OF_TRAINING = ("dataset", "n_cells", "C", "image_size", "train_images", "track_running_stats")
_WHICH_IMAGES = ("dataset", "train_images", "validation_images", "image_size")  # all of which decide the images' hash
_TIMED = "inference_speed"
_SHOWN = 8  # digits of such a hash, which tell two apart


def cautions(parts: Sequence[LabelledData], targets: Collection[str]) -> list[str]:
    """What does not compare of labels that are learned from together, a sentence each; what is not known is left out.

    Args:
        parts: what :func:`~tart_nas.measurements.read_labelled_data` read of each file.
        targets: what is learned from them.
    """
    found = []
    descriptions = [part.description for part in parts]
    devices = sorted({device for each in descriptions for device in each.get("devices", ())})
    if _TIMED in targets and len({*map(described_kind, devices)}) > 1:
        found.append(
            f"times on {' and on '.join(devices)} do not compare, but {_TIMED} is learned from all alike: give the "
            "labels of one device"
        )
    measured = [each for each in descriptions if "settings" in each]
    differing = _differing([_deciding(each["settings"], targets) for each in measured])
    if {*targets} - {_TIMED} and not _differing([_some(each["settings"], _WHICH_IMAGES) for each in measured]):
        differing |= _differing([{"images": each["images"][:_SHOWN]} for each in measured if "images" in each])
    if differing:
        listed = "; ".join(f"{name} {' and '.join(values)}" for name, values in differing.items())
        found.append(f"labels of the files were measured otherwise ({listed}), but are learned from alike")
    return found


def _deciding(settings: Mapping[str, Any], targets: Collection[str]) -> dict[str, Any]:
    """The settings of a measurement that decide labels of these targets."""
    decide = _some(settings, _OF_TIMES) if _TIMED in targets else {}
    if {*targets} - {_TIMED}:
        decide |= _some(settings, _OF_TRAINING) | dict(settings.get("recipe", {}))
    return decide


def _some(settings: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


def _differing(each: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The different values, as texts, of the settings that have several; earlier versions do not tell all of them."""
    names = [name for name in (each[0] if each else ()) if all(name in settings for settings in each)]
    values = {name: [*dict.fromkeys(str(settings[name]) for settings in each)] for name in names}
    return {name: texts for name, texts in values.items() if len(texts) > 1}
