"""A host in Python with wasmtime, through the C ABI alone (docs/abi.md): `python python.py bulla.wasm`.

Reads lines of {"operation": number, "message": base64} and prints each reply as base64.
"""
import base64
import json
import sys

from wasmtime import Engine, Instance, Module, Store

engine = Engine()
module = Module.from_file(engine, sys.argv[1])


def call(operation: int, message: bytes) -> bytes:
    """Carries out one operation in a fresh instance: nothing is left for the next one."""
    store = Store(engine)
    # The module imports nothing, so there is nothing to give.
    exports = Instance(store, module, []).exports(store)
    memory = exports["memory"]
    if exports["bulla_abi"](store) != 1:
        raise SystemExit("this host speaks version 1 of the contract")
    request = exports["bulla_alloc"](store, len(message))
    memory.write(store, message, request & 0xFFFFFFFF)
    packed = exports["bulla_call"](store, operation, request, len(message))
    pointer, length = (packed >> 32) & 0xFFFFFFFF, packed & 0xFFFFFFFF
    reply = bytes(memory.read(store, pointer, pointer + length))
    exports["bulla_free"](store, pointer, length)
    exports["bulla_free"](store, request, len(message))
    return reply


for line in sys.stdin:
    question = json.loads(line)
    reply = call(question["operation"], base64.b64decode(question["message"]))
    print(base64.b64encode(reply).decode(), flush=True)
