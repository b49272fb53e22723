"""What W&B shows of an evaluation is what the run card holds."""

from ftlab.logger.evaluation import charts, summary, tables
from tests.reference.made_run import made_evaluation


def test_every_single_number_is_in_the_summary_by_its_path() -> None:
    found = summary(made_evaluation())
    assert found["evaluation/perplexity/difference/low"] == -4.81
    assert found["evaluation/forgetting/tuned/probe/right"] == 26
    assert found["evaluation/format/tuned/causes/text around it"] == 1
    assert found["evaluation/curve/verdict"] == "over-fitting"
    assert found["evaluation/blind/alpha"] == 0.62
    assert not [key for key in found if "question" in key]


def test_tables_have_the_same_columns_in_every_row() -> None:
    evaluation = made_evaluation()
    del evaluation["format"]["tuned"]["failures"][0]["reference"]
    found = tables(evaluation)
    assert set(found) == {"perplexity", "format_failures", "lm_eval", "answers", "curve"}
    for rows in found.values():
        assert len({tuple(row) for row in rows}) == 1
    assert found["curve"][0]["overrides"] == "training.epochs=2, branch"
    assert len(found["perplexity"]) == 6
    assert found["lm_eval"][0]["base_value"] == 0.41


def test_charts_leave_out_what_is_no_number() -> None:
    evaluation = made_evaluation()
    evaluation["perplexity"]["answers"]["base"]["perplexity"] = float("inf")
    title, bars = charts(evaluation)["perplexity_chart"]
    assert title == "Perplexity of held-out rows"
    assert "answers, base" not in bars
    assert bars["answers, tuned"] == evaluation["perplexity"]["answers"]["tuned"]["perplexity"]
    assert charts({}) == {}
    assert tables({"perplexity": None}) == {}
