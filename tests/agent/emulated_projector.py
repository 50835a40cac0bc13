"""EMULATED: a projector that speaks PJLink class 1 and 2, with the quirks that real ones are known for.

In tests `with EmulatedProjector() as projector:`; in a laboratory of namespaces
`python emulated_projector.py ADDRESS PORT [--password …] [--class 2] [--state 1]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import secrets
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

STANDBY, ON, COOLING, WARMING = "0", "1", "2", "3"


@dataclass
class Projector:
    """What the emulated projector is and how it misbehaves. Tests change it while it runs."""

    pjlink_class: int = 2
    password: str = ""
    power: str = ON
    input: str = "31"
    errors: str = "000000"
    lamps: tuple[tuple[int, int], ...] = ((1200, 1),)
    filter_hours: int = 300
    name: str = "Phong 7A1"
    manufacturer: str = "EPSON"
    model: str = "EB-L735U"
    info: str = ""
    serial: str = "X8JK0000001"
    mac: str = "00:26:ab:00:00:01"
    answers: dict[str, str] = field(default_factory=dict)  # "CLSS" -> "Class 1": said instead
    greeting: bytes | None = None  # sent instead of the right one
    line_end: bytes = b"\r"
    lower_case: bool = False
    names_err_in_standby: bool = False
    one_byte_at_a_time: bool = False
    silent: bool = False  # a greeting and then nothing
    greeting_only: bool = False  # a greeting, then it hangs up
    says_nothing: bool = False  # it takes the connection and not a byte comes
    flood: bool = False  # bytes without end instead of an answer
    refused_sessions: int = 0  # so many connections are closed at once: another client has it
    locked_sessions: int = 0  # so many are answered with ERRA, whatever the password
    hangs_up_after: int = 0  # so many answers, then it closes; 0: never
    silent_to: tuple[str, ...] = ()  # commands that it never answers
    idle_seconds: float = 30.0

    def answer(self, pjlink_class: str, command: str, parameter: str) -> str:
        """By the PJLink specifications; no command that would change anything is there: asking one is ERR1."""
        if command in self.answers:
            return self.answers[command]
        if parameter != "?":
            return "ERR2"
        if pjlink_class == "2" and self.pjlink_class < 2:
            return "ERR1"
        if command in ("NAME", "INF1", "INF2", "INFO") and self.names_err_in_standby and self.power == STANDBY:
            return "ERR3"
        if command in ("INPT", "AVMT") and self.power != ON:
            return "ERR3"
        return self._told(pjlink_class).get(command, "ERR1")

    def _told(self, pjlink_class: str) -> dict[str, str]:
        out = {
            "POWR": self.power,
            "INPT": self.input,
            "AVMT": "30",
            "ERST": self.errors,
            "LAMP": " ".join(f"{hours} {lit}" for hours, lit in self.lamps) or "ERR1",
            "INST": "11 31 32 51",
            "NAME": self.name,
            "INF1": self.manufacturer,
            "INF2": self.model,
            "INFO": self.info,
            "CLSS": str(self.pjlink_class),
        }
        if pjlink_class == "2":
            out |= {"SNUM": self.serial, "SVER": "1.00", "FILT": str(self.filter_hours), "FREZ": "0"}
        return out


class EmulatedProjector:
    """Serves a Projector by TCP and by UDP (search) from a thread of its own."""

    def __init__(
        self,
        projector: Projector | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
        broadcasts: Sequence[str] = (),
    ) -> None:
        self.projector = projector or Projector()
        self.address, self.port = address, port
        self.asked: list[str] = []  # every command line as it came, without its digest
        self.sessions = 0
        self.open_sessions = 0
        self.most_open_sessions = 0
        self._broadcasts = broadcasts
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> EmulatedProjector:
        self._thread.start()
        self._ready.wait()
        if self._failed:
            self._thread.join()
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        sessions: set[asyncio.Task[None]] = set()

        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            sessions.add(task)
            try:
                await self._session(reader, writer)
            finally:
                sessions.discard(task)

        try:
            server = await asyncio.start_server(session, self.address, self.port)
            self.port = server.sockets[0].getsockname()[1]
            udps = await self._listen_udp()
        except BaseException as error:
            self._failed = error
            return
        finally:
            self._ready.set()
        await self._stop.wait()
        server.close()
        for udp in udps:
            udp.close()
        for task in sessions:
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    # --- search ------------------------------------------------------------------------------------------------

    async def _listen_udp(self) -> list[asyncio.DatagramTransport]:
        emulated = self

        class Search(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, asker: tuple[str, int]) -> None:
                if data.strip().upper() == b"%2SRCH" and emulated.projector.pjlink_class >= 2:
                    own.sendto(f"%2ACKN={emulated.projector.mac}\r".encode(), asker)

        loop = asyncio.get_running_loop()
        own, _ = await loop.create_datagram_endpoint(Search, local_addr=(self.address, self.port))
        out = [own]
        for address in self._broadcasts:  # a socket of one address hears no broadcast
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind((address, self.port))
            out.append((await loop.create_datagram_endpoint(Search, sock=sock))[0])
        return out

    # --- a session ---------------------------------------------------------------------------------------------

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        self.open_sessions += 1
        self.most_open_sessions = max(self.most_open_sessions, self.open_sessions)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                await self._talk(reader, writer)
        finally:
            self.open_sessions -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        it = self.projector
        if it.refused_sessions:
            it.refused_sessions -= 1
            return
        if it.says_nothing:
            await reader.read(-1)
            return
        salt = secrets.token_hex(4) if it.password else ""
        greeting = f"PJLINK 1 {salt}".encode() if salt else b"PJLINK 0"
        await self._send(writer, it.greeting if it.greeting is not None else greeting + it.line_end)
        if it.greeting_only:
            return
        let_in, answered = not salt and not it.locked_sessions, 0
        while True:
            line = (await asyncio.wait_for(reader.readuntil(b"\r"), it.idle_seconds)).decode("utf-8", "replace")
            line = line.strip("\r\n")
            if not let_in:
                digest = hashlib.md5((salt + it.password).encode(), usedforsecurity=False).hexdigest()
                if it.locked_sessions or line[:32] != digest:
                    it.locked_sessions = max(0, it.locked_sessions - 1)
                    await self._send(writer, b"PJLINK ERRA" + it.line_end)
                    return
                let_in, line = True, line[32:]
            self.asked.append(line)
            await self._reply(writer, line)
            answered += 1
            if answered == it.hangs_up_after:
                return

    async def _reply(self, writer: asyncio.StreamWriter, line: str) -> None:
        it = self.projector
        command = line[2:6]
        if it.flood:
            while True:
                writer.write(b"%1POWR" * 1_000)
                await writer.drain()
        if it.silent or command in it.silent_to:
            return
        known = line[:1] == "%" and line[1:2] in ("1", "2") and line[6:7] == " "
        text = f"{line[:6]}={it.answer(line[1], command, line[7:])}" if known else "PJLINK ERR1"
        if it.lower_case:
            text = text[:6].lower() + text[6:]
        await self._send(writer, text.encode() + it.line_end)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self.projector.one_byte_at_a_time:
            writer.write(data)
            return await writer.drain()
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0.002)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("port", type=int, nargs="?", default=4352)
    parser.add_argument("--password", default="")
    parser.add_argument("--class", dest="pjlink_class", type=int, default=2, choices=(1, 2))
    parser.add_argument("--state", default=ON, choices=(STANDBY, ON, COOLING, WARMING))
    parser.add_argument("--name", default="Phong 7A1")
    parser.add_argument("--manufacturer", default="EPSON")
    parser.add_argument("--model", default="EB-L735U")
    parser.add_argument("--mac", default="00:26:ab:00:00:01")
    parser.add_argument("--broadcast", action="append", help="search is also heard here; default 255.255.255.255")
    options = parser.parse_args()
    projector = Projector(
        pjlink_class=options.pjlink_class,
        password=options.password,
        power=options.state,
        name=options.name,
        manufacturer=options.manufacturer,
        model=options.model,
        mac=options.mac,
    )
    local = options.address.startswith("127.")
    broadcasts = options.broadcast or ([] if local else ["255.255.255.255"])
    with EmulatedProjector(projector, options.address, options.port, broadcasts) as served:
        print(f"emulated projector on {served.address}:{served.port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
