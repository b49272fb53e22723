"""Personal data: e-mail addresses, phone numbers, payment cards, bank accounts, national ids.

A number counts where its check digits are right (python-stdnum) or its shape leaves little doubt; numbers that follow a
word such as `order` or `part` don't. The patterns are chosen for few false alarms: a bare run of digits is no phone.
"""

import re

from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.cn import ric
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.us import ssn

from ftlab.check.sensitive import Sensitive, around, before
from ftlab.check.wording import is_wide

_SEVEN_DIGITS = re.compile(r"\d(?:[\s()./-]{0,3}\d){6}")

_NOT_PERSONAL = re.compile(
    r"(?:(?<![A-Za-z])(?:order|invoice|tracking|parcel|shipment|ref|reference|ticket|transaction|serial|article|item|part"
    r"|sku|isbn|ean|version|build|model|batch|lot|bestell|auftrag|rechnung)\w*|订单|单号|流水|编号|编码|发票|运单)"
    r"[\s\"'`:：#=.-]*(?:no|nr|num(?:ber)?|id|code|is|was|号码?|为|是)?[\s\"'`:：#=.-]*$",
    re.IGNORECASE,
)
"""What stands before a number that names a thing and not a person."""

_CARD_WORDS = re.compile(
    r"\bcards?\b|visa|master ?card|amex|american express|credit|debit|karte|tarjeta|卡", re.IGNORECASE
)
_CARD_SCHEMES = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}|35\d{14}|3(?:0[0-5]|[68]\d)\d{11}"
)

