"""Hydra's words for what is searched, Optuna's, and back."""

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hydra_plugins.hydra_ftlab_optuna import OptionError
from hydra_plugins.hydra_ftlab_optuna._space import read_space


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval(0.1, 1)", FloatDistribution(0.1, 1.0)),
        ("int(interval(1, 8))", IntDistribution(1, 8)),
        ("tag(log, interval(1e-5, 1e-3))", FloatDistribution(1e-5, 1e-3, log=True)),
        ("tag(log, int(interval(1, 64)))", IntDistribution(1, 64, log=True)),
        ("range(4, 17, 4)", IntDistribution(4, 16, step=4)),
        ("range(8, 0, -2)", IntDistribution(2, 8, step=2)),
        ("range(0, 0.3, 0.1)", CategoricalDistribution([0.0, 0.1, 0.2])),
        ("8,lora,true,null", CategoricalDistribution([8, "lora", True, "null"])),
        ("'a b',c", CategoricalDistribution(["'a b'", "c"])),
        ("choice([q,v],all)", CategoricalDistribution(["[q,v]", "all"])),
    ],
)
def test_words_of_hydra_become_a_distribution(text: str, expected: BaseDistribution) -> None:
    assert read_space({"a.b": text}, []).searched == {"a.b": expected}


def test_what_is_typed_wins_over_the_configuration() -> None:
    space = read_space(
        {"a": "interval(0.0, 1.0)", "b": "choice(1, 2)", "c": 5, "f": 6}, ["a=0.5", "+d=1,2", "c=interval(1,3)", "~e"]
    )
    assert list(space.searched) == ["b", "+d", "c"]
    assert space.fixed == ["f=6", "a=0.5", "~e"]


def test_overrides_are_short_and_are_read_back_as_they_are() -> None:
    space = read_space({"lr": "tag(log, interval(1e-6, 1))"}, ["fixed=1"])
    values = {"lr": 0.000123456789, "on": True, "off": None, "n": 3, "word": "'a b'"}
    assert space.overrides(values) == ["lr=0.0001235", "on=true", "off=null", "n=3", "word='a b'", "fixed=1"]
    assert space.ends() == [["lr=1e-06", "fixed=1"], ["lr=1.0", "fixed=1"]]


def test_all_that_cannot_be_searched_is_told_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        read_space({"a": "interval(1,", "b": "glob(*)", "c": "range(3,3)"}, [])
    assert [line.split("`")[1] for line in str(caught.value).splitlines()] == [
        "a=interval(1,",
        "b=glob(*)",
        "c=range(3,3)",
    ]
    with pytest.raises(OptionError, match="There is nothing to search"):
        read_space({}, ["a=1"])
