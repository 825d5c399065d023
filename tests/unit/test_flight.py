"""What waits for a broker's room, and in which order it gets it."""

from edge.feed.flight import OWED, OWED_BYTES, PRECEDENCE_S, Flight
from edge.feed.message import Message


def state(number: int, topic: str = "cam") -> Message:
    return Message(topic, str(number), retain=True)


def test_of_a_retained_topic_only_the_latest_waits() -> None:
    flight = Flight()
    for number in range(10_000):
        assert flight.owe(state(number))
    assert flight.owed == 1
    assert flight.next() == state(9999)
    assert flight.next() is None


def test_what_is_not_retained_is_bounded_in_number_and_bytes() -> None:
    flight = Flight()
    assert sum(flight.owe(Message("answer", "x")) for _ in range(2 * OWED)) == OWED
    assert flight.owe(state(1)), "which is bounded by its topics"
    while flight.next() is not None:
        pass
    assert flight.owe(Message("picture", b"x" * (OWED_BYTES - 100)))
    assert not flight.owe(Message("picture", b"x" * 100))


def test_events_have_room_of_their_own() -> None:
    flight = Flight()
    flight.connected(20)
    for number in range(30):
        flight.owe(state(number, f"cam{number}"))
    sent = 0
    while (message := flight.next()) is not None:
        sent += 1
        flight.add(sent, message)
    assert (sent, flight.window) == (10, 10)
    assert flight.room_for_event()


def test_the_one_place_of_a_small_broker_goes_to_an_event_that_waits() -> None:
    flight = Flight()
    flight.connected(1)
    for number in range(3):
        flight.owe(state(number, f"cam{number}"))
    first = flight.next()
    assert first is not None
    flight.add(1, first)
    assert flight.next() is None
    assert not flight.room_for_event()
    flight.acked(1, "")
    assert [ack.message for ack in flight.settled()] == [first]
    assert flight.next() is None, f"for {PRECEDENCE_S} s"
    assert flight.room_for_event()
    assert flight.next() is not None


def test_what_was_under_way_on_an_old_connection_is_given_back_but_for_events() -> None:
    flight = Flight()
    flight.add(1, state(1))
    flight.add(2, Message("event", "1"), event=True)
    flight.add(3, Message("answer", "1"))
    flight.acked(1, "")
    assert flight.oldest == Message("event", "1")
    list(flight.settled())
    assert flight.connected(10) == [Message("answer", "1")]
    assert len(flight) == 0
