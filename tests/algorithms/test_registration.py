"""Names in the host's registry, and wrapping an algorithm of one's own."""

import subprocess
import sys

import pytest
from semilearn.algorithms.fixmatch import FixMatch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.host import ALGORITHMS, AlgorithmBase
from usb_negsamp.testing import build_tiny

HOST_NAMES = [
    "adamatch", "comatch", "crmatch", "dash", "fixmatch", "flexmatch", "freematch", "fullysupervised", "meanteacher",
    "mixmatch", "pimodel", "pseudolabel", "remixmatch", "simmatch", "softmatch", "supervised", "uda", "vat",
]  # fmt: skip


def test_importing_the_package_is_light():
    code = "import sys, usb_negsamp; print([m for m in ('torch', 'torchvision', 'semilearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_every_algorithm_of_the_host_has_an_ns3l_of_its_name():
    names = usb_negsamp.register()
    assert {f"{name}_ns3l" for name in HOST_NAMES} | {"ns3l"} <= set(names)
    assert all(name in ALGORITHMS for name in names)


def test_registering_again_changes_nothing():
    first = usb_negsamp.register()
    classes = {name: ALGORITHMS[name] for name in first}
    assert usb_negsamp.register() == first
    assert all(ALGORITHMS[name] is classes[name] for name in first)


def test_a_foreign_algorithm_of_our_name_is_not_replaced(monkeypatch):
    from usb_negsamp.algorithms import _registered

    usb_negsamp.register()
    monkeypatch.delitem(_registered, "vat_ns3l")
    monkeypatch.setitem(ALGORITHMS._dict, "vat_ns3l", type("Foreign", (ALGORITHMS["vat"],), {}))
    with pytest.raises(ConfigError, match="'vat_ns3l' is taken"):
        usb_negsamp.register()


def test_a_name_that_the_host_has_is_left_to_it(monkeypatch, registry_put_back):
    from usb_negsamp.host import patching

    monkeypatch.setattr(patching, "_stepped_aside", {})
    monkeypatch.setattr(patching, "_applied", {**patching._applied, "notice": []})
    for name, base in (("ns3l", "supervised"), ("vat_ns3l", "vat")):
        ALGORITHMS._dict[name] = type("Host", (FixMatch,), {"__module__": f"semilearn.algorithms.{base}"})
        usb_negsamp.algorithms._registered.pop(name, None)
    hosts = {name: ALGORITHMS[name] for name in ("ns3l", "vat_ns3l")}
    names = usb_negsamp.register()
    assert not {"ns3l", "vat_ns3l", "vat_ns3l_ns3l"} & set(names)
    assert {"fixmatch_ns3l", "vat_ns3l_dnll", "vat_dnll"} <= set(names)
    assert {name: ALGORITHMS[name] for name in hosts} == hosts
    assert patching.lines_of_stepped_aside() == [
        "usb-negsamp: register() steps aside for the host's own: it has ns3l, vat_ns3l"
    ]


@pytest.fixture
def registry_put_back(monkeypatch):
    from usb_negsamp import algorithms

    monkeypatch.setattr(algorithms, "_registered", dict(algorithms._registered))
    kept = dict(ALGORITHMS._dict)
    yield
    ALGORITHMS._dict.clear()
    ALGORITHMS._dict.update(kept)


@pytest.mark.parametrize("with_base", [False, True])
def test_what_the_readme_says_of_ones_own_algorithm_bears_registering_again(with_base, registry_put_back):
    usb_negsamp.register()
    own = type("MyMatch", (FixMatch,), {})
    if with_base:
        ALGORITHMS["mymatch"] = own
    ALGORITHMS["mymatch_ns3l"] = wrapped = usb_negsamp.wrap(own, "ns3l")
    names = usb_negsamp.register()
    assert usb_negsamp.register() == names
    assert ALGORITHMS["mymatch_ns3l"] is wrapped
    assert {"mymatch_ns3l_dnll", "mymatch_ns3l_spl"} <= set(names)
    assert issubclass(ALGORITHMS["mymatch_ns3l_dnll"], own)
    assert ("mymatch_dnll" in names) is with_base


def test_an_algorithm_registered_later_is_found_by_the_next_call(monkeypatch):
    from usb_negsamp import algorithms

    monkeypatch.setitem(ALGORITHMS._dict, "ownmatch", type("OwnMatch", (FixMatch,), {}))
    monkeypatch.setattr(algorithms, "_registered", dict(algorithms._registered))
    kept = dict(ALGORITHMS._dict)
    try:
        assert "ownmatch_ns3l" in usb_negsamp.register()
    finally:
        for name in set(ALGORITHMS._dict) - set(kept):
            del ALGORITHMS._dict[name]


def test_a_class_of_ones_own_is_wrapped_in_one_line(tmp_path):
    class OwnMatch(FixMatch):
        """Not registered anywhere."""

    wrapped = usb_negsamp.wrap(OwnMatch, "ns3l")
    assert issubclass(wrapped, OwnMatch)
    assert "--ns3l_threshold" in [argument.name for argument in wrapped.get_argument()]


def test_a_wrapper_keeps_the_base_algorithms_name_for_its_data(tmp_path):
    algorithm = build_tiny("mixmatch_ns3l", tmp_path)
    assert algorithm.algorithm == "mixmatch"
    assert algorithm.dataset_dict["train_ulb"].alg == "mixmatch"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fixmach", "ns3l"), "unknown algorithm 'fixmach'; did you mean 'fixmatch'?"),
        (("fixmatch", "nsl3"), "unknown wrapper 'nsl3'; did you mean 'ns3l'?"),
        (("fixmatch",), "expected at least one wrapper"),
        ((dict, "ns3l"), "expected a subclass of the host's AlgorithmBase"),
        (("fixmatch_ns3l", "ns3l"), "carries the wrapper 'ns3l' already"),
    ],
)
def test_what_cannot_be_wrapped_is_one_clear_error(arguments, message):
    usb_negsamp.register()
    with pytest.raises(ConfigError) as error:
        usb_negsamp.wrap(*arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_plain_host_algorithm_is_not_changed_by_wrapping():
    usb_negsamp.register()
    assert ALGORITHMS["fixmatch"] is FixMatch
    assert FixMatch.process_batch is AlgorithmBase.process_batch
