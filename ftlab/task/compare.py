"""The blind side-by-side test: answers of all arms, a sealed key, pages for raters, the score. Each line is a stage."""

from omegaconf import DictConfig
from rich.console import Console

from ftlab.stage.surroundings import settle


def run(cfg: DictConfig) -> None:
    """Writes the answers and the raters' pages, serves the pages, or scores the votes.

    Args:
        cfg: The composed configuration.

    Raises:
        InputError: Something in the input can't work; everything that is wrong.
    """
    settle(offline=cfg.offline)

    from ftlab.evaluation.blind.table import print_links, print_result, print_test
    from ftlab.stage.compare import commands, make_test, raters_of, serve_pages, write_pages
    from ftlab.stage.votes import publish, score_test

    console = Console()
    if cfg.compare.action == "score":
        scored = score_test(cfg)
        publish(cfg, scored)
        print_result(console, scored.result, title=scored.title, written=scored.written)
        return
    trial = make_test(cfg)
    raters = raters_of(cfg, trial.folder)
    pages = write_pages(cfg, trial, raters) if trial.asked else {}
    print_test(console, trial, pages, commands(cfg, trial))
    if cfg.compare.serve and trial.asked:
        serve_pages(cfg, trial, raters, lambda links: print_links(console, links))
