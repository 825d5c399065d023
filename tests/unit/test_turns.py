"""The order of those who share one interpreter."""

import threading
import time

from edge.runtime.turns import Turns


def test_nobody_is_overtaken() -> None:
    """Two threads that ask without a pause, and one that asks now and then."""
    turns, done, stop = Turns(), [0, 0], threading.Event()

    def greedy(which: int) -> None:
        while not stop.is_set():
            with turns:
                done[which] += 1

    threads = [threading.Thread(target=greedy, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    overtaken = []
    try:
        for _ in range(50):
            before = list(done)
            with turns:
                overtaken.append([after - b for after, b in zip(done, before, strict=True)])
            time.sleep(0.001)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert min(done) > 50, "the others were served meanwhile"
    often = sorted(max(times) for times in overtaken)
    assert often[len(often) // 2] <= 2


def test_one_at_a_time_and_all_of_them() -> None:
    turns, inside, most, count = Turns(), 0, 0, 0

    def work() -> None:
        nonlocal inside, most, count
        for _ in range(200):
            with turns:
                inside += 1
                most = max(most, inside)
                count += 1
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, count) == (1, 800)


def test_an_error_passes_the_turn_on() -> None:
    turns = Turns()
    try:
        with turns:
            raise ValueError
    except ValueError:
        pass
    with turns:
        pass


def test_the_first_to_wait_is_the_first_to_go() -> None:
    turns, order = Turns(), list[int]()

    def work(number: int) -> None:
        with turns:
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with turns:
        for thread in threads:
            thread.start()
            time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]
