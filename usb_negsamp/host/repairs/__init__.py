"""The repairs of the host: one small module each, all applied once, in this order.

A repair module says what is wrong (file of the host), how it shows, how it is mended and when it may go, and has one
function ``apply()`` that changes the host only through :mod:`usb_negsamp.host.patching`, so that its test can take the
repair back and see the break. Ids such as V12 are the rows of the table in ``docs/host_repairs.md``.
"""

from __future__ import annotations

from usb_negsamp.host import patching

ORDER: tuple[str, ...] = (
    "step_timer",
    "process_count",
    "model_placement",
    "mixed_precision",
    "moving_average",
    "autocast_cache",
    "evaluation",
    "checkpoints",
    "seeded_loading",
    "virtual_adversary",
    "crmatch_feature_map",
    "crmatch_on_device",
    "yaml_loader",
    "unknown_dataset",
    "net_builder",
    "batch_transfer",
    "pretrained_weights",
    "batch_norm_control",
    "index_dump",
    "numpy_math",
    "dataset_views",
    "image_transforms",
    "epass_argument",
    "lighting_config",
    "logger_handlers",
    "registry_errors",
    "hook_priority",
    "softmatch_hook",
    "softmatch_on_device",
    "dist_align_queue",
    "mixing_order",
    "flexmatch_on_device",
    "simmatch_precision",
    "warm_up_zero",
    "step_figures",
    "freematch_on_device",
    "mean_teacher",
    "medmnist_root",
    "end_of_epoch",
    "sequencematch_features",
    "imbalanced_base",
    "cossl",
    "trackers",
)


def apply_all() -> None:
    """Apply every repair that has not been applied in this process."""
    patching.apply_each(__name__, ORDER)
