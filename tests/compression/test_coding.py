"""Huffman codes and relative indices: round trips, optimality, errors."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasref.compression import huffman, relative_index

streams = st.lists(st.integers(0, 40), max_size=300).map(lambda values: np.array(values, "int64"))
frequencies = st.dictionaries(st.integers(0, 5), st.integers(1, 60), min_size=2, max_size=6)


@given(streams)
def test_a_stream_comes_back(stream):
    code = huffman.code_of(stream)
    data = huffman.encode(stream, code)
    np.testing.assert_array_equal(huffman.decode(data, len(stream), code), stream)


@given(streams.filter(lambda stream: len(set(stream.tolist())) > 1))
def test_size_is_within_a_bit_a_symbol_of_the_entropy(stream):
    code = huffman.code_of(stream)
    _, counts = np.unique(stream, return_counts=True)
    entropy = -sum(n * math.log2(n / stream.size) for n in counts)
    bits = sum(dict(zip(code.symbols, code.lengths, strict=True))[s] for s in stream.tolist())
    assert entropy - 1e-9 <= bits < entropy + stream.size
    assert len(huffman.encode(stream, code)) == math.ceil(bits / 8)


def prefix_lengths(symbols):
    """Sorted lengths of every complete prefix code of 2 to 6 words, by splitting leaves."""
    codes = {(1, 1)}
    for _ in range(symbols - 2):
        codes = {
            tuple(sorted([*code[:i], *code[i + 1 :], code[i] + 1, code[i] + 1]))
            for code in codes
            for i in range(len(code))
        }
    return codes


@given(frequencies)
def test_no_prefix_code_is_shorter(counts):
    code = huffman.code_for(counts)
    ours = sum(counts[s] * n for s, n in zip(code.symbols, code.lengths, strict=True))
    often_first = sorted(counts.values(), reverse=True)
    best = min(
        sum(n * length for n, length in zip(often_first, lengths, strict=True))
        for lengths in prefix_lengths(len(counts))
    )
    assert ours == best


@given(frequencies)
def test_no_word_begins_another(counts):
    code = huffman.code_for(counts)
    words = [
        format(int(word), f"0{length}b")
        for word, length in zip(code.words, code.lengths, strict=True)
    ]
    assert not any(b.startswith(a) for a, b in itertools.permutations(words, 2))


def test_the_textbook_example():
    """Cormen et al., Introduction to algorithms: frequencies 45, 13, 12, 16, 9, 5."""
    code = huffman.code_for({0: 45, 1: 13, 2: 12, 3: 16, 4: 9, 5: 5})
    assert dict(zip(code.symbols, code.lengths, strict=True)) == {
        0: 1,
        1: 3,
        2: 3,
        3: 3,
        4: 4,
        5: 4,
    }


def test_one_symbol_takes_no_bits():
    stream = np.full(1000, 7)
    code = huffman.code_of(stream)
    assert huffman.encode(stream, code) == b""
    np.testing.assert_array_equal(huffman.decode(b"", 1000, code), stream)


def test_words_may_be_long():
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(sum(fibonacci[-2:]))
    code = huffman.code_for(dict(enumerate(fibonacci)))
    assert max(code.lengths) == 39
    stream = np.arange(40)
    np.testing.assert_array_equal(huffman.decode(huffman.encode(stream, code), 40, code), stream)


def test_an_early_end_is_noticed():
    stream = np.arange(200) % 11
    code = huffman.code_of(stream)
    data = huffman.encode(stream, code)
    for part in (data[:-1], data[:10], b""):
        with pytest.raises(ValueError, match="ends too early"):
            huffman.decode(part, 200, code)


@pytest.mark.parametrize(
    ("symbols", "lengths", "message"),
    [
        ((0, 1, 2), (1, 2, 3), "complete"),
        ((0, 1), (1, 1, 1), "zip"),
        ((1, 0), (1, 1), "order"),
        ((0, 0), (1, 1), "twice"),
        ((0, 1), (-1, 1), "less than 0"),
    ],
)
def test_what_is_no_code_is_refused(symbols, lengths, message):
    with pytest.raises(ValueError, match=message):
        huffman.Code(symbols, lengths)


def test_a_symbol_without_a_word_is_refused():
    code = huffman.code_of(np.array([1, 2, 2]))
    for stranger in (0, 3):
        with pytest.raises(ValueError, match="no word"):
            huffman.encode(np.array([1, stranger]), code)


sparse = st.lists(st.one_of(st.just(0), st.just(0), st.just(0), st.integers(0, 9)), max_size=200)


@given(sparse.map(np.array), st.integers(1, 5))
def test_a_sparse_array_comes_back(labels, bits):
    labels = labels.astype("int64")
    steps, values = relative_index.encode(labels, bits)
    assert ((steps >= 0) & (steps < 2**bits)).all()
    np.testing.assert_array_equal(relative_index.decode(steps, values, labels.size), labels)


@given(sparse.map(np.array), st.integers(1, 5))
def test_fillers_are_as_few_as_the_gaps_need(labels, bits):
    places = np.flatnonzero(labels)
    gaps = np.diff(places, prepend=-1)
    steps, values = relative_index.encode(labels.astype("int64"), bits)
    assert (values == 0).sum() == sum((gap - 1) // 2**bits for gap in gaps.tolist())
    assert len(steps) == len(places) + (values == 0).sum()


def test_the_papers_example():
    """Han et al. 2016, figure 2: steps of 3 bits to the 1st, 4th and 15th place."""
    labels = np.zeros(16, int)
    labels[[0, 3, 14]] = [34, 9, 17]
    steps, values = relative_index.encode(labels, 3)
    assert (steps + 1).tolist() == [1, 3, 8, 3]
    assert values.tolist() == [34, 9, 0, 17]


def test_steps_out_of_the_array_are_refused():
    with pytest.raises(ValueError, match="place 5 of an array of 5"):
        relative_index.decode(np.array([2, 2]), np.array([1, 1]), 5)
    for bits in (0, 17, True):
        with pytest.raises(ValueError, match="`index_bits`"):
            relative_index.encode(np.ones(3, int), bits)
