"""Measures base against tuned, of a run that is done or of any adapter or model. Each line is a stage."""

from pathlib import Path

from omegaconf import DictConfig

from ftlab.stage.surroundings import settle


def run(cfg: DictConfig) -> float | None:
    """Measures what the `evaluation` group asks for.

    Args:
        cfg: The composed configuration of this command; the run's own is read from `run`.

    Returns:
        The tuned model's held-out loss; None where nothing is held out.

    Raises:
        InputError: Nothing that was trained is there, its base doesn't match, its rows can't be read, or there is
            nothing to measure.
    """
    if cfg.evaluation.name == "curve":  # a curve needs neither a model nor what loads one
        from rich.console import Console

        from ftlab.stage.curve import diagnose_file

        diagnose_file(cfg.run, Path(cfg.output_dir), Console())
        return None
    settle(offline=cfg.offline)

    from ftlab.stage.evaluate import conclude_evaluation, evaluate, refuse_nothing
    from ftlab.stage.record import Record
    from ftlab.stage.run import open_run

    opened = open_run(cfg)
    refuse_nothing(opened)
    with Record(opened.cfg, opened.inputs) as record:
        scores = evaluate(opened, record)
        conclude_evaluation(opened, record, scores)
    held_out = scores["tuned"].held_out
    return None if held_out is None else held_out.loss
