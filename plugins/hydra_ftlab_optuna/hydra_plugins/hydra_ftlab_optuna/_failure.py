"""What the sweeper raises.

Hydra executes each plugin module without a leading underscore anew whenever it looks for plugins; classes that others
compare with must not be made anew, and so they are here.
"""

from hydra.errors import CompactHydraException


class OptionError(CompactHydraException):
    """An option of the sweeper can't be met; nothing was started."""
