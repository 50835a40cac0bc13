"""What stands around a measured agent, each a process of its own: a server that settles everything, open ports."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from schoolbeat_wire import messages, report, topics

SERVER_ID = "5c" * 8


def broker_lines(folder: Path, certificate: Path, key: Path) -> str:
    """Mosquitto's configuration: TLS for the agent on 8883, plain for `settle` on 1883."""
    return "\n".join(
        (
            "user root",
            "allow_anonymous true",
            "listener 1883 127.0.0.1",
            "listener 8883",
            f"certfile {certificate}",
            f"keyfile {key}",
            f"log_dest file {folder / 'broker.log'}",
            "",
        )
    )


def settle(port: int) -> None:
    """Answers presence with the time, and every report by settling what it carries and all before it in the epoch."""
    settled: dict[str, set[int]] = {}

    def on_connect(client: Client, *_: object) -> None:
        client.subscribe([("schoolbeat/1/+/+/report", 1), ("schoolbeat/1/+/+/presence", 1)])
        print("READY", flush=True)

    def on_message(client: Client, _data: object, message: MQTTMessage) -> None:
        _, _, site, agent, kind = message.topic.split("/")
        nonce = 0
        if kind == "presence":
            presence = messages.decode_presence(message.payload)
            if not presence.online:
                return
            epoch, nonce = presence.epoch, presence.nonce
        else:
            received = report.decode(message.payload)
            epoch = received.epoch
            settled.setdefault(epoch, set()).update(range(received.seq, received.seq + received.count))
        known = settled.get(epoch, set())
        pairs = [(min(known), max(known) + 1)] if known else []
        ack = messages.Ack(SERVER_ID, time.time_ns() // 1_000_000, epoch, pairs, nonce=nonce)
        client.publish(topics.topic(site, agent, "ack"), messages.encode(ack), qos=1)

    client = Client(CallbackAPIVersion.VERSION2, "settle", protocol=MQTTv5)
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()


async def listen(addresses: list[str], port: int) -> None:
    def close_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    servers = [await asyncio.start_server(close_at_once, address, port) for address in addresses]
    print("READY", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("settle", "listen"))
    parser.add_argument("port", type=int)
    parser.add_argument("address", nargs="*")
    options = parser.parse_args()
    if options.what == "settle":
        settle(options.port)
    else:
        asyncio.run(listen(options.address, options.port))


if __name__ == "__main__":
    main()
