"""The keys under which numbers are logged: one list for the metrics file, W&B, the summary and the tests.

Every key names its unit where it has one. The x axis of all of them is the optimizer step (`STEP`).
"""

STEP = "step"
"""Optimizer steps done; step 0 is the model before the first update."""
ATTEMPT = "attempt"
"""How many times this run was started: 1, then one more at each resume."""

TRAIN_LOSS = "train/loss"
"""Mean negative log-likelihood a supervised token of this step, in nats."""
TRAIN_PERPLEXITY = "train/perplexity"
TRAIN_EPOCH = "train/epoch"
LEARNING_RATE = "train/learning_rate"
GRAD_NORM = "train/grad_norm"
"""Euclidean norm of all gradients before clipping."""
TOKENS_PER_S = "train/tokens_per_s"
"""Tokens that reached the model a second, padding not counted."""
SUPERVISED_TOKENS_PER_S = "train/supervised_tokens_per_s"
STEP_S = "train/step_s"
IDLE_S = "train/idle_s"
"""Seconds that the device waited between the last update and this step: for rows, logging, checkpoints."""
ELAPSED_S = "train/elapsed_s"
"""Seconds since this start of the run began to train, evaluation and checkpoints included."""
SKIPPED_STEPS = "train/skipped_steps"
"""Steps left out so far because their loss or gradient was not finite."""

VAL_LOSS = "val/loss"
VAL_PERPLEXITY = "val/perplexity"

TEST_LOSS_BASE = "test/loss_base"
TEST_PERPLEXITY_BASE = "test/perplexity_base"
TEST_JSON_RATE_BASE = "test/json_rate_base"
TEST_LOSS = "test/loss"
TEST_PERPLEXITY = "test/perplexity"
TEST_JSON_RATE = "test/json_rate"
TEST_TEXT_LOSS_BASE = "test/text_loss_base"
TEST_TEXT_LOSS = "test/text_loss"
"""As the losses before, over all tokens of the held-out rows and not over their answers only."""
TEST_TEXT_PERPLEXITY_BASE = "test/text_perplexity_base"
TEST_TEXT_PERPLEXITY = "test/text_perplexity"
TEST_SCHEMA_RATE_BASE = "test/schema_rate_base"
TEST_SCHEMA_RATE = "test/schema_rate"
TEST_FIELDS_RIGHT_BASE = "test/fields_right_base"
TEST_FIELDS_RIGHT = "test/fields_right"
TEST_STOP_RATE_BASE = "test/stop_rate_base"
TEST_STOP_RATE = "test/stop_rate"
TEST_EXACT_RATE_BASE = "test/exact_rate_base"
TEST_EXACT_RATE = "test/exact_rate"
TEST_ROUGE_L_BASE = "test/rouge_l_base"
TEST_ROUGE_L = "test/rouge_l"

GENERAL_LOSS_BASE = "general/loss_base"
GENERAL_LOSS = "general/loss"
"""Mean negative log-likelihood a scored token of general texts, in nats: it rises with what is forgotten."""
GENERAL_PERPLEXITY_BASE = "general/perplexity_base"
GENERAL_PERPLEXITY = "general/perplexity"
GENERAL_PROBE_RATE_BASE = "general/probe_rate_base"
GENERAL_PROBE_RATE = "general/probe_rate"
"""Share of the probe's questions that are answered right."""

MEMORY_PEAK_BYTES = "memory/peak_bytes"
"""GPU: highest allocation of the step; CPU: resident memory of the process."""
MEMORY_RESERVED_BYTES = "memory/reserved_bytes"

OOM_RETRIES = "oom/retries"
"""Steps repeated so far with smaller micro-batches after running out of memory."""
MICRO_BATCH_TOKENS = "oom/micro_batch_tokens"
"""The budget of a micro-batch in force after this step."""

ALL = tuple(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
"""Every key, in the order above: the columns of the metrics file."""


def of_base(key: str) -> str:
    """Returns the key of the same number of the base: `test/loss` → `test/loss_base`."""
    return f"{key}_base"
