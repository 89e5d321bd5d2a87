"""CRMatch on networks and image sizes that the host does not know by name."""

import pytest

from usb_negsamp.host import patching
from usb_negsamp.testing import build_tiny, train_tiny


def test_a_network_of_any_name_is_taken(tmp_path):
    assert train_tiny("crmatch", tmp_path).it == 10
    with patching.undone("crmatch_feature_map"), pytest.raises(NotImplementedError):
        build_tiny("crmatch", tmp_path)


def test_a_wide_resnet_takes_other_sizes_than_32(tmp_path):
    algorithm = build_tiny("crmatch", tmp_path, net="wrn_28_2", img_size=16)
    assert algorithm.model.ds_classifier.in_features == 4 * 4 * 128
    with patching.undone("crmatch_feature_map"):
        host = build_tiny("crmatch", tmp_path, net="wrn_28_2", img_size=16)
    assert host.model.ds_classifier.in_features == 8 * 8 * 128, "which fits 32 x 32 only"


def test_at_32_the_network_is_the_hosts_own(tmp_path):
    algorithm = build_tiny("crmatch", tmp_path, net="wrn_28_2", img_size=32)
    assert algorithm.model.ds_classifier.in_features == 8 * 8 * 128
