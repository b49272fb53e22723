"""Personal data is found and masked; what only looks like it is left alone."""

import pytest

from ftlab.check.personal import PERSONAL
from ftlab.check.sensitive import find_sensitive, mask_sensitive

FOUND = (
    ("Write to jane.doe@acme-bank.co.uk today.", "FT401", "Write to <EMAIL> today."),
    ("客户邮箱：zhang.wei@163.com。", "FT401", "客户邮箱：<EMAIL>。"),
    ("Jane Doe <jane@example.com>", "FT401", "Jane Doe <<EMAIL>>"),
    ("mail me:max+bank@sub.domain.de", "FT401", "mail me:<EMAIL>"),
    ("Call +49 30 901820 at noon", "FT402", "Call <PHONE> at noon"),
    ("My number is +1 (415) 555-0132.", "FT402", "My number is <PHONE>."),
    ("Ring (212) 555-0147 please", "FT402", "Ring <PHONE> please"),
    ("212-555-0147", "FT402", "<PHONE>"),
    ("Tel.: 030 / 901 82 17", "FT402", "Tel.: <PHONE>"),
    ("我的手机号是13812345678，请回电。", "FT402", "我的手机号是<PHONE>，请回电。"),
    ("电话：010-62345678", "FT402", "电话：<PHONE>"),
    ("138-1234-5678", "FT402", "<PHONE>"),
    ("Charge 4111 1111 1111 1111 now", "FT403", "Charge <CARD> now"),
    ("My card is 5555555555554444.", "FT403", "My card is <CARD>."),
    ("Amex 3782 822463 10005", "FT403", "Amex <CARD>"),
    ("银行卡号6222021234567890128", "FT403", "银行卡号<CARD>"),
    ("Pay to DE89 3704 0044 0532 0130 00 by Friday", "FT404", "Pay to <IBAN> by Friday"),
    ("IBAN GB82WEST12345698765432", "FT404", "IBAN <IBAN>"),
    ("身份证号：11010519491231002X", "FT405", "身份证号：<ID>"),
    ("SSN 123-45-6789", "FT405", "SSN <ID>"),
    ("CPF 390.533.447-05", "FT405", "CPF <ID>"),
    ("codice fiscale RCCMNL83S18D969H", "FT405", "codice fiscale <ID>"),
)

HARD_NEGATIVES = (
    # order numbers that pass the card check, and digits that fail it
    "Order 4111 1111 1111 1111 has left the house.",
    '{"order_id": "4111111111111111", "total": 4}',
    "Tracking no. 5555555555554444",
    "4111111111111111",
    "Visa card 4111 1111 1111 1112",
    "订单号：4111111111111111",
    "The table lists 4444 4444 4444 4444.",
    "0000 0000 0000 0000 on the card",
    # versions, addresses of machines, dates, times, prices, measures
    "Version 10.0.19045.3803 runs on 192.168.100.200.",
    "From 2024-01-31 to 2025-12-31, 08:00-18:30.",
    "Call before 2024-01-31.",
    "phone: 2024-01-31 08:00",
    "The price rose from 1,299.99 to 1 300 000 euros, +10 000 000 in all.",
    "+30 000 000 euros and +25 %",
    "Sales grew by +12 345 678 EUR.",
    "ISBN 978-3-16-148410-0, EAN 4006381333931",
    "Part 440-12-0032 replaces item 123-45-6789.",
    "SSN 000-45-6789 and 666-45-6789 are none.",
    "Timestamp 1700000000000, id 13812345678901",
    "3.14159265358979, 0.13812345678",
    "call line 452",
    "x = +12; y = a+12345678",
    "1-2-3-4-5-6-7-8",
    # what has an @ and is no address
    "@app.route('/home')",
    "logo@2x.png",
    "npm i left-pad@1.3.0",
    "git@github.com:acme/repo.git",
    "Follow @acme on the net.",
    "user@host",
    "your.name@example.com",
    # bank codes that fail the check
    "DE89 3704 0044 0532 0130 01",
    "Code LH-C7 and form F-33, room AB12 CDEF GHIJ KLMN",
    "11010519491231002Y 110105194912310021",
    # plain rows
    "你是一名资深的金融理财顾问，请回答以下问题：什么是复利效应？2024年12月31日的利率为3.85%。",
    "def f(x):\n    return x[13812345678:] + 0x4111111111111111",
    '{"code":"LH-L6","rate_pct":6.5,"limit_eur":7000,"opens":"08:30"}',
)


@pytest.mark.parametrize(("text", "code", "masked"), FOUND)
def test_personal_data_is_found_and_masked(text: str, code: str, masked: str) -> None:
    assert [place.kind.code for place in find_sensitive(text, PERSONAL)] == [code]
    assert mask_sensitive(text, PERSONAL, code) == masked


@pytest.mark.parametrize("text", HARD_NEGATIVES)
def test_what_only_looks_like_personal_data_is_left_alone(text: str) -> None:
    assert [(place.kind.name, text[place.start : place.end]) for place in find_sensitive(text, PERSONAL)] == []


def test_masking_one_code_leaves_the_others() -> None:
    text = "jane@acme.com, +49 30 901820, john@acme.com"
    assert mask_sensitive(text, PERSONAL, "FT401") == "<EMAIL>, +49 30 901820, <EMAIL>"


def test_a_masked_text_holds_nothing_more_to_find() -> None:
    text = "\n".join(text for text, _, _ in FOUND)
    for code in {kind.code for kind in PERSONAL}:
        text = mask_sensitive(text, PERSONAL, code)
    assert find_sensitive(text, PERSONAL) == []
