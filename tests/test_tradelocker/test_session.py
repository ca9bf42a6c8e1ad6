"""What clients of one login share, and how long."""

import asyncio
import gc
import weakref

from agv2.tradelocker.session import LoginSession, shared_session
from tests.test_tradelocker.scripted_venue import a_login


async def _shared() -> LoginSession:
    session = shared_session(a_login(), asyncio.get_running_loop())

    async def hold() -> None:
        async with session.config_lock:
            await asyncio.sleep(0)

    await asyncio.gather(hold(), hold())  # somebody waits, so the lock holds its loop
    return session


async def test_clients_of_one_login_share_a_session_and_others_do_not() -> None:
    loop = asyncio.get_running_loop()
    assert shared_session(a_login(), loop) is shared_session(a_login(), loop)
    assert shared_session(a_login(server="OTHER"), loop) is not shared_session(a_login(), loop)


def test_the_limiter_outlives_an_event_loop_and_the_session_does_not() -> None:
    first = asyncio.run(_shared())
    gone, limiter = weakref.ref(first), first.limiter
    del first
    second = asyncio.run(_shared())
    gc.collect()
    assert gone() is None
    assert second.limiter is limiter
