"""The codes of all findings: what each means, how grave it is, and what `check.write` does about it.

FT1xx format · FT2xx duplicates and leakage · FT3xx tokens · FT4xx content · FT5xx masks and templates · FT6xx sources
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
Remedy = Literal["keep", "drop", "mend"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        number: Such as FT201; never reused for another kind.
        title: A few words, such as "exact duplicate".
        severity: An error stops training, a warning doesn't, a note only says what was decided or how the set is made;
            `check.silence` and `check.errors` change it.
        remedy: What `check.write` does with the row: `keep`, `drop` or `mend`.
        meaning: Why it matters and what to do, in one or two sentences (docs/findings.md is made of them).
    """

    number: str
    title: str
    severity: Severity
    remedy: Remedy
    meaning: str


_ALL: tuple[Code, ...] = (
    # FT1xx format
    Code(
        "FT101",
        "broken JSON",
        "error",
        "drop",
        "The line can't be read as JSON. Write files with json.dumps, one object a line; a file that was cut off "
        "ends in the middle of a line.",
    ),
    Code(
        "FT102", "no object", "error", "drop", 'A row must be a JSON object, such as {"instruction": …, "output": …}.'
    ),
    Code(
        "FT103",
        "wrong encoding",
        "error",
        "drop",
        "Files must be UTF-8. Convert the file with iconv; a guess could change letters.",
    ),
    Code(
        "FT104",
        "other file format",
        "error",
        "drop",
        "The file isn't what its ending or data.file_format says. The message names the override.",
    ),
    Code("FT105", "no rows", "error", "drop", "The file is empty, holds no row, or can't be opened."),
    Code(
        "FT106",
        "broken CSV",
        "error",
        "drop",
        'A line has more or fewer fields than the first one. Fields that hold the delimiter belong in "quotes".',
    ),
    Code(
        "FT107",
        "missing fields",
        "error",
        "drop",
        "The row lacks a field that its format needs. Where the data uses another name, data.columns says which.",
    ),
    Code(
        "FT108",
        "empty answer",
        "error",
        "drop",
        "There is nothing to learn from: the answer (or the text) is null, empty or white space.",
    ),
    Code("FT109", "empty question", "error", "drop", "The answer would be trained on without anything being asked."),
    Code(
        "FT110",
        "not text",
        "error",
        "drop",
        "The value can't be written as text: half of a surrogate pair, or a number that JSON doesn't have.",
    ),
    Code(
        "FT111",
        "unreadable turn",
        "error",
        "drop",
        "A conversation must be a list of turns, each an object with the role and the text of its format.",
    ),
    Code("FT112", "unknown role", "error", "drop", "A turn's role is none that chat templates know."),
    Code(
        "FT113",
        "mixed formats",
        "error",
        "drop",
        "The row has another format than the file's others. Give each format a file of its own.",
    ),
    Code(
        "FT114",
        "no answer",
        "error",
        "drop",
        "The conversation doesn't end with the assistant's turn, so there is nothing to learn at its end.",
    ),
    Code("FT115", "answer first", "error", "drop", "The conversation begins with an answer that nothing asked for."),
    Code(
        "FT116",
        "same role twice",
        "warning",
        "keep",
        "Two turns of one role follow each other. Many chat templates refuse that or join them; join them yourself.",
    ),
    Code(
        "FT117",
        "late system turn",
        "warning",
        "keep",
        "A system turn stands behind other turns. Many chat templates refuse it or leave it out.",
    ),
    Code(
        "FT118",
        "part that is no text",
        "error",
        "drop",
        "A turn holds an image, a sound or another part that a language model can't be trained on here.",
    ),
    Code(
        "FT119",
        "value written as JSON",
        "note",
        "keep",
        "The value is an object, a list or a number. It is trained on as JSON text with its keys in the file's order.",
    ),
    Code("FT120", "unread field", "note", "keep", "The field belongs to no format and isn't used."),
    Code(
        "FT121",
        "guessed names",
        "warning",
        "keep",
        "The format was guessed from foreign field names. Name it with data=… and data.columns.…, and it is strict.",
    ),
    Code(
        "FT122",
        "key twice",
        "warning",
        "mend",
        "An object has a key more than once; the last value counts, as most readers have it. `check.write` writes it "
        "once.",
    ),
    Code(
        "FT123", "byte order mark", "note", "mend", "The line begins with a byte order mark (U+FEFF). It is left out."
    ),
    # FT2xx duplicates and leakage
    Code(
        "FT201",
        "exact duplicate",
        "warning",
        "drop",
        "The row says what an earlier row says, but for case, spacing or Unicode form: it is learned twice as "
        "hard. Keep one.",
    ),
    Code(
        "FT202",
        "near duplicate",
        "warning",
        "drop",
        "Prompt and answer differ from an earlier row's in a few characters only, and in no number. Keep the "
        "better one.",
    ),
    Code(
        "FT203",
        "same question, different answers",
        "warning",
        "keep",
        "The model is taught to answer the same question in two ways. Keep the right answer, or tell the "
        "questions apart.",
    ),
    Code(
        "FT211",
        "row stands in a held-out split, too",
        "error",
        "drop",
        "The row is trained on and measured on: the held-out figures look better than they are. Take it out of "
        "training.",
    ),
    Code(
        "FT212",
        "row nearly stands in a held-out split",
        "warning",
        "drop",
        "The row differs from a held-out one in a few characters only. Take it out of training.",
    ),
    Code(
        "FT213",
        "question stands in a held-out split, too",
        "warning",
        "keep",
        "The same question is trained on and measured on, with another answer. Remove one of "
        "the two, or name held-out files of your own in data.validation_path and data.test_path.",
    ),
    # FT3xx tokens
    Code(
        "FT301",
        "row over the limit",
        "error",
        "drop",
        "The row has more tokens than training.max_row_tokens or the model's context allows. data.long_rows says what "
        "becomes of such rows; the check tells what each policy would cost.",
    ),
    Code(
        "FT302",
        "long rows cut",
        "warning",
        "keep",
        "Rows over the limit are left out, cut or split, as data.long_rows says.",
    ),
    Code(
        "FT303",
        "few supervised tokens",
        "warning",
        "keep",
        "Under 5 % of the tokens carry loss: nearly all time goes into reading prompts. Shorten them, or train on all "
        "answers of a conversation (data.train_on=assistant).",
    ),
    Code(
        "FT304",
        "few steps",
        "warning",
        "keep",
        "The run has fewer than 20 optimizer steps, too few for most schedules. Lower training.batch_rows or raise "
        "training.epochs.",
    ),
    # FT4xx content
    Code(
        "FT401",
        "e-mail address",
        "warning",
        "mend",
        "A model may repeat what it was trained on. Mask personal data, or silence the code where the address is "
        "public.",
    ),
    Code(
        "FT402",
        "phone number",
        "warning",
        "mend",
        "A model may repeat what it was trained on. Mask personal data, or silence the code where the number is "
        "public.",
    ),
    Code(
        "FT403",
        "payment card number",
        "warning",
        "mend",
        "A number of a card scheme whose check digit is right. Mask it: nobody's card belongs into training data.",
    ),
    Code(
        "FT404",
        "bank account number (IBAN)",
        "warning",
        "mend",
        "An IBAN of a known country whose check digits are right. Mask it, or silence the code where the account "
        "is public.",
    ),
    Code(
        "FT405",
        "national id number",
        "warning",
        "mend",
        "A number that names one person (China, USA, Italy, Brazil, France, South Korea), check digits right "
        "where it has any. Mask it.",
    ),
    Code(
        "FT411",
        "access key or token of a service",
        "error",
        "mend",
        "Whoever gets the model may get the key. Revoke it, and mask it.",
    ),
    Code(
        "FT412",
        "private key",
        "error",
        "mend",
        "Whoever gets the model may get the key. Replace the key wherever it is used, and mask it.",
    ),
    Code(
        "FT413",
        "random value under a name like `api_key`",
        "warning",
        "mend",
        "It looks like a secret. If it is one, replace it and mask it.",
    ),
    Code(
        "FT421",
        "same answer to many questions",
        "warning",
        "keep",
        "One long answer stands under many different questions: the model learns to give it always. Write what "
        "each question needs.",
    ),
    Code(
        "FT422",
        "canned phrase of another model",
        "warning",
        "keep",
        "The answer speaks of itself as another assistant, which the tuned model will do, too. Write the answer anew.",
    ),
    Code(
        "FT423",
        "refusal",
        "warning",
        "keep",
        "The answer declines to help: a few such rows teach a model to refuse. Remove it, unless refusing is what "
        "you want here.",
    ),
    Code(
        "FT431",
        "another script than the set",
        "warning",
        "keep",
        "Nearly all rows are written in one script, this one in another. Remove it, unless it is meant.",
    ),
    Code(
        "FT432",
        "answer in another language than the question",
        "warning",
        "keep",
        "Question and answer are written in different scripts, and nothing asks for that. Translate one of them.",
    ),
    Code(
        "FT441",
        "marker of a chat template in the text",
        "warning",
        "mend",
        "What a chat template puts between turns stands in the text itself and would be learned as text. Remove "
        "it; markers at the "
        "start and end of a turn are taken off.",
    ),
    Code(
        "FT442",
        "text read in a wrong encoding",
        "warning",
        "mend",
        "Such as `Ã¼` in place of `ü`. It is mended where the bytes tell what was meant.",
    ),
    Code(
        "FT443",
        "invisible characters",
        "warning",
        "mend",
        "Zero-width, direction-changing or control characters make other tokens of words that look the same. They "
        "are taken out.",
    ),
    Code(
        "FT444",
        "lost characters",
        "warning",
        "keep",
        "U+FFFD or its like stands where a character was lost. Export the data anew, in UTF-8.",
    ),
    Code(
        "FT451",
        "answer cut off",
        "warning",
        "keep",
        "The answer breaks off, unlike the others: the model learns to stop in the middle of a sentence. Complete "
        "or remove it.",
    ),
    Code(
        "FT461",
        "answer is no strict JSON",
        "warning",
        "drop",
        "It begins as JSON, or the others are JSON, but it doesn't parse. Mend it: one such row in a hundred is "
        "learned, too.",
    ),
    Code(
        "FT462",
        "answer doesn't fit the schema",
        "error",
        "drop",
        "The answer is JSON, but not of the form that `data.schema` asks for. Mend the field named, or the schema.",
    ),
    # FT5xx masks and templates
    Code(
        "FT501",
        "no supervised token",
        "error",
        "drop",
        "A row whose loss mask is empty adds nothing, and a whole batch of them a loss of 0.0. Remove it, or "
        "train on its "
        "whole text with data.train_on=text.",
    ),
    Code(
        "FT502",
        "stop token not supervised",
        "error",
        "drop",
        "A model that never learns its stop token never stops. The template's end of turn must be a token at which "
        "generation stops, and carry loss.",
    ),
    Code(
        "FT503",
        "padding supervised",
        "error",
        "drop",
        "Padding that carries loss teaches the model to write padding. Remove the padding token's text from the row.",
    ),
    Code(
        "FT504",
        "prompt supervised",
        "error",
        "drop",
        "Tokens that the model is given, not ones it has to write, carry loss. The mask isn't true to the template.",
    ),
    Code(
        "FT505",
        "answer not supervised",
        "error",
        "drop",
        "What carries loss isn't the row's answer: the mask misses a part of it, or the template writes another text.",
    ),
    Code(
        "FT506",
        "sequence begins twice",
        "error",
        "drop",
        "The row begins with the beginning-of-sequence token twice, which the model has never seen. The row's "
        "text or the "
        "template writes it once too often.",
    ),
    Code(
        "FT510",
        "chat template unusable",
        "error",
        "keep",
        "The chat template renders no conversation, or ends no answer with a stop token. Set "
        "model.chat_template=default, "
        "or name a Jinja file.",
    ),
    Code(
        "FT511",
        "refused by the chat template",
        "error",
        "drop",
        "The chat template doesn't accept this conversation, such as a system turn or two questions in a row. "
        "Change the "
        "row, or set model.chat_template.",
    ),
    Code(
        "FT512",
        "answer without a true place",
        "error",
        "drop",
        "The chat template writes the answer elsewhere or otherwise than the model will be asked for it, so no "
        "mask would "
        "be true. The message says what differs and which setting helps.",
    ),
    # FT6xx sources
    Code(
        "FT601",
        "unknown key of a source",
        "error",
        "keep",
        "A source of data.mix or data.replay has a key that isn't known. The message lists those that are.",
    ),
    Code(
        "FT602",
        "weight or share out of range",
        "error",
        "keep",
        "A source's weight must be more than 0 (passes of an epoch over its rows), the share of data.replay more than "
        "0 and less than 1.",
    ),
    Code(
        "FT603",
        "source without a place",
        "error",
        "keep",
        "A source of data.mix or data.replay must name either a path or a hub data set.",
    ),
    Code(
        "FT604",
        "two sources of one name",
        "error",
        "keep",
        "The account of what each source gave goes by name. Give each source a name of its own.",
    ),
    Code("FT605", "wrong type in a source", "error", "keep", "A key of a source holds a value of another type."),
    Code(
        "FT606",
        "data set out of reach",
        "error",
        "keep",
        "The hub data set can't be loaded: its id, configuration, split, your access to it, or the network.",
    ),
    Code(
        "FT607",
        "no row left to train on",
        "error",
        "keep",
        "All training rows were left out, since they are longer than allowed, or have faults that check.silence names. "
        "Choose data.long_rows=split, raise training.max_row_tokens, or mend the rows.",
    ),
)

CODES: dict[str, Code] = {code.number: code for code in _ALL}
"""By number, in the order of the numbers."""
