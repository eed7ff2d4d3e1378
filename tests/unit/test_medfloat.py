from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.medfloat import MAX_BYTES, MedFloat, Number, Reader, Special, date_time_ns, encode_date_time, float32, sfloat
from devices.model import DecodeError


def slow(raw: int, exponent_bits: int, mantissa_bits: int) -> str:
    """The text of the number or the name of the special value, bit by bit as the standard's tables have it."""
    bits = format(raw, f"0{exponent_bits + mantissa_bits}b")

    def signed(text: str) -> int:
        return sum((-1 if place == 0 else 1) * int(bit) * 2 ** (len(text) - 1 - place) for place, bit in enumerate(text))

    exponent, mantissa = signed(bits[:exponent_bits]), signed(bits[exponent_bits:])
    top = 2 ** (mantissa_bits - 1)
    names = {top - 1: "NAN", -top: "NRES", top - 2: "POSITIVE_INFINITY", -top + 2: "NEGATIVE_INFINITY", -top + 1: "RESERVED"}
    if exponent == 0 and mantissa in names:
        return names[mantissa]
    return str(float(Decimal(mantissa).scaleb(exponent)))  # Decimal -> text -> nearest double


def fast(value: MedFloat) -> str:
    return value.name if isinstance(value, Special) else str(value.scaled())


def test_every_sfloat_equals_its_slow_twin() -> None:
    specials = 0
    for raw in range(0x10000):
        value = sfloat(raw)
        assert fast(value) == slow(raw, 4, 12), hex(raw)
        specials += isinstance(value, Special)
    assert specials == 5


FLOAT_EDGES = [
    0x007FFFFF,
    0x00800000,
    0x007FFFFE,
    0x00800002,
    0x00800001,
    0x007FFFFD,
    0x00800003,
    0x7F7FFFFF,
    0x80800000,
    0x80000001,
    0xFF000000,
]


@given(st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from(FLOAT_EDGES)))
def test_floats_equal_their_slow_twin(raw: int) -> None:
    assert fast(float32(raw)) == slow(raw, 8, 24)
    assert isinstance(float32(raw), Special) == (raw in FLOAT_EDGES[:5])


@pytest.mark.parametrize("raw", FLOAT_EDGES)
def test_edges_of_float(raw: int) -> None:
    assert fast(float32(raw)) == slow(raw, 8, 24)


# little-endian bytes and values from the tests of blessed-android, by hand from the data sheets of meters, and from the specification
SFLOATS = [
    ("01 02", 513.0),
    ("01 fe", -51.1),
    ("ff 02", 767.0),
    ("6d f1", 36.5),
    ("ff f7", 204.7),
    ("72 00", 114.0),
    ("3a f0", 5.8),
    ("5b b0", 0.00091),
    ("37 c0", 0.0055),
    ("ff 77", 20470000000.0),
    ("00 88", -0.00002048),
]
FLOATS = [
    ("01 02 03 04", 1971210000.0),
    ("01 fe 03 fc", 26.1633),
    ("ff 02 fd 04", -1958410000.0),
    ("6c 01 00 ff", 36.4),
    ("6e 01 00 ff", 36.6),
    ("c3 26 00 fe", 99.23),
]


@pytest.mark.parametrize(("data", "value"), SFLOATS)
def test_known_sfloats(data: str, value: float) -> None:
    found = Reader(bytes.fromhex(data)).sfloat("value")
    assert isinstance(found, Number)
    assert found.scaled() == value


@pytest.mark.parametrize(("data", "value"), FLOATS)
def test_known_floats(data: str, value: float) -> None:
    found = Reader(bytes.fromhex(data)).float32("value")
    assert isinstance(found, Number)
    assert found.scaled() == value


@given(st.integers(-2048, 2047), st.integers(-8, 7), st.integers(-6, 6))
def test_a_change_of_unit_by_a_power_of_ten_is_exact(mantissa: int, exponent: int, power: int) -> None:
    exact = Fraction(mantissa) * Fraction(10) ** (exponent + power)
    assert Number(mantissa, exponent).scaled(power) == float(exact)


