"""Personal data by its form: found where its checks hold, left alone where they do not, and never shown in full."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affina.data.audit.personal import (
    CARD,
    E_MAIL,
    IBAN,
    PHONE,
    is_card,
    is_iban,
    masked,
    masked_excerpt,
    personal_kinds,
)
from affina.data.audit.scan import scan
from affina.data.conversations import Turn, dump, in_words
from affina.data.rows import Row

SHOWN = {
    E_MAIL: [
        "jane.doe@example.com",
        "a+b@mail.example.co.uk",
        "(x_1@y-z.org)",
        "jane@example.com-",
        "jane@example.com_",
        "müller@bücher.de",
    ],
    PHONE: [
        "+39 06 1234 5678",
        "+1 (555) 010-9999",
        "555-010-9999",
        "0800 169 6031",
        "08002986030",
        "0044 20 7946 095",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "347 1234567",
        "347/1234567",
        "02 12345678",
        "1-800-555-2671",
        "+1-415-555-2671",
        "030 / 1234567",
        "612 34 56 78",
        "301-496-5248",
        "+49 171 1234554",
        "(089) 123456",
        "(089) 12 34 56 78",
        "(0171) 1234567",
        "(020) 7946 0958",
        "(02) 9374 4000",
        "(11) 91234-5678",
        "044 668 18 00",
        "079 123 45 67",
    ],
    CARD: [
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "378282246310005",
        "6011111111111117",
        "3530111333300000",
        "4111.1111.1111.1111",
        "6250941006528599",
        "4532\u00a00151\u00a01283\u00a00366",
    ],
    IBAN: [
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "IT60X0542811101000000123456",
        "NO9386011117947",
        "DE89.3704.0044.0532.0130.00",
        "DE89-3704-0044-0532-0130-00",
        "de89 3704 0044 0532 0130 00",
        "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000",
    ],
}
FOLLOWED = {
    IBAN: [
        "DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX",
        "DE89 3704 0044 0532 0130 00 100 EUR",
        "GB29NWBK60161331926819 BIC NWBKGB2L",
        "IBAN:DE89370400440532013000BIC",
        "IBANDE89370400440532013000",
    ],
    CARD: [
        "4532 0151 1283 0366 12/27",
        "4532 0151 1283 0366 123",
        "card no.4532 0151 1283 0366",
        "4532015112830366, 12/27",
        "4532015112830366cvc123",
    ],
    PHONE: ["20892-3655 301-496-5248"],
}
CLEAN = [
    "see you @ 5", "user@localhost", "@user hi", "a@b", "2024-01-05 10:30:00", "1,234,567.89", "3.14159265358979",
    "order 113542617735902", "4111 1111 1111 1112", "1234 5678 9012 3456", "DE89 3704 0044 0532 0130 01", "10.0.0.255",
    "GB82 WEST 1234 5698 7654 3", "ISBN 978-3-16-148410-0", "#0123456", "1990-2024", "00123842", "12345678",
    "5 000 000 000", "#100-200-3000", "100-200-3000", "+100 200 300", "0110011001", "0101 0101 0101",
    "010 020 030 040", "012-345-6789", "sku 0123456789", "1000-2000-3000-4000", "4532 0151 1283 0366 4532 0151 1283 03",
    "(12) 345678", "(2024) 1234-5678", "4111.1111.1111.1112", "a@b.c-d", "IBANDE89370400440532013001", "(0.5) 123 456",
    "2024 2025 2026 2027", "0612", "12 34 56 78 90",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in SHOWN.items() for text in texts])
def test_each_kind_is_found_and_masked(kind, text):
    [(found, shown)] = list(personal_kinds(f"please use {text}, thank you"))
    assert found == kind
    assert text not in shown
    assert sum(letter.isdigit() for letter in shown) <= 2
    excerpt = masked_excerpt(f"please use {text}, thank you")
    assert text not in excerpt
    assert "[" in excerpt


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOLLOWED.items() for text in texts])
def test_what_stands_beside_it_does_not_hide_it(kind, text):
    assert kind in [found for found, _ in personal_kinds(f"please use {text}")]
    assert "[" in masked(f"please use {text}")


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_a_little_like_it_is_left_alone(text):
    assert list(personal_kinds(f"it is {text} here")) == []


def test_a_kind_is_told_once_and_all_kinds_are_told():
    text = "a@b.org c@d.org 4111111111111111 DE89370400440532013000 +39 06 1234 5678"
    assert [kind for kind, _ in personal_kinds(text)] == [E_MAIL, IBAN, CARD, PHONE]


@given(st.integers(0, 10**15 - 1), st.integers(0, 9))
def test_one_check_digit_in_ten_is_right(number, digit):
    beginning = f"4{number:014d}"[:15]
    right = [last for last in "0123456789" if is_card(beginning + last)]
    assert len(right) == 1
    assert is_card(f"{beginning}{digit}") == (str(digit) == right[0])


@given(st.integers(0, 10**18 - 1), st.integers(1, 96))
def test_a_wrong_check_number_is_no_iban(account, wrong):
    numbers = f"{account:018d}"
    check = 98 - int(numbers + "131400") % 97  # DE00 at the end
    assert is_iban(f"DE{check:02d}{numbers}")
    other = (check - 2 + wrong) % 97 + 2
    assert not is_iban(f"DE{other:02d}{numbers}")


@pytest.mark.parametrize("piece", ["a", "a@", "1 ", "1", "GB82", "+1 ", "0800 ", "a.b.", "x@a.", "a-1"])
def test_a_long_text_takes_time_in_proportion(piece):
    times = []
    for size in (100_000, 800_000):
        started = time.process_time()
        list(personal_kinds(piece * (size // len(piece))))
        times.append(time.process_time() - started)
    assert times[1] < 40 * times[0] + 0.2


@pytest.mark.parametrize(
    ("text", "label", "written", "kinds"),
    [
        ("mail a@b.org", "mail a@b.org and c@d.org", True, {E_MAIL: 1}),  # of a row, once
        ("who is it", "a@b.org", False, {E_MAIL: 1}),
        ("what is the number", "08002986030", True, {PHONE: 1}),
        ("how many are there", "08002986030", False, {}),  # a number that is predicted
    ],
)
def test_rows_are_counted_and_labels_looked_at(text, label, written, kinds):
    rows = [Row({"text": text, "label": label}, "a.csv", 1, 2)]
    shown = scan(rows, split="train", file="a.csv", written=written).shown
    assert {kind: tally.count for kind, tally in shown.items()} == kinds


def test_what_the_system_says_is_looked_at_too():
    turns = [Turn("system", "write to boss@example.com"), Turn("user", "Hi"), Turn("assistant", "Hello")]
    fields = {"text": in_words(turns[:2]), "label": "Hello", "messages": dump(turns)}
    shown = scan([Row(fields, "a.jsonl", 1, 1)], split="train", file="a.jsonl", written=True).shown
    assert {kind: tally.count for kind, tally in shown.items()} == {E_MAIL: 1}
