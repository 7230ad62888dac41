import pytest

from scripts.bench.turns import machine_and_threads, median_and_range, ratio, take_turns


def test_each_takes_its_turn_in_every_round_and_the_first_round_does_not_count():
    order = []

    def turn(name):
        order.append(name)
        return float(len(order))

    values = take_turns({"one": lambda: turn("one"), ("a", "tuple"): lambda: turn("other")}, rounds=2)
    assert order == ["one", "other"] * 3
    assert values == {"one": [3, 5], ("a", "tuple"): [4, 6]}


def test_ratios_are_formed_round_by_round():
    # The machine is ten times slower in the second round, which the ratios do not show.
    assert ratio("new", [2.0, 20.0, 3.0], "old", [1.0, 10.0, 1.0]) == "new : old = 2.00 (2.00 to 3.00)"


@pytest.mark.parametrize(
    ("values", "figures", "text"),
    [
        ([1.0194, 0.9876, 1.1], 4, "1.019 (0.988 to 1.100)"),
        ([812.3, 790.1, 1000.0], 4, "812.3 (790.1 to 1,000.0)"),
        ([23456.0], 3, "23,456 (23,456 to 23,456)"),
        ([0.00123], 3, "0.00123 (0.00123 to 0.00123)"),
    ],
)
def test_the_median_has_the_figures_and_the_range_its_decimals(values, figures, text):
    assert median_and_range(values, figures) == text


def test_the_machine_is_named_with_its_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert machine_and_threads().endswith(", OMP_NUM_THREADS 3")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert machine_and_threads().endswith(", OMP_NUM_THREADS not set")
