"""Pickles read as data: nothing that a file names is run, and no nesting ends the process.

Python's unpickler runs whatever a file says, and even one with an allow-list hashes and frees values by recursion in C:
tuples in tuples, a hundred thousand deep, are a segmentation fault as a dictionary's key. The opcodes are read here by
a machine that knows only those of which files of images and of weights consist.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["Noted", "RefusedPickleError", "read_plain_pickle"]

_MOST_OPCODES = 2_000_000  # bounds time and memory: a batch of CIFAR-10 has 60,000, a published hypernetwork 20,000


class RefusedPickleError(ValueError):
    """A pickle with something outside what files of data consist of.

    Args:
        noun: what, which is the message.
        name: what it would run, None if it is something else.
    """

    def __init__(self, noun: str, name: str | None = None) -> None:
        super().__init__(noun)
        self.name = name


class Noted:
    """An object that a file describes and nobody makes.

    Args:
        name: what the file would call.
        arguments: with what.
    """

    def __init__(self, name: str, *arguments: Any) -> None:
        self.name = name
        self.arguments = arguments
        self.state: Any = None
        """What the file would set."""


@dataclass
class _Machine:
    names: Mapping[str, Any]
    persistent: Callable[[Any], Any] | None

    def __post_init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the open marks
        self.memo: dict[int, Any] = {}

    def do(self, opcode: str, argument: Any) -> None:
        """Follows one opcode.

        Raises:
            RefusedPickleError: if it is none that data needs.
            IndexError, KeyError, TypeError, AttributeError: if it does not fit what is there.
        """
        stack = self.stack
        if opcode in _LITERALS:
            stack.append(argument)
            return
        match opcode:
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "NONE" | "NEWFALSE" | "NEWTRUE":
                stack.append({"NONE": None, "NEWFALSE": False, "NEWTRUE": True}[opcode])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(opcode[-1])
                stack[-n:] = [tuple(stack[-n:])]
            case "TUPLE":
                self._since_mark(lambda items: self.stack.append(tuple(items)))
            case "APPEND":
                value = stack.pop()
                self._extend([value])
            case "APPENDS":
                self._since_mark(self._extend)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._update([key, value])
            case "SETITEMS":
                self._since_mark(self._update)
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(self._named(argument))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(self._named(f"{module:s} {name:s}"))
            case "REDUCE" | "NEWOBJ":
                arguments, maker = stack.pop(), stack.pop()
                if not (callable(maker) and isinstance(arguments, tuple)):
                    raise TypeError
                stack.append(maker(*arguments))  # only names give what can be called
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Noted):  # what a dictionary has beside its items is nothing that data needs
                    stack[-1].state = state
            case "BINPERSID" if self.persistent is not None:
                stack.append(self.persistent(stack.pop()))
            case other:
                raise RefusedPickleError(f"the opcode {other}")

    def _since_mark(self, use: Callable[[list[Any]], None]) -> None:
        items, self.stack = self.stack, self.below.pop()
        use(items)

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError
        self.stack[-1].extend(items)

    def _update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError
        if not all(isinstance(key, str | int) for key in items[::2]):  # what has a bounded depth, and hashes in no time
            raise RefusedPickleError("a key that is neither text nor a whole number")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _named(self, name: str) -> Any:
        if name not in self.names:
            raise RefusedPickleError(f"the name {name!r}", name.replace(" ", "."))
        return self.names[name]


_LITERALS = frozenset(
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINBYTES "
    "SHORT_BINBYTES".split()
)


def read_plain_pickle(
    stream: IO[bytes], names: Mapping[str, Any], persistent: Callable[[Any], Any] | None = None
) -> Any:
    """The value that a pickle describes.

    Args:
        stream: where the pickle begins; behind its last opcode afterwards. It must know its length, as ``BytesIO`` and
            a mapped file do, so that a size that the file announces allocates nothing.
        names: what each name (``"module name"``) stands for. A name that is called must be a function or a class of
            the reader's own, which bounds what it makes: the arguments are whatever the file says.
        persistent: what stands for an identifier outside the pickle; None if there are none.

    Raises:
        RefusedPickleError: if the pickle has an opcode or names something that data does not need.
        ValueError, IndexError, KeyError, TypeError, AttributeError: if it is damaged.
    """
    machine = _Machine(names, persistent)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name == "STOP":
            return machine.stack.pop()
        if count >= _MOST_OPCODES:
            raise RefusedPickleError(f"more than {_MOST_OPCODES:,} opcodes")
        machine.do(opcode.name, argument)
    raise ValueError("no STOP")
