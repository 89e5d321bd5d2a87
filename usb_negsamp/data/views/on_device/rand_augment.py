"""RandAugment on a batch: layer by layer, the images of one operation together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.on_device.operations import NUMBERS, cut_out
from usb_negsamp.data.views.on_device.parcel import Parcel, Slot
from usb_negsamp.data.views.on_device.parts import Taken
from usb_negsamp.data.views.on_device.strengths import Operation
from usb_negsamp.data.views.rand_augment import CUTOUT_COLOR, cutout_box

MOST_CUT_OUT = 0.5
"""Of the width."""
NO_BOX = (1, 0, 1, 0)


class Layer(NamedTuple):
    """One operation for each image. The images have an order in which those of one operation are together.

    Attributes:
        order: (N,) which image of the layer before is at each place.
        numbers: (N, NUMBERS) of the operations, in that order.
        groups: the operations in that order, each by its place in the list and with how many images it has.
    """

    order: Slot
    numbers: Slot
    groups: tuple[tuple[int, int], ...]


class DrawnViews(NamedTuple):
    """What was drawn for a batch.

    Attributes:
        layers: in the order of the operations.
        back: (N,) where each image of the batch is in the order of the last layer.
        boxes: (N, 4) what is cut out of it.
        color: (3,) of what is cut out.
    """

    layers: tuple[Layer, ...]
    back: Slot
    boxes: Slot
    color: Slot


@dataclass(frozen=True)
class RandAugmented:
    """Each image changed by some operations of a list, in order, and a square of it cut out.

    Attributes:
        operations: the list, each with its least and its greatest strength.
        layers: how many operations an image has.
        size: height and width of the images.
    """

    operations: tuple[tuple[Operation, float, float], ...]
    layers: int
    size: tuple[int, int]

    def draw(self, draws: KeyedDraws, parcel: Parcel) -> DrawnViews:
        chosen = np.empty((len(draws), self.layers), dtype=np.int64)
        numbers = np.zeros((len(draws), self.layers, NUMBERS), dtype=np.int32)
        boxes = np.tile(np.array(NO_BOX, dtype=np.int32), (len(draws), 1))
        height, width = self.size
        places = range(len(self.operations))
        for sample, of_python in enumerate(draws.python()):
            for layer, place in enumerate(of_python.choices(places, k=self.layers)):
                operation, least, most = self.operations[place]
                found = operation.numbers(least + float(most - least) * of_python.random(), self.size)
                chosen[sample, layer] = place
                numbers[sample, layer, : len(found)] = found
            share = of_python.random() * MOST_CUT_OUT
            if share > 0.0:
                boxes[sample] = cutout_box(self.size, share * width, *draws.uniforms(sample, (width, height)))
        return self._packed(chosen, numbers, boxes, parcel)

    def make(self, images: Tensor, drawn: DrawnViews, taken: Taken) -> Tensor:
        for layer in drawn.layers:
            ordered = images.index_select(0, taken(layer.order))
            counts = [count for _, count in layer.groups]
            parts = zip(
                layer.groups, *(torch.split(one, counts) for one in (ordered, taken(layer.numbers))), strict=True
            )
            images = torch.cat([self._changed(place, group, numbers) for (place, _), group, numbers in parts])
        images = images.index_select(0, taken(drawn.back))
        return cut_out(images, taken(drawn.boxes), taken(drawn.color).to(images.dtype))

    def _changed(self, place: int, images: Tensor, numbers: Tensor) -> Tensor:
        apply = self.operations[place][0].apply
        return images if apply is None else apply(images, numbers)

    def _packed(self, chosen: np.ndarray, numbers: np.ndarray, boxes: np.ndarray, parcel: Parcel) -> DrawnViews:
        """The drawn operations (N, layers) and their numbers, each layer ordered by what is applied."""
        alike = self._alike()
        layers = []
        # Which image of the batch is where, after the layers so far.
        present = np.arange(len(chosen))
        for layer in range(self.layers):
            wanted = alike[chosen[present, layer]]
            order = np.argsort(wanted, kind="stable")
            present = present[order]
            groups = tuple((int(place), len(list(some))) for place, some in groupby(wanted[order]))
            layers.append(Layer(parcel.add(order), parcel.add(numbers[present, layer]), groups))
        back = parcel.add(np.argsort(present))
        return DrawnViews(tuple(layers), back, parcel.add(boxes), parcel.add(CUTOUT_COLOR.astype(np.int32)))

    def _alike(self) -> np.ndarray:
        """For each operation of the list the first one that is applied in the same way."""
        ways = [operation.apply for operation, _, _ in self.operations]
        return np.array([ways.index(way) for way in ways])
