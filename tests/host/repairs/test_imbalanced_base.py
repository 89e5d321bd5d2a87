"""The host's imbalanced algorithms beside ours, and on one device."""

import pytest
from semilearn.core.utils import IMB_ALGORITHMS

from usb_negsamp import ConfigError
from usb_negsamp.host import patching
from usb_negsamp.testing import build_tiny, train_tiny


@pytest.mark.parametrize("name", sorted(IMB_ALGORITHMS.keys()))
def test_every_imbalanced_algorithm_trains_around_fixmatch_with_ns3l(name, tmp_path):
    short = {"cossl_tfe_warm_bs": 8} if name == "cossl" else {}
    algorithm = train_tiny("fixmatch_ns3l", tmp_path, imb_algorithm=name, **short)
    # CReST begins anew in each generation.
    assert algorithm.it >= 10 or name.startswith("crest")
    assert algorithm.results_dict["eval/best_acc"] > 0
    assert "NS3LHook" in algorithm.hooks_dict


def test_the_host_takes_fixmatch_by_its_name_alone(tmp_path):
    with patching.undone("imbalanced_base"), pytest.raises(AssertionError, match="only supports FixMatch"):
        build_tiny("fixmatch_ns3l", tmp_path, imb_algorithm="adsh")


def test_the_host_needs_a_parallel_wrapper(tmp_path):
    with patching.undone("imbalanced_base"), pytest.raises(AttributeError, match="module"):
        train_tiny("fixmatch", tmp_path, imb_algorithm="abc")


def test_an_unknown_imbalanced_algorithm_names_the_nearest(tmp_path):
    from semilearn.imb_algorithms import get_imb_algorithm

    from usb_negsamp.testing import tiny_arguments

    args = tiny_arguments("fixmatch", tmp_path)
    args.imb_algorithm = "darpp"
    with pytest.raises(ConfigError, match="did you mean 'darp'"):
        get_imb_algorithm(args, None, None, None)
