import pytest

from ftlab.config import secret

HUB = "hf_" + "a" * 34
HEX = "0123456789" * 4


@pytest.mark.parametrize(
    "argument",
    [
        f"model.path={HUB}",
        f"data.hub_id=x/{HUB}",
        f"logger.wandb.project={HEX}",
        "+hf_token=abc",
        "+logger.wandb.api_key=abc",
        "+logger.wandb.apikey=abc",
        "++x.password=abc",
        HUB,
        HEX,
        "+k=wandb_v1_" + "A1_" * 12,
    ],
)
def test_secret_is_refused_and_not_repeated(argument: str) -> None:
    (problem,) = secret.check([argument])
    assert "environment variable" in problem.fix
    assert "abc" not in str(problem)
    assert HUB not in str(problem)
    assert HEX not in str(problem)


@pytest.mark.parametrize(
    "argument",
    [
        "method=lora",
        "method.num_virtual_tokens=20",
        f"model.revision={HEX}",
        f"model=org/name@{HEX}",
        f"model=/cache/models--org--name/snapshots/{HEX}",
        "training.micro_batch_tokens=4096",
        "model.path=org/hf_model",
        "--help",
    ],
)
def test_ordinary_argument_passes(argument: str) -> None:
    assert list(secret.check([argument])) == []
