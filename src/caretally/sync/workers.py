"""Several pieces of work at a time, with an end that does not wait for a silent server when a person wants to stop."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Generic[Item, Result]):
    """Threads that do one kind of work; made for one round of it.

    A fault of one item stops the round: the others come to the end of what they are at. A KeyboardInterrupt does not
    wait even for that, because the threads end with the process; a pool of the standard library would wait.

    Args:
        work: done for each item; asked from several threads.
        items: in the order in which they are begun.
        threads: how many at a time.
        stop: set when the round ends early, for work that can end in the middle.
    """

    def __init__(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, threads: int, stop: threading.Event
    ) -> None:
        self._work = work
        self._items = iter(items)
        self._left = len(items)
        self._stop = stop
        self._lock = threading.Lock()
        self._done: queue.SimpleQueue[tuple[Item, Result | None, BaseException | None]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._go, daemon=True) for _ in range(min(threads, len(items)))]

    def results(self) -> Iterator[tuple[Item, Result]]:
        """Do the work and give each item with its result, as they come.

        Raises:
            Exception: of the first item that failed, after the others have stopped.
        """
        for thread in self._threads:
            thread.start()
        try:
            for _ in range(self._left):
                item, result, error = self._done.get()
                if error is not None:
                    raise error  # noqa: TRY301 -- it is the round that failed
                yield item, result  # type: ignore[misc]  # there is a result where there is no error
        except Exception:
            self._end()
            raise
        except BaseException:
            self._stop.set()
            raise

    def _end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _go(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                item = next(self._items, None)
            if item is None:
                return
            try:
                self._done.put((item, self._work(item), None))
            except BaseException as error:  # noqa: BLE001 -- told to whoever asked for the results
                self._done.put((item, None, error))
                return
