"""The queue alone: whose turn it is and what shares a run, with no thread and no clock."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.batching import plan
from shared.batching.queue import MOST_PADDING, Member, Queue, Run
from shared.context import RequestContext
from shared.errors import ClientGone, DeadlinePassed

MOST = 64
OVERHEAD = 16
LISTS = st.lists(st.lists(st.integers(1, MOST), min_size=1, max_size=40), min_size=1, max_size=20)


def members(queue: Queue, lists: list[list[int]]) -> list[Member]:
    made = [Member(costs, costs, None) for costs in lists]
    for each in made:
        queue.add(each)
    return made


def drained(queue: Queue) -> list[Run]:
    runs = []
    while queue:
        run, dropped = queue.take(0.0)
        assert run.picks
        assert not dropped
        runs.append(run)
    return runs


def alone(deadline: float = 1.0) -> RequestContext:
    context = RequestContext.of([], 60.0)
    context.deadline = deadline
    return context


@given(LISTS)
def test_every_item_runs_once_and_no_run_costs_too_much(lists: list[list[int]]) -> None:
    queue = Queue(MOST)
    made = members(queue, lists)
    assert (queue.items, queue.cost) == (sum(map(len, lists)), sum(map(sum, lists)))
    runs = drained(queue)
    taken = Counter((id(member), index) for run in runs for member, index in run.picks)
    assert taken == Counter((id(member), index) for member in made for index in range(len(member.items)))
    assert all(run.total <= MOST for run in runs)
    assert (queue.items, queue.cost) == (0, 0)


@given(LISTS)
def test_padding_stays_below_what_it_saves(lists: list[list[int]]) -> None:
    queue = Queue(MOST, overhead=OVERHEAD)
    made = members(queue, lists)
    runs = drained(queue)
    assert sum(len(run) for run in runs) == sum(len(member.items) for member in made)
    for run in runs:
        padded = len(run) * run.longest
        assert padded <= MOST
        assert run.total == sum(run.items)
        assert run.longest == max(run.items)
        assert padded - run.total <= max(OVERHEAD, MOST_PADDING * padded)


@given(LISTS)
def test_only_items_of_one_group_share_a_run(lists: list[list[int]]) -> None:
    queue = Queue(MOST, group=lambda item: item % 3)
    members(queue, lists)
    for run in drained(queue):
        assert len({item % 3 for item in run.items}) == 1


@given(LISTS)
def test_of_one_kind_runs_fill_up_in_the_order_of_turns(lists: list[list[int]]) -> None:
    queue = Queue(MOST)
    turns = members(queue, [[1] * len(costs) for costs in lists])
    while queue:
        run, _ = queue.take(0.0)
        order = list(dict.fromkeys(member for member, _ in run.picks))
        assert order == turns[: len(order)]
        turns = [member for member in turns[1:] if member.pending] + [turns[0]] * bool(turns[0].pending)


@given(LISTS, st.integers(1, MOST))
def test_a_newcomer_waits_for_one_run_of_each_before_it(lists: list[list[int]], cost: int) -> None:
    queue = Queue(MOST, overhead=OVERHEAD)
    members(queue, lists)
    newcomer = Member([cost], [cost], None)
    queue.add(newcomer)
    turns = 0
    while newcomer.pending:
        queue.take(0.0)
        turns += 1
    assert turns <= len(lists) + 1


def test_two_thousand_items_and_one() -> None:
    queue = Queue(256, overhead=OVERHEAD)
    (large,) = members(queue, [[20] * 2048])
    queue.take(0.0)
    (small,) = members(queue, [[5]])
    assert queue.before(5) <= 256 + 5
    queue.take(0.0)
    assert small.pending
    queue.take(0.0)
    assert not small.pending
    assert len(large.pending) == 1


@given(LISTS, st.data())
def test_what_is_discarded_leaves_no_trace(lists: list[list[int]], data: st.DataObject) -> None:
    queue = Queue(MOST, overhead=OVERHEAD)
    made = members(queue, lists)
    queue.take(0.0)
    gone = data.draw(st.sets(st.sampled_from(range(len(made)))))
    for number in gone:
        queue.discard(made[number])
        queue.discard(made[number])
    left = [member for number, member in enumerate(made) if number not in gone]
    assert queue.cost == sum(member.cost for member in left)
    for run in drained(queue):
        assert all(member in left for member, _ in run.picks)
    assert (queue.items, queue.cost) == (0, 0)
    assert not queue._at
    assert not queue._lengths


def test_what_nobody_waits_for_is_dropped_when_a_run_is_formed() -> None:
    queue = Queue(8)
    late, gone, there = (Member([1, 1], [1, 1], alone(deadline)) for deadline in (1.0, 9.0, 9.0))
    for each in (late, gone, there):
        queue.add(each)
    assert gone.context is not None
    gone.context.gone = True
    run, dropped = queue.take(2.0)
    assert {member for member, _ in run.picks} == {there}
    assert [(member, type(error)) for member, error in dropped] == [(late, DeadlinePassed), (gone, ClientGone)]
    assert not queue


def test_a_queue_of_the_gone_gives_an_empty_run() -> None:
    queue = Queue(8)
    queue.add(Member([1], [1], alone(1.0)))
    run, dropped = queue.take(2.0)
    assert not run
    assert len(dropped) == 1
    assert (queue.items, queue.cost) == (0, 0)


@given(st.lists(st.integers(1, MOST), max_size=100))
def test_a_plan_has_every_index_once(costs: list[int]) -> None:
    runs = plan(costs, MOST, overhead=OVERHEAD) if costs else []
    assert sorted(index for run in runs for index in run) == list(range(len(costs)))


def test_lengths_far_apart_run_apart_and_near_ones_together() -> None:
    assert sorted(map(sorted, plan([30, 29, 30, 3, 4], 256, overhead=OVERHEAD))) == [[0, 1, 2], [3, 4]]
    assert len(plan([10, 6], 256, overhead=OVERHEAD)) == 1
