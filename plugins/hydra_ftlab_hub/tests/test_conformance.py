"""Hydra's own test suite for config sources, over readers that hold the suite's files."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import hydra
import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.test_utils.config_source_common_tests import ConfigSourceTestSuite
from hydra.version import _UNSPECIFIED_, VersionBase

from hydra_plugins.hydra_ftlab_hub.hub import HubSearchPath, HubSource, Reader

_FILES: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "dataset": {
        "imagenet": {"name": "imagenet", "path": "/datasets/imagenet"},
        "cifar10": {"name": "cifar10", "path": "/datasets/cifar10"},
    },
    "optimizer": {"adam": {}, "nesterov": {}},
    "level1/level2": {"nested1": {"l1_l2_n1": True}, "nested2": {"l1_l2_n2": True}},
    "configs_with_defaults_list": {
        "global_package": {"defaults": [{"foo": "bar"}], "x": 10},
        "group_package": {"defaults": [{"foo": "bar"}], "x": 10},
    },
    "package_test": {"none": {"foo": "bar"}},
}

_BY_NATURE = {
    "test_is_config_with_overlap_name": "all its choices are in groups",
    "test_list_with_overlap_name": "all its choices are in groups",
    "test_default_package_for_primary_config": "it has no primary configuration",
    "test_primary_config_with_non_global_package": "it has no primary configuration",
}


def _reason(test: str, params: Mapping[str, Any]) -> str | None:
    """Why a test of the suite can't apply; None where it does."""
    path, package = params.get("config_path", ""), params.get("expected_package")
    if test == "test_list" and getattr(params["results_filter"], "name", None) != "GROUP":
        return "it lists no choices: every model of the hub would be one, and model=glob(*) would run them"
    if test in ("test_source_load_config", "test_package_behavior") and "/" not in path:
        return "all its choices are in groups"
    if package is not None:
        return "its nodes have no package of their own: a model is always at `model`"
    return _BY_NATURE.get(test)


class Shelf(HubSource):
    """The source with other readers."""

    readers: ClassVar[Mapping[str, Reader]] = {
        group: Reader(files.__contains__, files.__getitem__) for group, files in _FILES.items()
    }


@pytest.mark.parametrize(("type_", "path"), [(Shelf, "ftlab-hub://names")])
class TestSource(ConfigSourceTestSuite):
    """As Hydra ships it; what can't apply is skipped with its reason."""

    @pytest.fixture(autouse=True)
    def _applies(self, request: pytest.FixtureRequest) -> Iterator[None]:
        reason = _reason(request.node.originalname, request.node.callspec.params)
        if reason:
            pytest.skip(reason)
        base = VersionBase.instance()
        before = base.version_base
        if hydra.__version__.startswith("1.3."):
            base.version_base = _UNSPECIFIED_
        yield
        base.version_base = before


def test_both_plugins_are_discovered() -> None:
    assert HubSource.__name__ in [plugin.__name__ for plugin in Plugins.instance().discover(ConfigSource)]
    assert HubSearchPath.__name__ in [plugin.__name__ for plugin in Plugins.instance().discover(SearchPathPlugin)]


@pytest.mark.parametrize(
    ("place", "path", "is_read"),
    [
        ("names", "model/org/name", True),
        ("names", "model/a/b/c", True),
        ("names", "model/tiny", False),  # a YAML file's, if it exists
        ("names", "model/./tiny", False),
        ("names", "optimizer/org/name", False),
        ("names", "model/", False),
        ("names", "data/rows.jsonl", True),
        ("names", "data/demo", False),
        ("paths", "model/./tiny", True),
        ("paths", "model//tiny", True),
        ("paths", "model/../config", True),
        ("paths", "model/..", True),
        ("paths", "model/~/m", True),
        ("paths", "model/org/name", False),
        ("paths", "data//rows/*.jsonl", True),
        ("paths", "method/./lora", False),
        ("paths", "config", False),
    ],
)
def test_each_place_answers_for_its_choices(place: str, path: str, is_read: bool) -> None:
    source = HubSource("ftlab-hub", f"ftlab-hub://{place}")
    assert source.is_config(path) is is_read
    assert source.available()


def test_both_places_together_list_no_choice() -> None:
    assert HubSource("ftlab-hub", "ftlab-hub://names").list("", None) == ["data", "model"]
    assert HubSource("ftlab-hub", "ftlab-hub://names").list("model", None) == []