def test_glucose_in_both_units_stays_round() -> None:
    assert Number(91, -5).scaled(5) == 91.0
    assert Number(55, -4).scaled(3) == 5.5
    assert Number(51, -5).scaled(5) == 51.0
    assert 51e-5 * 1e5 != 51.0, "which is why numbers are not multiplied as doubles"


# --- date-time


def test_a_date_time() -> None:
    assert Reader(bytes.fromhex("e4 07 01 02 0a 15 30")).date_time("t") == 1_577_960_508 * 10**9


@pytest.mark.parametrize(
    "parts",
    [
        (0, 1, 2, 3, 4, 5), (2020, 0, 2, 3, 4, 5), (2020, 1, 0, 3, 4, 5), (0, 0, 0, 0, 0, 0),
        (2020, 13, 1, 0, 0, 0), (2023, 2, 29, 0, 0, 0), (2100, 2, 29, 0, 0, 0), (2020, 4, 31, 0, 0, 0),
        (2020, 1, 1, 24, 0, 0), (2020, 1, 1, 0, 60, 0), (2020, 1, 1, 0, 0, 60), (10_000, 1, 1, 0, 0, 0), (65_535, 255, 255, 255, 255, 255),
        (2262, 4, 11, 23, 47, 17), (1582, 10, 15, 0, 0, 0),
    ],
)  # fmt: skip
def test_what_is_no_time_or_beyond_int64(parts: tuple[int, int, int, int, int, int]) -> None:
    assert date_time_ns(*parts) is None


@pytest.mark.parametrize(
    ("parts", "seconds"),
    [
        ((1970, 1, 1, 0, 0, 0), 0),
        ((2000, 2, 29, 23, 59, 59), 951_868_799),
        ((2106, 2, 7, 6, 28, 16), 2**32),
        ((2262, 4, 11, 23, 47, 16), 9_223_372_036),
        ((1969, 12, 31, 23, 59, 59), -1),
    ],
)
def test_times_at_the_edges(parts: tuple[int, int, int, int, int, int], seconds: int) -> None:
    assert date_time_ns(*parts) == seconds * 10**9


def test_a_clock_can_be_set() -> None:
    assert encode_date_time(1_577_960_508_999_999_999).hex(" ") == "e4 07 01 02 0a 15 30"
    for t_ns in (-12_300_000_000 * 10**9, 10**12 * 10**9):
        with pytest.raises(ValueError, match="year"):
            encode_date_time(t_ns)


@given(st.integers(-9_223_372_036, 9_223_372_036))
def test_encoded_times_are_read_back(seconds: int) -> None:
    assert Reader(encode_date_time(seconds * 10**9)).date_time("t") == seconds * 10**9


# --- reader


def test_fields_in_order() -> None:
    reader = Reader(bytes.fromhex("01 ff 02 01 fe ff 03 02 01 aa"))
    assert (reader.uint(1, "a"), reader.sint(1, "b"), reader.uint(2, "c"), reader.sint(2, "d"), reader.uint(3, "e")) == (
        1, -1, 0x0102, -2, 0x010203,
    )  # fmt: skip
    assert (reader.left, reader.read.hex(), reader.rest(), reader.left) == (1, "01ff0201feff030201", b"\xaa", 0)
    reader.end()


@pytest.mark.parametrize("size", range(7))
def test_what_is_cut_off_is_named(size: int) -> None:
    data = bytes(size)
    with pytest.raises(DecodeError, match=r"^base time: cut off$" if size else "^empty$"):
        Reader(data).date_time("base time")


def test_what_follows_is_refused_unless_announced() -> None:
    with pytest.raises(DecodeError, match="something follows"):
        Reader(b"\0").end()
    Reader(b"\0").end(0x20)
    Reader(b"").end()


def test_no_attribute_is_longer_than_512_bytes() -> None:
    Reader(bytes(MAX_BYTES))
    with pytest.raises(DecodeError, match="too long"):
        Reader(bytes(MAX_BYTES + 1))


def test_no_special_value_is_a_number() -> None:
    for raw in (0x07FF, 0x0800, 0x07FE, 0x0802, 0x0801):
        assert not isinstance(sfloat(raw), int | float | tuple)
    assert all(math.isfinite(value.scaled()) for raw in range(0x10000) if isinstance(value := sfloat(raw), Number))
