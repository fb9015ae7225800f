"""What a user's actor is sent."""

from actors.user_mail import Attach
from protocol.errors import Code, Refusal
from tests.actors.making import ANN
from tests.actors.scene import Listener


def test_a_connection_that_nobody_can_take_is_told_to_try_again() -> None:
    listener = Listener(ANN)
    Attach(listener, listener.by, {}).answer(Refusal(Code.OVERLOADED, "Try again later."))
    assert listener.closed == (1012, "Try again later.")
