"""From the command line to a checked configuration and the objects that it names.

`schema` says what a configuration looks like, `validate` collects everything that is wrong with one, `build` makes
objects of its `_target_` nodes. Importing this package registers the resolvers that the shipped YAML files use.
"""

from ftlab.config.resolver import register

register()
