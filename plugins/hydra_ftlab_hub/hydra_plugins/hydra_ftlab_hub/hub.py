"""Where choices come from that no YAML file holds: `model=Qwen/Qwen3-8B`, `model=./folder`, `data=org/name`.

Hydra imports this module at the start of every Hydra application in the environment, and a plugin that raises would
break them all. So it imports nothing heavy, and it does nothing unless the application is ftlab.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from hydra_plugins.hydra_ftlab_hub import _data, _model
from hydra_plugins.hydra_ftlab_hub._choice import is_path
from hydra_plugins.hydra_ftlab_searchpath._application import shipped_folder

PATHS, NAMES = "paths", "names"
"""The two places in the search path: what is surely a path is asked first, all else only after every YAML file."""


@dataclass(frozen=True)
class Reader:
    """How the choices of a group are read.

    Attributes:
        claims: Whether a choice is one of this reader's.
        read: Returns its node.
    """

    claims: Callable[[str], bool]
    read: Callable[[str], Mapping[str, Any]]


class HubSource(ConfigSource):
    """Answers for choices that are paths or ids of the hub.

    Attributes:
        readers: Those of each group.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "model": Reader(_model.claims, _model.read),
        "data": Reader(_data.claims, _data.read),
    }

    @staticmethod
    def scheme() -> str:
        """Returns what stands before `://` in the search path."""
        return "ftlab-hub"

    def available(self) -> bool:
        """Whether this is one of the two places."""
        return self.path in (PATHS, NAMES)

    def is_group(self, config_path: str) -> bool:
        """Whether there are readers for a group or for one inside of it."""
        return config_path == "" or any(f"{group}/".startswith(f"{config_path}/") for group in self.readers)

    def is_config(self, config_path: str) -> bool:
        """Whether a choice is read here; this reads nothing.

        Args:
            config_path: Group and choice as Hydra joins them: `model/Qwen/Qwen3-8B`, `model/./folder`, `model//folder`.
        """
        return self._find(config_path) is not None

    def load_config(self, config_path: str) -> ConfigResult:
        """Reads a choice.

        Args:
            config_path: Group and choice as Hydra joins them.

        Returns:
            The choice's node.

        Raises:
            ConfigLoadError: It isn't read here, or something is wrong with it.
        """
        found = self._find(config_path)
        if found is None:
            raise ConfigLoadError(f"Config not found: {config_path}")
        reader, choice = found
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.create(dict(reader.read(choice))),
            header={"package": None},
        )

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Lists groups. Choices aren't listed: all of the hub's would be there, and `model=glob(*)` would run them.

        Args:
            config_path: A group; empty for all.
            results_filter: Only groups, only choices, or (None) both.
        """
        if results_filter == ObjectType.CONFIG:
            return []
        prefix = f"{config_path}/" if config_path else ""
        inside = {group.removeprefix(prefix) for group in self.readers if group.startswith(prefix)}
        return sorted({group.partition("/")[0] for group in inside})

    def _find(self, config_path: str) -> tuple[Reader, str] | None:
        for group, reader in self.readers.items():
            choice = config_path.removeprefix(f"{group}/").removesuffix(".yaml")
            is_mine = choice != "" and is_path(choice) == (self.path == PATHS)
            if config_path.startswith(f"{group}/") and is_mine and reader.claims(choice):
                return reader, choice
        return None


class HubSearchPath(SearchPathPlugin):
    """Puts both places into ftlab's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Adds them, if the application is ftlab.

        YAML files lie under a group's folder, so that they would answer for `./tiny` with `tiny.yaml` and for
        `../config` with `config.yaml`: what is a path is asked here before.

        Args:
            search_path: Hydra's, with the application's own folder as its `main` element.
        """
        if shipped_folder(search_path) is None:
            return
        search_path.append("ftlab-hub", f"{HubSource.scheme()}://{PATHS}", SearchPathQuery(provider="hydra"))
        search_path.append("ftlab-hub", f"{HubSource.scheme()}://{NAMES}")
