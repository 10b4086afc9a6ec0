"""By how much the picked networks are better than the random ones, and how sure that is.

The networks of each side are a sample of those that could have been picked or drawn, so the interval of the difference
of their means is that of Welch's t-test (Welch, Biometrika 1947), with the Welch-Satterthwaite degrees of freedom. The
error that a finite number of test images gives to each accuracy is in it already: as far as it differs from network to
network it is a part of their spread, and as far as it is common to all, which are tested on the same images and find
the same ones hard, it cancels in the difference. It is not added a second time.

A few networks may by chance lie closer together than that error alone spreads them. Then their spread says too little,
and the binomial variance a (1 - a) / n of an accuracy a on n images takes its place: what is known is a lower bound.
(Independent errors are assumed here. Those of networks on the same images correlate, so the true bound is lower, and
the interval, where it counts, rather too wide.)

One network has no spread. With one on either side only the test images' error is left: the interval is then about
these very networks, and says nothing of what others would do.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tart_nas.errors import SettingError

__all__ = ["Gain"]

_LEVEL = 0.95  # of the interval, the usual one


@dataclass(frozen=True)
class Gain:
    """The difference of two means of test accuracies, with its 95 % interval; all numbers are fractions of 1.

    Args:
        difference: mean of the picked networks minus mean of the random ones.
        low: lower end of the interval.
        high: upper end.
        top_mean: mean of the picked networks.
        random_mean: mean of the random ones.
        n_top: number of picked networks that were trained and tested, at least 1.
        n_random: number of random ones, at least 1.
        test_images: number of images that all of them were tested on.
        of_networks: whether the interval counts the spread over networks; if not, the error of the test images alone.
    """

    difference: float
    low: float
    high: float
    top_mean: float
    random_mean: float
    n_top: int
    n_random: int
    test_images: int
    of_networks: bool

    @classmethod
    def between(cls, top: Sequence[float], random: Sequence[float], test_images: int) -> "Gain":
        """Compares two sides.

        Args:
            top: test accuracies in [0, 1] of the picked networks, at least one.
            random: likewise of the random ones.
            test_images: how many images all of them were tested on, at least 1.

        Raises:
            SettingError: if a side is empty or there are no images.
        """
        if not top or not random or test_images < 1:
            raise SettingError(
                f"A gain needs at least one network on each side and one test image, but got {len(top)} picked and "
                f"{len(random)} random networks and {test_images} images."
            )
        from scipy.special import ndtri, stdtrit  # scipy.stats, which has them too, takes a second to import

        sides = [np.asarray(side, dtype=np.float64) for side in (top, random)]
        means = [float(side.mean()) for side in sides]
        of_networks = min(map(len, sides)) > 1
        binomial = [float((side * (1 - side)).mean()) / test_images for side in sides]
        variances = [max(float(s.var(ddof=1)), b) for s, b in zip(sides, binomial, strict=True)] if of_networks else []
        parts = np.array([v / len(side) for v, side in zip(variances or binomial, sides, strict=True)])
        quantile, error = ndtri((1 + _LEVEL) / 2), float(np.sqrt(parts.sum()))
        if of_networks and error > 0:
            freedom = parts.sum() ** 2 / sum(p**2 / (len(side) - 1) for p, side in zip(parts, sides, strict=True))
            quantile = stdtrit(freedom, (1 + _LEVEL) / 2)
        difference, margin = means[0] - means[1], float(quantile) * error
        return cls(
            difference=difference,
            low=difference - margin,
            high=difference + margin,
            top_mean=means[0],
            random_mean=means[1],
            n_top=len(top),
            n_random=len(random),
            test_images=test_images,
            of_networks=of_networks,
        )

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    def sentence(self) -> str:
        """The comparison in words."""
        picked = f"The {self.n_top} picked networks" if self.n_top > 1 else "The picked network"
        random = f"the {self.n_random} random ones" if self.n_random > 1 else "the random one"
        average = " on average" if max(self.n_top, self.n_random) > 1 else ""
        text = (
            f"{picked} reached {100 * self.top_mean:.1f} % and {random} {100 * self.random_mean:.1f} % of "
            f"{self.test_images:,} test images{average}: {100 * self.difference:+.1f} points (95 % interval "
            f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
        )
        if not self.of_networks:
            text += ", of the test images' error alone: one network on a side has no spread"
        return f"{text}){'' if self.is_shown else ': no difference shown'}."

    def to_dict(self) -> dict[str, Any]:
        """The numbers and the sentence as JSON values."""
        return {**asdict(self), "is_shown": self.is_shown, "sentence": self.sentence()}
