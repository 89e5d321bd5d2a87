"""Fingerprints of the host's functions that ours take the place of.

Of ``semilearn`` 0.3.2, then of git main 1ef4cbe, then of git main with the series of ``patches/upstream``; one
fingerprint where they are the same. ``tests/host/expected/known_sources.py`` writes the list.
"""

from __future__ import annotations

KNOWN: dict[str, tuple[str, ...]] = {
    "semilearn.algorithms.flexmatch.utils.FlexMatchThresholdingHook.masking": ("c2aba79f0533",),
    "semilearn.algorithms.flexmatch.utils.FlexMatchThresholdingHook.update": ("5b94c6f1ca5b",),
    "semilearn.algorithms.freematch.utils.FreeMatchThresholdingHook.update": ("d1b9e00ce4f8",),
    "semilearn.algorithms.freematch.utils.FreeMatchThresholingHook.update": ("d1b9e00ce4f8",),
    "semilearn.algorithms.hooks.dist_align.DistAlignQueueHook.update_p": ("bd0fcf90ac19",),
    "semilearn.algorithms.meanteacher.meanteacher.MeanTeacher.train_step": ("6dc6e13ae54b",),
    "semilearn.algorithms.vat.vat.VAT.vat_loss": ("a384a741113b", "88c72619674c"),
    "semilearn.core.algorithmbase.AlgorithmBase.evaluate": ("2975e7d4226a", "eec2db5d5b71", "8ec0884668f0"),
    "semilearn.core.algorithmbase.AlgorithmBase.load_model": ("4e5ce2341c61", "06aae357f94b", "36c2a6862c33"),
    "semilearn.core.algorithmbase.AlgorithmBase.process_batch": ("4977d2d9e028", "eaa5b6de6d8e", "fb9f0204a3e4"),
    "semilearn.core.algorithmbase.AlgorithmBase.save_model": ("e142bf117d36",),
    "semilearn.core.hooks.checkpoint.CheckpointHook.after_train_step": ("681c58dcb4e8",),
    "semilearn.core.hooks.ema.EMAHook.after_train_step": ("13369c227224",),
    "semilearn.core.hooks.ema.EMAHook.before_run": ("030da2754520",),
    "semilearn.core.hooks.evaluation.EvaluationHook.after_run": ("657bbe932f71", "69f5dbf2801d"),
    "semilearn.core.hooks.evaluation.EvaluationHook.after_train_step": ("1e40384ff71d",),
    "semilearn.core.hooks.hook.Hook.end_of_epoch": ("3d2dac2225a4", "6a45fc1af653"),
    "semilearn.core.hooks.timer.TimerHook.after_train_step": ("2fa0181e51be", "3fede7fec63e"),
    "semilearn.core.hooks.timer.TimerHook.before_run": ("df170a52db26", "1a18d06e8fcd"),
    "semilearn.core.hooks.timer.TimerHook.before_train_step": ("26d0653af4a8",),
    "semilearn.core.utils.build.get_logger": ("43c7a6b511e9",),
    "semilearn.core.utils.misc.Bn_Controller.freeze_bn": ("434b0cadc492",),
    "semilearn.core.utils.misc.Bn_Controller.unfreeze_bn": ("011618bd1ae9",),
    "semilearn.core.utils.misc.EMA.__init__": ("2404410f0b3c",),
    "semilearn.core.utils.misc.EMA.apply_shadow": ("e6e513185758", "aa54ec003c99"),
    "semilearn.core.utils.misc.EMA.load": ("8b508e02f4b8",),
    "semilearn.core.utils.misc.EMA.register": ("95519418c9cb",),
    "semilearn.core.utils.misc.EMA.restore": ("e1d01363317b", "8765815d3b92"),
    "semilearn.core.utils.misc.EMA.update": ("ac15ad8d50b4", "38076029a31b"),
    "semilearn.core.utils.misc.over_write_args_from_file": ("848be4ad2d6c", "a1154f84b3ef"),
    "semilearn.core.utils.registry.Register.__getitem__": ("33c2f45f0e45", "8c77073eda45"),
    "semilearn.imb_algorithms.crest.utils.CReSTLoggingHook.after_train_step": ("3f5dceb3dc71",),
    "semilearn.imb_algorithms.get_imb_algorithm": ("c3c85d3e01a3", "a85ebc689812"),
    "semilearn.lighting.trainer.Trainer.__init__": ("5f72fb1b7587", "53b44e185e25"),
    "semilearn.lighting.trainer.Trainer.fit": ("e68c393a57e7", "44033bb50513", "8dd24081600b"),
    "semilearn.nets.utils.load_checkpoint": ("0c32cc9f5c8a", "8cc177b83512"),
}
