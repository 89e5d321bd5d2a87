"""The keys of NS3L: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import expected
from usb_negsamp.functional import default_threshold
from usb_negsamp.key import AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, SHARE, Range
from usb_negsamp.settings import Settings, setting

FORMER_NEIGHBOR = (("neighbour", "neighbor"),)
NUM_EXCLUDED = 4
"""Nearest classes that the rule ``exclude_nearest`` leaves out."""


@dataclass(frozen=True)
class NS3LSettings(Settings, prefix="ns3l"):
    """Values of the keys ``ns3l_...``; built by :meth:`from_arguments`, ``threshold`` is a number."""

    threshold: float = setting(
        float, None, "classes of a probability below it are negative; none, 0.4/num_classes", symbol="T"
    )
    weight: float = setting(
        float, 1.0, "weight of the NS3L loss; 0 switches it off", symbol="lambda_1", range=NOT_NEGATIVE
    )
    ramp: float = setting(
        float,
        0.25,
        "share of the training over which the weight ramps up, around mixmatch linearly as its own; 0, none",
        range=SHARE,
    )
    view: str = setting(
        str,
        "weak",
        "unlabeled view that the loss is taken on; weak_to_strong, negatives from the weak view and loss on the strong",
        choices=("weak", "strong", "weak_to_strong"),
    )
    rule: str = setting(
        str,
        "threshold",
        "how negatives are chosen; neighbor, by the distance to labeled images; oracle, by the true labels",
        choices=("threshold", "uniform", "neighbor", "oracle"),
        former_values=FORMER_NEIGHBOR,
    )
    num_negatives: int = setting(
        int, 1, "negatives of a sample under uniform, neighbor and oracle", symbol="P", range=AT_LEAST_ONE
    )
    neighbor_rule: str = setting(
        str,
        "exclude",
        "never draw the nearest labeled class (exclude) or the four nearest (exclude_nearest), or take the furthest",
        choices=("exclude", "exclude_nearest", "furthest"),
        former_names=("ns3l_neighbour_rule",),
    )
    neighbor_features: str = setting(
        str,
        "pixels",
        "what neighbors are near in; network, the features at the start of the training",
        choices=("pixels", "network"),
        former_names=("ns3l_neighbour_features",),
    )
    passes: int = setting(
        int,
        1,
        "1, negatives and loss from one pass; 2, the loss from a second pass (released code)",
        expected="1 or 2",
        range=Range(lambda value: value in (1, 2), "1 or 2"),
    )
    spare_mixed: bool = setting(
        bool,
        False,
        "around mixmatch, the two classes mixed into a label are never negatives (the paper does not spare them)",
    )
    gate: str = setting(
        str,
        "none",
        "what an image's loss counts by the averaged network's features; neighbors, less the further it is from "
        "labeled images; density_ratio, less the denser the pool is around it than they are",
        choices=("none", "neighbors", "density_ratio"),
    )
    gate_scale: float = setting(
        float,
        2.0,
        "an image counts by this times the share of labeled images that are no nearer, or in no larger ratio, to other "
        "ones; at most 1",
        range=POSITIVE,
    )
    gate_temperature: float = setting(
        float, 0.05, "width of the kernels that density_ratio estimates densities by, in cosines", range=POSITIVE
    )
    gate_interval: int = setting(
        int,
        None,
        "steps until the gate looks again at what it compares with; none, as few as cost no more than its other passes",
        unit="iterations",
        range=AT_LEAST_ONE,
    )

    @classmethod
    def from_arguments(cls, args: Any) -> NS3LSettings:
        """The settings that the run's arguments ask for.

        Raises:
            ConfigError: a value that cannot be.
        """
        values = cls.values_of(args)
        usual = default_threshold(args.num_classes)
        if values["threshold"] is None:
            values["threshold"] = usual
        if not 0.0 < values["threshold"] < 1.0 / args.num_classes:
            raise expected(
                "ns3l_threshold",
                f"a number above 0 and below 1/num_classes = {1 / args.num_classes:.6g}",
                f"{values['threshold']:g}",
                f"; usual is 0.4/num_classes = {usual:g}",
            )
        settings = cls(**values)
        if settings.rule != "threshold":
            settings._check_rule(args.num_classes)
        return settings

    def check_around_mixmatch(self) -> None:
        """Check that nothing is asked for that mixed images do not have.

        Raises:
            ConfigError: a rule by the image, another view, a second pass, or a gate.
        """
        for name, right in (("rule", "threshold"), ("view", "weak"), ("passes", 1), ("gate", "none")):
            if getattr(self, name) != right:
                raise expected(
                    f"ns3l_{name}",
                    f"{right} around mixmatch, where NS3L reads the mixed images and labels",
                    f"{getattr(self, name)}",
                )

    def _check_rule(self, num_classes: int) -> None:
        """Check that as many classes remain for the rule as it has to draw.

        Raises:
            ConfigError: fewer do.
        """
        dropped = 0 if self.rule == "uniform" else 1
        if self.rule == "neighbor" and self.neighbor_rule == "exclude_nearest":
            dropped = NUM_EXCLUDED
        largest = min(num_classes - 1, num_classes - dropped)
        if not 1 <= self.num_negatives <= largest:
            raise expected(
                "ns3l_num_negatives",
                f"1 to {largest} with {num_classes} classes and rule {self.rule}",
                f"{self.num_negatives}",
            )
