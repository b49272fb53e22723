"""`model=org/name`, `model=path/to/folder` and `data=` likewise, without a YAML file; see the README beside it."""

from hydra_plugins.hydra_ftlab_hub._choice import is_path, rooted
from hydra_plugins.hydra_ftlab_hub._error import ChoiceError, NotCachedError
from hydra_plugins.hydra_ftlab_hub._hub import fetch
from hydra_plugins.hydra_ftlab_hub._model import unread

__all__ = ["ChoiceError", "NotCachedError", "fetch", "is_path", "rooted", "unread"]
