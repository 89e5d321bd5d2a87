"""The host's data sets of texts and sounds, as its own loaders read them or with a split of ours."""

from __future__ import annotations

from typing import Any

from semilearn.datasets import get_collactor

from usb_negsamp.errors import expected
from usb_negsamp.host.datasets.extra_views import NO_STRONG_VIEW, views_read
from usb_negsamp.host.datasets.registry import Loader
from usb_negsamp.host.datasets.texts_and_sounds.pretrained import named_where_absent
from usb_negsamp.host.datasets.texts_and_sounds.splits import GIVEN_LABELED_PART, split_closed, split_open
from usb_negsamp.media import SOUND, check_net, medium_of


def texts_or_sounds(host_loader: Loader) -> Loader:
    """The host's loader, for texts and sounds that say what their network takes of them."""

    def load(
        args: Any,
        algorithm: str,
        dataset: str,
        num_labels: int,
        num_classes: int,
        data_dir: str = "./data",
        include_lb_to_ulb: bool = True,
    ) -> dict[str, Any]:
        check_net(args.net, dataset)
        is_open = getattr(args, "seen_classes", None) is not None
        if algorithm == "fullysupervised" and not is_open:
            check_no_unlabeled_view(args, dataset)
        if medium_of(dataset) is SOUND:
            check_strong_views(args, algorithm, dataset)
        with named_where_absent(args.net):
            collate = get_collactor(args, args.net)
        # As the supervised bound has them, all training samples are in one data set.
        given = dataset in GIVEN_LABELED_PART
        parts = host_loader(
            args,
            algorithm if given else "fullysupervised",
            dataset,
            num_labels,
            num_classes,
            data_dir,
            include_lb_to_ulb,
        )
        for part in parts.values():
            if part is not None:
                part.alg, part.collate_inputs = algorithm, collate
        if is_open:
            return split_open(args, algorithm, dataset, parts, num_labels, num_classes)
        if given or algorithm == "fullysupervised":
            return parts
        return split_closed(args, algorithm, parts, num_labels, include_lb_to_ulb)

    return load


def check_no_unlabeled_view(args: Any, dataset: str) -> None:
    """Refuse what reads unlabeled samples around ``fullysupervised``, to which the host gives none of these data sets.

    Raises:
        ConfigError: a wrapper does.
    """
    views = views_read(args.algorithm, args)
    if views:
        raise expected(
            f"algorithm {args.algorithm} with dataset {dataset}",
            "unlabeled samples, of which fullysupervised has none there",
            f"a loss on {', '.join(views)}",
        )


def check_strong_views(args: Any, algorithm: str, dataset: str) -> None:
    """Refuse strong views of sounds where torchaudio does not make the host's any more.

    Args:
        args: the run's arguments.
        algorithm: the name by which the host's data sets choose the views of a sample.
        dataset: of sounds.

    Raises:
        ConfigError: it does not, and the algorithm or what is wrapped around it reads one.
    """
    import torchaudio

    of_wrappers = any("_s" in view for view in views_read(args.algorithm, args))
    if hasattr(torchaudio, "sox_effects") or (algorithm in NO_STRONG_VIEW and not of_wrappers):
        return
    raise expected(
        f"algorithm {args.algorithm} with dataset {dataset}",
        "a torchaudio that has sox_effects, which makes the host's strong view of a sound",
        f"torchaudio {torchaudio.__version__}",
        "; weak views do without (dnll_views, ns3l_view)" if algorithm in NO_STRONG_VIEW else "",
    )
