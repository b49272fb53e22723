"""Fine-tunes: the whole path from configuration to adapter, evidence and summary. Each line is a stage."""

import logging

from omegaconf import DictConfig

from ftlab.stage.surroundings import settle

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> float | None:
    """Trains, and measures base against tuned on held-out rows.

    Args:
        cfg: The composed configuration.

    Returns:
        The lowest held-out loss, or the last one if a search has ended the run; None without validation rows.

    Raises:
        InputError: Something in the input can't work; everything that is wrong.
        KeyboardInterrupt: The run was told to end, and is saved.
    """
    settle(offline=cfg.offline)

    from ftlab.callbacks.interrupt import Interrupted
    from ftlab.callbacks.prune import Pruned
    from ftlab.stage.conclude import conclude
    from ftlab.stage.fit import train
    from ftlab.stage.load import apply_method, load_base
    from ftlab.stage.prepare import prepare
    from ftlab.stage.record import Record, go_on_command
    from ftlab.stage.whole import score_whole

    inputs = prepare(cfg)
    if inputs.place.is_done:
        log.info("The run in %s is done: there is nothing to go on with.", inputs.place.folder)
        return inputs.place.val_loss
    try:
        with Record(cfg, inputs) as record:
            base_model = load_base(cfg, inputs.device)
            base = score_whole(cfg, inputs, base_model) if cfg.evaluation.base else None
            model = apply_method(cfg, inputs, base_model, record)
            val_loss = train(cfg, inputs, model, record)
            tuned = score_whole(cfg, inputs, model)
            conclude(cfg, inputs, record, model, base=base, tuned=tuned, val_loss=val_loss)
    except Pruned as pruned:
        log.info("%s", pruned)
        return pruned.val_loss
    except Interrupted as interruption:
        log.info("%s\n  %s", interruption, go_on_command(inputs.place.folder))
        raise KeyboardInterrupt from interruption
    return val_loss