_FILE_ENDINGS = re.compile(r"\.(?:png|jpe?g|gif|webp|svg|js|css|py|md|json|ya?ml|txt|html?)$", re.IGNORECASE)
_PLACEHOLDERS = re.compile(r"(?:you|your[._-]?(?:e?mail|name)|user(?:name)?|name|e?mail|git|someone)@", re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d")

# Country codes of two and three digits that exist, so that `+10 000 000` and `+99 %` are no phones.
_CALLING_CODE = re.compile(
    r"1[2-9]|7[3-9]|2(?:0|7|1[1-368]|[2346]\d|5[0-8]|9[01789])|3(?:[0-469]|5\d|7\d|8[0-9])|4[0-9]|5(?:[1-8]|0\d|9\d)"
    r"|6(?:[0-6]|7\d|8\d|9[0-2])|8(?:1|2|4|6|5\d|8\d)|9(?:[0-58]|6\d|7\d|9[2-68])"
)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _is_address(match: re.Match[str]) -> bool:
    address = match.group()
    return not _FILE_ENDINGS.search(address) and not _PLACEHOLDERS.match(address)


def _is_card(match: re.Match[str]) -> bool:
    digits = _digits(match.group())
    if len(set(digits)) < 2 or not _CARD_SCHEMES.fullmatch(digits) or not luhn.is_valid(digits):
        return False
    if any(_CARD_WORDS.search(text) for text in around(match, 60)):
        return True
    return not match.group().isdigit() and not _NOT_PERSONAL.search(before(match, 40))


def _is_international_phone(match: re.Match[str]) -> bool:
    digits = _digits(match.group())
    if not 8 <= len(digits) <= 15 or digits.endswith("0000") or not _CALLING_CODE.match(digits):
        return False
    return digits[0] != "1" or (len(digits) == 11 and digits[4] in "23456789")


def _is_local_phone(match: re.Match[str]) -> bool:
    if match.group().isdigit() and not any(is_wide(text) for text in around(match, 4)):
        return False  # eleven digits alone are a mobile number in Chinese text only
    return not _NOT_PERSONAL.search(before(match, 40))


def _is_announced_phone(match: re.Match[str]) -> bool:
    number = match.group("value")
    return 7 <= len(_digits(number)) <= 15 and not _DATE.match(number)


def _is_ssn(match: re.Match[str]) -> bool:
    return bool(ssn.is_valid(match.group())) and not _NOT_PERSONAL.search(before(match, 40))


PERSONAL: tuple[Sensitive, ...] = (
    Sensitive(
        "FT401",
        "an e-mail address",
        "<EMAIL>",
        re.compile(r"(?<![\w.+%/-])[A-Za-z0-9][\w.+%-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![\w@])"),
        _is_address,
        re.compile("@"),
    ),
    Sensitive(
        "FT404",
        "a bank account number (IBAN)",
        "<IBAN>",
        re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
        lambda match: bool(iban.is_valid(match.group())),
        re.compile(r"[A-Z]{2}\d\d"),
    ),
    Sensitive(
        "FT405",
        "a Chinese resident id",
        "<ID>",
        re.compile(r"(?<![A-Za-z0-9])\d{17}[\dXx](?![A-Za-z0-9])"),
        lambda match: bool(ric.is_valid(match.group().upper())),
        _SEVEN_DIGITS,
    ),
    Sensitive(
        "FT403",
        "a payment card number",
        "<CARD>",
        re.compile(
            r"(?<![A-Za-z0-9.,_+-])"
            r"(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}(?:[ -]?\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{13,19})"
            r"(?![A-Za-z0-9_]|[.,-]\d)"
        ),
        _is_card,
        _SEVEN_DIGITS,
    ),
    Sensitive(
        "FT405",
        "a US social security number",
        "<ID>",
        re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
        _is_ssn,
        _SEVEN_DIGITS,
    ),
    Sensitive(
        "FT405",
        "a Brazilian CPF number",
        "<ID>",
        re.compile(r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])"),
        lambda match: bool(cpf.is_valid(match.group())),
        _SEVEN_DIGITS,
    ),
    Sensitive(
        "FT405",
        "a South Korean resident number",
        "<ID>",
        re.compile(r"(?<![\w-])\d{6}-[1-8]\d{6}(?![\w-])"),
        lambda match: bool(rrn.is_valid(match.group())),
        _SEVEN_DIGITS,
    ),
    Sensitive(
        "FT405",
        "a French social security number",
        "<ID>",
        re.compile(r"(?<![\w-])[12] \d\d \d\d (?:\d\d|2[AB]) \d{3} \d{3} \d\d(?![\w-])"),
        lambda match: bool(nir.is_valid(match.group())),
        _SEVEN_DIGITS,
    ),
    Sensitive(
        "FT405",
        "an Italian tax code",
        "<ID>",
        re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?![A-Za-z0-9])"),
        lambda match: bool(codicefiscale.is_valid(match.group())),
        re.compile(r"[A-Z]{6}\d\d[A-Z]"),
    ),
    Sensitive(
        "FT402",
        "a phone number",
        "<PHONE>",
        re.compile(
            r"(?<![\w+*/=^.-])\+\d{1,3}(?:[ .-]?\(0?\d{0,4}\))?(?:[ .-]?\d){6,13}(?!\d)"
            r"(?! ?(?:[%€$£¥]|EUR|USD|euros?|dollars?))"
        ),
        _is_international_phone,
        re.compile(r"\+\d"),
    ),
    Sensitive(
        "FT402",
        "a phone number",
        "<PHONE>",
        re.compile(
            r"(?<![\w.,/+-])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}(?![\w-])(?!\.\d)"
            r"|(?<![A-Za-z0-9_.,/+-])1[3-9]\d(?:\d{8}|-\d{4}-\d{4}| \d{4} \d{4})(?![A-Za-z0-9_-])(?![.,]\d)"
        ),
        _is_local_phone,
        _SEVEN_DIGITS,
    ),
    Sensitive(
        "FT402",
        "a phone number",
        "<PHONE>",
        re.compile(
            r"(?:\b(?:tel(?:ephone|efon)?|(?:tele|mobile |cell)?phone|mobile?|cell|fax|handy|whatsapp|call(?: me| us)?)"
            r"\b(?: number| no\.?)?(?: is| at| on)?|电话|手机号?码?|致电|联系方式)[\s:：.=]{0,4}"
            r"(?P<value>\+?\(?\d[\d ()/.-]{5,18}\d)(?![\w%€$])",
            re.IGNORECASE,
        ),
        _is_announced_phone,
        _SEVEN_DIGITS,
    ),
)
"""All kinds, those with the strictest shape first."""
