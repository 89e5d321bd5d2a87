"""The names that a configuration can choose from, for the checks and for ``usb-negsamp list``."""

from __future__ import annotations

from usb_negsamp.errors import unknown


def algorithms() -> list[str]:
    """Registered algorithms, wrapped ones included."""
    from usb_negsamp.host import ALGORITHMS

    return sorted(ALGORITHMS.keys())


def optimizers() -> list[str]:
    """Names for ``optim``."""
    from usb_negsamp.host.arguments import optimizer_names

    return optimizer_names()


def samplers() -> list[str]:
    """Names for ``train_sampler``."""
    from usb_negsamp.host.arguments import sampler_names

    return sampler_names()


def datasets() -> list[str]:
    """Names for ``dataset``, the host's and ours."""
    from usb_negsamp.host.datasets.registry import known_names

    return sorted({*known_names(), *own_datasets()})


def own_datasets() -> list[str]:
    """Names for ``dataset`` that are ours."""
    from usb_negsamp.data import SOURCES

    return sorted(SOURCES)


def nets() -> list[str]:
    """Names for ``net``, the host's and ours; beside them ``timm:NAME`` and ``torchvision:NAME``."""
    from usb_negsamp.host.arguments import net_names
    from usb_negsamp.nets import NETS

    return sorted({*net_names(), *NETS})


def check_net(name: str, from_torchvision: bool) -> None:
    """Raise :class:`usb_negsamp.ConfigError` unless ``name`` leads to a network."""
    from usb_negsamp.nets import find_builder

    if find_builder(f"torchvision:{name}" if from_torchvision else name) is None and name not in nets():
        raise unknown("net", name, nets())
