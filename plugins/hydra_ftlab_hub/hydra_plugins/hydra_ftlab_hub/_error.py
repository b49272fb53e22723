"""What is wrong with a choice, in ftlab's three parts: where, what, and what to type instead."""

from hydra.errors import ConfigCompositionException
from hydra.plugins.config_source import ConfigLoadError


class ChoiceError(ConfigLoadError, ConfigCompositionException):
    """A choice that can't be read. Shell completion passes over such errors, as over all of composition.

    Args:
        where: The group, or the key.
        what: What must hold, and what is there instead, as one sentence.
        fix: What to type, as one sentence.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(f"{where}: {what} {fix}")
        self.where = where
        self.what = what
        self.fix = fix


class NotCachedError(ChoiceError):
    """A model of the hub whose config.json was never downloaded to this machine; `fetch` does it.

    Args:
        hub_id: Such as `Qwen/Qwen3-8B`.
        revision: Branch, tag or commit; None = main.
    """

    def __init__(self, hub_id: str, revision: str | None) -> None:
        name = f"{hub_id}@{revision}" if revision else hub_id
        super().__init__(
            "model",
            f"must be in the local cache when the network is off, but '{name}' is not.",
            "Compose once with the network (offline=false, HF_HUB_OFFLINE unset), or give a folder: model=./folder.",
        )
        self.hub_id = hub_id
        self.revision = revision
