"""The protocols of the papers as one key, ``preset``, e.g. ``preset: ns3l``.

=======================  ===============================================================================================
``oliver``               Oliver et al. (2018), section 4 and appendix: 500,000 iterations of Adam, batches of 50 + 50
``ns3l``                 Chen, Shah, Kyrillidis (ICML 2020), section 4: the same in 200,000 iterations, ramp 50,000,
                         drop at 130,000; the unlabeled images exclude the labeled ones
``ns3l-mixmatch``        the same paper's MixMatch experiments, which follow Berthelot et al. (2019): 300 epochs of
                         1,024 iterations, constant rate, average of 0.999, median of the last 20 evaluations
``ns3l-fmnist``          the same paper's Fashion-MNIST study, appendix B: a small network, 50 epochs over 58,000
                         unlabeled images, the last evaluation
``dnll-wrn``             Xu et al. (DNLL), sections 4.1 and 4.2, with Wide ResNet 28-2
``dnll-cnn13``           the same with the 13-layer network, by the released code
``dual-student``         Ke et al. (ICCV 2019) with the 13-layer network
``temporal-ensembling``  Laine, Aila (ICLR 2017) with the 13-layer network: 300 epochs, the last model
``uasd``                 Chen et al. (AAAI 2020): Oliver et al.'s protocol
``ds3l``                 Guo et al. (ICML 2020): six seen classes of CIFAR-10 or MNIST, 200,000 iterations
``openmatch``            Saito et al. (NeurIPS 2021): all images of CIFAR, 50 labels a class of some, 512 epochs
``iomatch``              Li et al. (ICCV 2023): the same with 4 or 25 labels a class, 256 epochs
``cl``                   Cascante-Bonilla et al. (AAAI 2021) with Wide ResNet 28-2, by the released code
``mtc``                  Yu et al. (ECCV 2020) with Wide ResNet 28-2, by the released code
``classic-cv``           the host's own classic benchmark, its files in ``config/classic_cv``: 1,048,576 iterations
=======================  ===============================================================================================

A preset fills the keys that neither the file nor the command line gives, by algorithm and data set; for another data
set than the papers' it leaves what depends on the images to the user. Where a run is shorter or longer than the
paper's, the ramp and the drop of the learning rate keep their share of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from usb_negsamp.errors import unknown
from usb_negsamp.run.configuration.presets.classic_cv import classic_cv
from usb_negsamp.run.configuration.presets.dnll import dnll_cnn13, dnll_wrn, dual_student
from usb_negsamp.run.configuration.presets.ds3l import ds3l
from usb_negsamp.run.configuration.presets.ns3l import ns3l, ns3l_fmnist, ns3l_mixmatch, oliver
from usb_negsamp.run.configuration.presets.open_set import iomatch, openmatch
from usb_negsamp.run.configuration.presets.request import Request
from usb_negsamp.run.configuration.presets.selection import cl, mtc
from usb_negsamp.run.configuration.presets.temporal_ensembling import temporal_ensembling
from usb_negsamp.run.configuration.presets.uasd import uasd
from usb_negsamp.value_types import ALL

NUMBERS_OF_USER = ("num_classes", "num_labels", "num_train_iter", "lr")


PRESETS: dict[str, Callable[[Request], dict[str, Any]]] = {
    "oliver": oliver,
    "ns3l": ns3l,
    "ns3l-mixmatch": ns3l_mixmatch,
    "ns3l-fmnist": ns3l_fmnist,
    "dnll-wrn": dnll_wrn,
    "dnll-cnn13": dnll_cnn13,
    "dual-student": dual_student,
    "temporal-ensembling": temporal_ensembling,
    "uasd": uasd,
    "ds3l": ds3l,
    "openmatch": openmatch,
    "iomatch": iomatch,
    "cl": cl,
    "mtc": mtc,
    "classic-cv": classic_cv,
}


def split_name(algorithm: str, wrappers: Collection[str]) -> tuple[str, frozenset[str]]:
    """Return the host's algorithm in a composed name, and what is wrapped around it.

    >>> split_name("vat_ns3l", {"ns3l", "dnll"})
    ('vat', frozenset({'ns3l'}))
    >>> split_name("ns3l", {"ns3l"})
    ('ns3l', frozenset())
    """
    found = set()
    head, _, tail = algorithm.rpartition("_")
    while head and tail in wrappers:
        found.add(tail)
        algorithm = head
        head, _, tail = algorithm.rpartition("_")
    return algorithm, frozenset(found)


def apply_preset(
    algorithm: str, values: Mapping[str, Any], given: Collection[str], definitions: Collection[str]
) -> dict[str, Any]:
    """Return the values of the preset ``values["preset"]`` for keys of ``definitions`` that are not ``given``.

    Args:
        algorithm: the registered name, wrappers included.
        values: defaults, with what the user gave over them.
        given: the keys that the user gave.
        definitions: the keys that a run of ``algorithm`` reads.

    Raises:
        ConfigError: no such preset, or no learning rate for the algorithm in it.
    """
    name = values["preset"]
    if name is None:
        return {}
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    from usb_negsamp.algorithms import WRAPPERS

    base, wrappers = split_name(algorithm, WRAPPERS)
    user = {key: values[key] if key in given and values[key] != ALL else None for key in NUMBERS_OF_USER}
    preset = PRESETS[name](Request(base, wrappers, values["dataset"], **user))
    return {key: value for key, value in preset.items() if key in definitions and key not in given}
