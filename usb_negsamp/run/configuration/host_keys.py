"""What our table adds to the host's own keys: ranges and choices, and what another value affects.

Type, default and meaning come from the host's parser (:mod:`usb_negsamp.host.arguments`); the type and default here say
no more than which ranges can be.
"""

from __future__ import annotations

from usb_negsamp.key import (
    AT_LEAST_ONE,
    AT_LEAST_TWO,
    BELOW_ONE,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    SHARE_ABOVE_0,
    Key,
    Range,
    whole_from_to,
)

MOST_WORKERS = 1024
LARGEST_SIDE = 8192
"""Of images, in pixels."""

OF_EVERY_RUN: tuple[Key, ...] = (
    *(Key(name, bool, False, affects="place") for name in ("resume", "overwrite")),
    *(Key(name, str, "", affects="place") for name in ("save_dir", "save_name", "load_path")),
    *(Key(name, bool, False, affects="session") for name in ("use_tensorboard", "use_wandb", "use_aim")),
    Key("data_dir", str, "", affects="session"),
    Key("pretrain_path", str, "", affects="start"),
    Key("gpu", int, None, range=NOT_NEGATIVE, affects="session"),
    Key("num_workers", int, 0, range=whole_from_to(0, MOST_WORKERS), affects="session"),
    Key("eval_batch_size", int, 1, range=POSITIVE, affects="session"),
    Key("num_log_iter", int, 1, range=POSITIVE, affects="session"),
    *(Key(name, int, 1, range=POSITIVE, affects="length") for name in ("epoch", "num_train_iter", "num_eval_iter")),
    *(Key(name, int, 1, range=POSITIVE) for name in ("batch_size", "uratio")),
    Key("img_size", int, 1, range=whole_from_to(1, LARGEST_SIDE)),
    *(Key(name, int, 0, range=NOT_NEGATIVE) for name in ("num_warmup_iter",)),
    *(Key(name, float, 1.0, range=POSITIVE) for name in ("lr", "n_sigma", "T")),
    *(Key(name, float, 0.0, range=NOT_NEGATIVE) for name in ("weight_decay", "ent_loss_ratio", "mixup_alpha")),
    *(
        Key(name, float, 0.0, range=NOT_NEGATIVE)
        for name in ("clip_grad", "ulb_loss_ratio", "unsup_warm_up", "vat_eps")
    ),
    *(Key(name, float, 0.0, range=BELOW_ONE) for name in ("momentum", "ema_m")),
    *(Key(name, float, 0.0, range=SHARE) for name in ("ema_p", "p_cutoff")),
    *(Key(name, float, 1.0, range=SHARE_ABOVE_0) for name in ("layer_decay", "crop_ratio")),
    Key("num_classes", int, 2, range=AT_LEAST_TWO),
    Key("seed", int, 0, range=SEED),
    Key("lb_imb_ratio", int, 1, range=AT_LEAST_ONE),
    Key("ulb_imb_ratio", int, 1, range=Range(lambda value: abs(value) >= 1, "other than 0")),
    *(Key(name, int, None, range=POSITIVE) for name in ("ulb_num_labels", "max_length", "sample_rate")),
    Key("max_length_seconds", float, 1.0, range=POSITIVE),
)

# Names that another algorithm may well have a key of, such as gamma, are not among them.
OF_METHODS: tuple[Key, ...] = (
    Key("tsa_schedule", str, "none", choices=("none", "linear", "log", "exp")),
    Key("cossl_tfe_augment", str, "strong", choices=("weak", "strong")),
    *(Key(name, int, 1, range=POSITIVE) for name in ("proj_size", "queue_batch", "da_len", "num_wu_eval_iter")),
    *(Key(name, int, 1, range=POSITIVE) for name in ("cossl_tfe_u_ratio", "cossl_tfe_warm_bs", "crest_num_gens")),
    *(Key(name, int, 1, range=POSITIVE) for name in ("darp_iter_T", "daso_queue_len", "daso_num_pl_dist_iter")),
    *(Key(name, int, 0, range=NOT_NEGATIVE) for name in ("num_wu_iter", "cossl_warm_epoch", "cossl_tfe_warm_epoch")),
    *(Key(name, int, 0, range=NOT_NEGATIVE) for name in ("darp_warmup_epochs", "darp_num_refine_iter")),
    *(Key(name, int, 0, range=NOT_NEGATIVE) for name in ("daso_num_pretrain_iter", "tras_warmup_epochs")),
    *(Key(name, float, 1.0, range=POSITIVE) for name in ("cossl_tfe_warm_lr", "darp_alpha")),
    *(Key(name, float, 1.0, range=POSITIVE) for name in ("daso_T_proto", "daso_T_dist", "crest_alpha")),
    *(Key(name, float, 0.0, range=NOT_NEGATIVE) for name in ("contrast_loss_ratio", "rot_loss_ratio", "rho_min")),
    *(Key(name, float, 0.0, range=NOT_NEGATIVE) for name in ("kl_loss_ratio", "in_loss_ratio", "abc_loss_ratio")),
    *(Key(name, float, 0.0, range=NOT_NEGATIVE) for name in ("cossl_tfe_warm_wd", "daso_assign_loss_ratio")),
    *(Key(name, float, 0.0, range=SHARE) for name in ("contrast_p_cutoff", "smoothing_alpha", "abc_p_cutoff")),
    *(Key(name, float, 0.0, range=SHARE) for name in ("cossl_max_lam", "cossl_tfe_warm_ema_decay", "adsh_tau_1")),
    *(Key(name, float, 0.0, range=SHARE) for name in ("daso_interp_alpha", "debiaspl_ema_p")),
)

HOST_KEYS: tuple[Key, ...] = (*OF_EVERY_RUN, *OF_METHODS)
