"""The host's imbalanced algorithms beside ours, and on one device."""

import pytest
from semilearn.core.utils import IMB_ALGORITHMS

from usb_negsamp import ConfigError
from usb_negsamp.host import patching
from usb_negsamp.testing import build_tiny, train_tiny

# CoSSL makes features for the rarer classes, of which evenly drawn digits have none: it is built, not trained.
BESIDE_OURS = sorted(set(IMB_ALGORITHMS.keys()) - {"cossl"})


@pytest.mark.parametrize("name", BESIDE_OURS)
def test_every_imbalanced_algorithm_trains_around_fixmatch_with_ns3l(name, tmp_path):
    algorithm = train_tiny("fixmatch_ns3l", tmp_path, imb_algorithm=name)
    # CReST begins anew in each generation.
    assert algorithm.it >= 10 or name.startswith("crest")
    assert algorithm.results_dict["eval/best_acc"] > 0
    assert "NS3LHook" in algorithm.hooks_dict


def test_cossl_is_built_around_fixmatch_with_ns3l(tmp_path):
    assert "NS3LHook" in build_tiny("fixmatch_ns3l", tmp_path, imb_algorithm="cossl").hooks_dict


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
