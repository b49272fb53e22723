"""A report of a check with everything in it, for the page's tests and its screenshot."""

from ftlab.check.codes import CODES
from ftlab.check.finding import Finding
from ftlab.check.report import CheckReport, FindingGroup, Gravity, LongRowsPolicy, SplitAccount, TokenReport

HOSTILE = "</td><script>alert(1)</script>\u202e<img src=x onerror=alert(2)>{{ 7*7 }}\x00\ud800"


def made_group(code: str, gravity: Gravity, findings_count: int, *first: Finding) -> FindingGroup:
    kind = CODES[code]
    return FindingGroup(
        code=code,
        title=kind.title,
        gravity=gravity,
        remedy=kind.remedy,
        meaning=kind.meaning,
        findings_count=findings_count,
        rows_count=findings_count,
        first=first,
    )


def made_tokens(*, limit_tokens: int | None = 512) -> TokenReport:
    counts = (410, 1830, 2204, 1402, 760, 391, 180, 96, 60, 33, 18, 9, 5, 3, 1, 1)
    over = sum(count for place, count in enumerate(counts) if 1 + 40 * place > (limit_tokens or 10**9))
    return TokenReport(
        tokenizer="Llama-3.1-8B-Instruct",
        rows=sum(counts),
        tokens=812_480,
        supervised_tokens=391_004,
        histogram=(
            *((1 + 40 * place, 40 * place + 40, count) for place, count in enumerate(counts[:-1])),
            (601, 1633, 1),
        ),
        percentiles={"50": 96, "90": 214, "99": 402},
        longest_tokens=1633,
        longest_origin="support/train.jsonl:4417",
        limit_tokens=limit_tokens,
        over_limit_rows=over,
        policies=(
            LongRowsPolicy("error", 0, 0, 812_480, 391_004, "Stops: nothing is trained until they are gone."),
            LongRowsPolicy("drop", 7398, 809_000, 3_480, 2_100, "Leaves 5 rows out."),
            LongRowsPolicy("truncate", 7403, 812_100, 380, 380, "Cuts 380 tokens off the ends of 5 answers."),
            LongRowsPolicy("split", 7408, 812_480, 0, 0, "Makes 10 rows of 5."),
        )
        if over
        else (),
        padded_full=0.573,
        packed_full=0.986,
        padded_micro_batches=173,
        packed_micro_batches=101,
        batch_rows=32,
        micro_batch_tokens=8192,
        steps_per_epoch=232,
        total_steps=696,
        epochs=3.0,
    )


def made_report(*, what: str = "is the same row as support/test.jsonl:12 of the test split.") -> CheckReport:
    place = "support/train.jsonl"
    return CheckReport(
        sources=("support/train.jsonl", "support/test.jsonl"),
        row_format="alpaca",
        columns={"instruction": "question", "output": "reply"},
        guessed=True,
        accounts=(
            SplitAccount("train", 7461, 7320, 83, 58, {"FT201": 41, "FT211": 2, "FT103": 15, "FT401": 64, "FT442": 19}),
            SplitAccount("validation", 420, 420, 0, 0, {}),
            SplitAccount("test", 211, 208, 3, 0, {"FT443": 3}),
        ),
        groups=(
            made_group(
                "FT211",
                "error",
                2,
                Finding(
                    "FT211", f"{place}:88", what, "Remove it, or let check.write=clean.jsonl leave it out.", 87, (9,)
                ),
                Finding(
                    "FT211",
                    f"{place}:431",
                    "is the same row as support/test.jsonl:40 of the test split.",
                    "",
                    430,
                    (39,),
                ),
            ),
            made_group(
                "FT462",
                "error",
                1,
                Finding(
                    "FT462",
                    f"{place}:1201",
                    "the answer doesn't fit the schema at $.rate: 'high' is not of type 'number'.",
                    "Mend the field, or the schema that `data.schema` names.",
                    1200,
                ),
            ),
            made_group(
                "FT201",
                "warning",
                41,
                Finding(
                    "FT201",
                    f"{place}:19",
                    f"is the same row as {place}:4, but for case, spacing or Unicode form.",
                    "Remove it, or let check.write=clean.jsonl leave it out.",
                    18,
                    (3,),
                ),
            ),
            made_group(
                "FT401",
                "warning",
                64,
                Finding(
                    "FT401",
                    f"{place}:77",
                    "the answer holds an e-mail address (ja…om).",
                    "Remove it, or let check.write=clean.jsonl mask it.",
                    76,
                ),
            ),
            made_group(
                "FT442",
                "warning",
                19,
                Finding(
                    "FT442",
                    f"{place}:310",
                    "the question was read in a wrong encoding: 'GebÃ¼hr' for 'Gebühr'.",
                    "Mend it, or let check.write=clean.jsonl do so.",
                    309,
                ),
            ),
            made_group(
                "FT423", "silenced", 6, Finding("FT423", f"{place}:501", "the answer declines to help.", "", 500)
            ),
        ),
        tokens=made_tokens(),
        view=(
            '<figure class="row"><figcaption>support/train.jsonl:2: 41 tokens, 17 of them carry loss</figcaption>'
            "<pre>"
            '<span class="masked special">&lt;|im_start|&gt;</span><span class="masked">user↵\n'
            "What does the Gold Leaf Card cost?"
            '</span><span class="masked special">&lt;|im_end|&gt;</span><span class="masked">↵\n</span>'
            '<span class="masked special">&lt;|im_start|&gt;</span><span class="masked">assistant↵\n</span>'
            '<span class="supervised">It costs 9 euros a month. 金叶卡每月九欧元。</span>'
            '<span class="supervised special">&lt;|im_end|&gt;</span></pre></figure>'
        ),
        notes=("No validation file: 420 of 8092 rows are held out for it (data.split_seed=1).",),
        outcome="errors",
        exit_code=2,
        written={"page": "runs/check.html", "report": "runs/check.json"},
    )
