"""Reach: who hears whom, by their own lists, and by everybody's where those got lost."""

from app.radio.frame import NodeIndex
from app.radio.reach import Reach


def nodes(*indices: int) -> frozenset[NodeIndex]:
    return frozenset(map(NodeIndex, indices))


A, B, C, D, E = map(NodeIndex, range(1, 6))


def test_one_list_of_two_is_enough() -> None:
    reach = Reach()
    assert not reach.are_near(A, B)
    reach.hear(A, nodes(B))
    assert reach.are_near(A, B)
    assert reach.are_near(B, A)
    assert not reach.are_near(B, C)


def test_whom_nobody_that_spoke_reaches() -> None:
    reach = Reach()
    reach.hear(A, nodes(B))
    assert reach.far_from((A,), nodes(1, 2, 3)) == nodes(3)
    reach.hear(D, nodes(C))
    assert reach.far_from((A, D), nodes(2, 3)) == nodes()


def test_in_a_crowd_two_whose_lists_were_lost_are_near() -> None:
    reach = Reach()
    for teller in (C, D, E):
        reach.hear(teller, nodes(1, 2, 3, 4, 5) - {teller})
    assert reach.are_near(A, B)


def test_the_ends_of_a_chain_are_not() -> None:
    reach = Reach()
    reach.hear(B, nodes(1, 3))
    reach.hear(C, nodes(2, 4))
    reach.hear(D, nodes(3, 5))
    assert not reach.are_near(A, E)
    assert not reach.are_near(A, C)
