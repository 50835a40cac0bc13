"""An EMULATED camera or recorder: WS-Discovery, ONVIF and RTSP with real RTP packets, and the faults that real ones have.

    emulated_camera.py ADDRESS [--password …] [--skew SECONDS] [--kind camera|recorder] [--mac …] [--fault …]

The NAL units are made up here: they look like a picture to whoever does not draw it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, unescape

GROUP = "239.255.255.250"
SPS, PPS = bytes.fromhex("6742c01ed9005005bb01"), bytes.fromhex("68ce3c80")
SPROP = ",".join(base64.b64encode(unit).decode() for unit in (SPS, PPS))
KEY, OTHER = (
    b"\x65\x88\x84" + bytes(3_000),
    b"\x41\x9a\x20" + bytes(300),
)  # first slices of an IDR and of another picture
SDP = {
    "h264": f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={SPROP}\r\n",
    "h264_in_band": "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n",
    "h265": "m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\n",
    "jpeg": "m=video 0 RTP/AVP 26\r\n",
    "audio": "",
}


@dataclass
class EmulatedCamera:
    """Port 0 of a service: it is not served. `fault` names one of the things that go wrong; see the code."""

    address: str
    rtsp_port: int = 554
    http_port: int = 80
    discovery_port: int = 3702
    kind: str = "camera"
    username: str = "admin"
    password: str = ""  # none: everything is open
    auth: str = "digest"  # of RTSP: basic, digest, sha256, both
    onvif_auth: str = "wsse"  # or digest (HTTP)
    skew_seconds: float = 0.0
    mac: str = "02:00:00:00:00:01"
    vendor: str = "Emulated"
    model: str = "EC-1"
    serial: str = "EC1-000001"
    firmware: str = "V1.2.3 build 240115"
    path: str = "/Streaming/Channels/101?transportmode=unicast"
    codec: str = "h264"
    channels: int = 1
    fault: str = ""
    telnet_port: int = 0
    recording: str = "Active"
    now: Callable[[], float] = time.time
    requests: list[str] = field(default_factory=list)  # what was asked, without passwords
    refused_logins: int = 0
    rtsp_sessions: int = 0  # open ones
    _nonces: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[EmulatedCamera]:
        servers, transports = [], []
        for port, serve in (
            (self.rtsp_port, self._rtsp),
            (self.http_port, self._http),
            (self.telnet_port, self._telnet),
        ):
            if port:
                servers.append(await asyncio.start_server(self._one(serve), self.address, port))
        if self.discovery_port:
            transports = await self._discovery()
        try:
            yield self
        finally:
            for server in servers:
                server.close()
            for transport in transports:
                transport.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _one(self, serve: Callable[..., object]) -> Callable[..., object]:
        async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await serve(reader, writer)  # type: ignore[misc]
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                self._tasks.discard(task)
                writer.transport.abort()

        return connection

    # --- who may ask -------------------------------------------------------------------------------------------

    def _challenges(self, stale: bool = False) -> list[str]:
        nonce = hashlib.sha256(str(len(self._nonces)).encode()).hexdigest()[:16]
        self._nonces[nonce] = 0
        flag = ", stale=true" if stale else ""
        basic, digest = 'Basic realm="IP Camera"', f'Digest realm="IP Camera(C1234)", nonce="{nonce}"{flag}'
        return {
            "basic": [basic],
            "digest": [digest],
            "both": [basic, f'{digest}, qop="auth,auth-int", algorithm=MD5, opaque="x"'],
            "sha256": [f'{digest}, qop="auth", algorithm=MD5', f'{digest}, qop="auth", algorithm=SHA-256'],
        }[self.auth]

    def _refusal(self, method: str, uri: str, authorization: str) -> list[str]:
        """Challenges where the request may not pass; none where it may."""
        if not self.password:
            return []
        if not authorization:
            return self._challenges()
        scheme, _, rest = authorization.partition(" ")
        if scheme == "Basic" and self.auth in ("basic", "both"):
            if base64.b64decode(rest).decode() == f"{self.username}:{self.password}":
                return []
        elif scheme == "Digest" and self.auth != "basic":
            told = {name: text.strip('"') for name, text in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', rest)}
            nonce = told.get("nonce", "")
            if nonce in self._nonces and self._is_right(told, method, uri):
                self._nonces[nonce] += 1
                if self.fault == "stale" and self._nonces[nonce] > 1:
                    return self._challenges(stale=True)
                if self.fault == "one_time_nonce" and self._nonces[nonce] > 1:
                    return self._challenges()
                return []
        self.refused_logins += 1
        return self._challenges()

    def _is_right(self, told: dict[str, str], method: str, uri: str) -> bool:
        hashed = hashlib.sha256 if told.get("algorithm") == "SHA-256" else hashlib.md5
        if self.auth == "sha256" and hashed is not hashlib.sha256:
            return False

        def h(*parts: str) -> str:
            return hashed(":".join(parts).encode()).hexdigest()

        first, second = h(self.username, told.get("realm", ""), self.password), h(method, told.get("uri", ""))
        middle = (
            [told["nonce"], told.get("nc", ""), told.get("cnonce", ""), "auth"] if "qop" in told else [told["nonce"]]
        )
        return told.get("uri") == uri and told.get("response") == h(first, *middle, second)

    # --- RTSP --------------------------------------------------------------------------------------------------

    async def _rtsp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "silent":
            await asyncio.sleep(3_600)
        if self.fault == "flood_head":
            while True:
                writer.write(b"RTSP/1.0 200 OK\r\n" + b"X-Filler: " + b"a" * 60_000)
                await writer.drain()
        playing: asyncio.Task[None] | None = None
        set_up = False
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.split("\r\n")
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                method, uri, _ = first.split(" ")
                self.requests.append(f"{method} {uri}")
                if self.fault == "slow_head":
                    for byte in b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" * 100:
                        writer.write(bytes([byte]))
                        await asyncio.sleep(0.2)
                if self.fault == "not_rtsp":
                    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    return
                if self.fault == f"hang_{method.lower()}":
                    await asyncio.sleep(3_600)
                if self.fault == f"close_{method.lower()}":
                    return
                status, extra, body = self._rtsp_answer(method, uri, fields, set_up)
                if method == "SETUP" and status == 200:
                    set_up = True
                    self.rtsp_sessions += 1
                    if self.fault == "early":
                        await self._play(writer, 3)
                if self.fault == "server_asks":
                    writer.write(f"OPTIONS {uri} RTSP/1.0\r\nCSeq: 900\r\n\r\n".encode())
                cseq = "77" if self.fault == "wrong_cseq" else fields.get("cseq", "")
                writer.write("\r\n".join([f"RTSP/1.0 {status} X", f"CSeq: {cseq}", *extra, "", ""]).encode() + body)
                if method == "PLAY" and status == 200 and playing is None:
                    playing = asyncio.create_task(self._play(writer))
                if method == "TEARDOWN":
                    return
        finally:
            if playing:
                playing.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await playing
            self.rtsp_sessions -= set_up

    def _rtsp_answer(self, method: str, uri: str, fields: dict[str, str], set_up: bool) -> tuple[int, list[str], bytes]:
        if method == "OPTIONS" and self.fault != "options_want_password":
            return 200, ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"], b""
        if challenges := self._refusal(method, uri, fields.get("authorization", "")):
            return 401, [f"WWW-Authenticate: {one}" for one in challenges], b""
        parts = urlsplit(uri)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if self.fault.startswith("status_"):
            return int(self.fault.removeprefix("status_")), [], b""
        if method == "DESCRIBE":
            if path != self.path:
                return 404, [], b""
            return self._described(uri)
        if "session" not in fields and method != "SETUP":
            return 454, [], b""
        if method == "SETUP":
            if "trackID=1" not in uri:
                return 404, [], b""
            if self.fault == "udp_only":
                return 461, [], b""
            channels = "4-5" if self.fault == "other_channel" else "0-1"
            transport = f"Transport: RTP/AVP/TCP;unicast;interleaved={channels};ssrc=5A5A5A5A"
            return 200, ["Session: 1185d20035702ca;timeout=60", transport], b""
        return 200, ["Session: 1185d20035702ca"], b""

    def _described(self, uri: str) -> tuple[int, list[str], bytes]:
        if self.fault == "huge_body":
            return 200, ["Content-Length: 10000000000"], b"v=0\r\n" * 1_000
        head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Media\r\nt=0 0\r\n"
        if self.fault == "absolute_control":
            head, control = head + f"a=control:{uri}/\r\n", f"a=control:{uri}/trackID=1\r\n"
        else:
            head, control = head + "a=control:*\r\n", "a=control:trackID=1\r\n"
        sound = "m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
        video = SDP[self.codec]
        body = (head + sound + (video + control if video else "")).encode()
        base = [] if self.fault == "no_base" else [f"Content-Base: {uri}/"]
        return 200, ["Content-Type: application/sdp", *base, f"Content-Length: {len(body)}"], body

    async def _play(self, writer: asyncio.StreamWriter, pictures: int = 0) -> None:
        """RTP over the connection, ten pictures a second; without end where `pictures` is 0."""
        if self.fault == "no_rtp":
            return
        channel = 4 if self.fault == "other_channel" else 0
        if self.fault == "flood_data":
            while True:
                writer.write((b"$\x07\xff\xff" + bytes(65_535)) * 4)
                await writer.drain()
        sequence = count(100)
        for number in range(pictures) if pictures else count():
            for payload in self._picture(number):
                kind = {"jpeg": 26, "h265": 98}.get(self.codec, 96)
                header = struct.pack(
                    "!BBHII", 0x80, kind, next(sequence) & 0xFFFF, number * 9_000 & 0xFFFFFFFF, 0x5A5A5A5A
                )
                packet = header + payload
                writer.write(b"$" + bytes([channel]) + struct.pack("!H", len(packet)) + packet)
            writer.write(b"$" + bytes([channel + 1]) + struct.pack("!H", 8) + b"\x80\xc8\x00\x01ABCD")  # RTCP
            await writer.drain()
            await asyncio.sleep(0.02 if self.fault == "no_key" else 0.1)

    def _picture(self, number: int) -> list[bytes]:
        """The payloads of one picture; every tenth is a key."""
        if self.fault == "garbage":
            return [b"\xff\xff\xff\xff" * 50]
        if self.codec == "jpeg":
            return [b"\0\0\0\0\x01\x50\x28\x1e" + bytes(400), b"\0\0\x01\x90\x01\x50\x28\x1e" + bytes(100)]
        if self.codec == "h265":
            if number % 10:
                return [b"\x02\x01\xd0" + bytes(100)]
            sets = [b"\x40\x01\x0c\x01", b"\x42\x01\x01\x01", b"\x44\x01\xc1\x72"]
            together = b"\x60\x01" + b"".join(struct.pack("!H", len(unit)) + unit for unit in sets)
            return [together, b"\x62\x01\x93\xaf" + bytes(500), b"\x62\x01\x53" + bytes(500)]  # IDR in two fragments
        if number % 10 or self.fault == "no_key":
            return [OTHER]
        stap = b"\x78" + b"".join(struct.pack("!H", len(unit)) + unit for unit in (SPS, PPS))
        parts = [KEY[1 + at : 1 + at + 1_200] for at in range(0, len(KEY) - 1, 1_200)]
        marks = [0x80 if not at else 0x40 if at == len(parts) - 1 else 0 for at in range(len(parts))]
        fragments = [b"\x7c" + bytes([mark | 5]) + part for mark, part in zip(marks, parts, strict=True)]
        return fragments if self.codec == "h264" else [stap, *fragments]

    # --- ONVIF -------------------------------------------------------------------------------------------------

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = (await reader.readexactly(int(fields.get("content-length", "0")))).decode()
        method, uri, _ = first.split(" ")
        asked = re.search(r"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)", body)
        operation = asked[1] if asked else ""
        self.requests.append(f"{operation} {uri}")
        if self.fault == "hang_http":
            await asyncio.sleep(3_600)
        if self.fault == "slow_http":
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1_000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.2)
        status, extra, answer = self._onvif(method, uri, fields, operation, body)
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/soap+xml; charset=utf-8\r\nConnection: close\r\n"
        head += "".join(f"{line}\r\n" for line in extra)
        if self.fault == "chunked":
            chunks = [answer[at : at + 100] for at in range(0, len(answer), 100)]
            data = b"".join(f"{len(part):x};ext=1\r\n".encode() + part + b"\r\n" for part in chunks) + b"0\r\n\r\n"
            writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + data)
        elif self.fault == "huge":
            writer.write(f"{head}\r\n".encode())
            for _ in range(10_000):
                writer.write(b"<a>" + b" " * 1_021)
                await writer.drain()
        elif self.fault == "until_close":
            writer.write(f"{head}\r\n".encode() + answer)
        else:
            writer.write(f"{head}Content-Length: {len(answer)}\r\n\r\n".encode() + answer)
        await writer.drain()
        writer.close()

    def _onvif(
        self, method: str, uri: str, fields: dict[str, str], operation: str, body: str
    ) -> tuple[int, list[str], bytes]:
        hostile = {
            "bomb": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
            '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]><a>&d;</a>',
            "external": '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
            "deep": "<a>" * 60_000,
            "wide": "<a>" + "<b/>" * 60_000 + "</a>",
            "not_xml": "<html><body>It works!<br></body></html>",
            "empty": "",
        }
        if self.fault in hostile:
            return 200, [], hostile[self.fault].encode()
        is_open = operation == "GetSystemDateAndTime" and self.fault != "clock_wants_password"
        if self.password and not is_open:
            if self.onvif_auth == "digest":
                if challenges := self._refusal(method, uri, fields.get("authorization", "")):
                    return 401, [f"WWW-Authenticate: {one}" for one in challenges], b"<html>401</html>"
            elif not self._token_is_right(body):
                self.refused_logins += "UsernameToken" in body
                return 400, [], _fault("ter:NotAuthorized")
        answer = self._answers().get(operation)
        return (200, [], _envelope(answer)) if answer is not None else (500, [], _fault("ter:ActionNotSupported"))

    def _token_is_right(self, body: str) -> bool:
        """Within 20 s of the camera's own clock: that is what some cameras want."""
        found = {
            name: unescape(text.strip()) for name, text in re.findall(r"<(?:\w+:)?(\w+)(?:\s[^>]*)?>([^<]+)</", body)
        }
        try:
            nonce, created = base64.b64decode(found["Nonce"]), found["Created"]
            at = datetime.strptime(created, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
        except (KeyError, ValueError):
            return False
        proof = base64.b64encode(hashlib.sha1(nonce + created.encode() + self.password.encode()).digest()).decode()
        timely = abs(at - self.now() - self.skew_seconds) <= 20
        return found["Username"] == self.username and found["Password"] == proof and timely

    def _answers(self) -> dict[str, str]:
        clock = datetime.fromtimestamp(self.now() + self.skew_seconds, UTC)
        host = "192.168.255.254" if self.fault == "other_host" else self.address
        http = f"http://{host}:{self.http_port}/onvif"
        offered = {"device_service": "ver10/device", "media": "ver10/media"}
        if self.kind == "recorder":
            offered["recording"] = "ver10/recording"
        profiles = "".join(
            f'<trt:Profiles token="p{n}" fixed="true"><tt:Name>n{n}</tt:Name>'
            f'<tt:VideoSourceConfiguration token="v{n}"><tt:SourceToken>s{n}</tt:SourceToken></tt:VideoSourceConfiguration>'
            f'<tt:VideoEncoderConfiguration token="e{n}"><tt:Encoding>H264</tt:Encoding></tt:VideoEncoderConfiguration>'
            "</trt:Profiles>"
            for n in range(self.channels)
        )
        uri = f"rtsp://{self.username}:{self.password}@{host}:{self.rtsp_port}{self.path}"
        return {
            "GetSystemDateAndTime": "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
            "<tt:DateTimeType>NTP</tt:DateTimeType><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{clock.hour}</tt:Hour><tt:Minute>{clock.minute}</tt:Minute><tt:Second>{clock.second}</tt:Second></tt:Time>"
            f"<tt:Date><tt:Year>{clock.year}</tt:Year><tt:Month>{clock.month}</tt:Month><tt:Day>{clock.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
            "GetDeviceInformation": "<tds:GetDeviceInformationResponse>"
            f"<tds:Manufacturer>{escape(self.vendor)}</tds:Manufacturer><tds:Model>{escape(self.model)}</tds:Model>"
            f"<tds:FirmwareVersion>{escape(self.firmware)}</tds:FirmwareVersion>"
            f"<tds:SerialNumber>{escape(self.serial)}</tds:SerialNumber></tds:GetDeviceInformationResponse>",
            "GetServices": "<tds:GetServicesResponse>"
            + "".join(
                f"<tds:Service><tds:Namespace>http://www.onvif.org/{name}/wsdl</tds:Namespace><tds:XAddr>{http}/{at}</tds:XAddr></tds:Service>"
                for at, name in offered.items()
            )
            + "</tds:GetServicesResponse>",
            "GetProfiles": f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>",
            "GetStreamUri": f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{escape(uri)}</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>",
            "GetNetworkInterfaces": '<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="eth0"><tt:Info>'
            f"<tt:HwAddress>{self.mac}</tt:HwAddress></tt:Info></tds:NetworkInterfaces></tds:GetNetworkInterfacesResponse>",
            **(self._recorder_answers() if self.kind == "recorder" else {}),
        }

    def _recorder_answers(self) -> dict[str, str]:
        jobs = "".join(f"<trc:JobItem><tt:JobToken>j{n}</tt:JobToken></trc:JobItem>" for n in range(self.channels))
        return {
            "GetRecordingJobs": f"<trc:GetRecordingJobsResponse>{jobs}</trc:GetRecordingJobsResponse>",
            "GetRecordingJobState": "<trc:GetRecordingJobStateResponse><trc:State>"
            f"<tt:State>{self.recording}</tt:State></trc:State></trc:GetRecordingJobStateResponse>",
        }

    # --- WS-Discovery, telnet ----------------------------------------------------------------------------------

    async def _discovery(self) -> list[asyncio.DatagramTransport]:
        """One socket for the group, and one for those who ask this address alone."""
        transports = []
        for bound in (GROUP, self.address):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((bound, self.discovery_port))
            if bound == GROUP:
                own = socket.inet_aton(GROUP) + socket.inet_aton(self.address)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, own)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.address))
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: _Discovery(self), sock=sock)
            transports.append(transport)
        self._voice = transports[1]  # answers come from the camera's own address
        return transports

    def hello(self, question: str) -> bytes | None:
        asked = re.search(r"MessageID>([^<]{1,100})<", question)
        if not asked or "/discovery/Probe<" not in question:
            return None
        alone = self.fault == "probe_match"
        action = "ProbeMatch" if alone else "ProbeMatches"
        relates = "urn:uuid:0" if self.fault == "unrelated" else asked[1]
        scope = "onvif://www.onvif.org"
        model = self.model.replace(" ", "%20")
        kind = "Network_Video_Recorder" if self.kind == "recorder" else "Network_Video_Transmitter"
        scopes = f"{scope}/type/{kind} {scope}/type/video_encoder {scope}/hardware/{model} {scope}/name/{self.vendor}%20{model}"
        uuid = f"1419d68a-1dd2-11b2-a105-{self.mac.replace(':', '')}"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><e:Envelope {_NAMESPACES}><e:Header>'
            f"<a:MessageID>urn:uuid:{uuid[:-1]}0</a:MessageID><a:RelatesTo>{relates}</a:RelatesTo>"
            f"<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/{action}</a:Action></e:Header><e:Body>"
            f"{'' if alone else '<d:ProbeMatches>'}<d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:{uuid}</a:Address></a:EndpointReference>"
            f"<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types><d:Scopes>{scopes}</d:Scopes>"
            f"<d:XAddrs>http://{self.address}:{self.http_port}/onvif/device_service</d:XAddrs>"
            f"<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch>{'' if alone else '</d:ProbeMatches>'}</e:Body></e:Envelope>"
        ).encode()

    async def _telnet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"login: ")
        await reader.read(100)


class _Discovery(asyncio.DatagramProtocol):
    def __init__(self, camera: EmulatedCamera) -> None:
        self._camera = camera

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._camera.fault == "noise":
            self._camera._voice.sendto(b"\xff\xfe<", addr)
        if answer := self._camera.hello(data.decode("utf-8", "replace")):
            self._camera._voice.sendto(answer, addr)


_NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "e": "http://www.w3.org/2003/05/soap-envelope",
        "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
        "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
        "dn": "http://www.onvif.org/ver10/network/wsdl",
        "tds": "http://www.onvif.org/ver10/device/wsdl",
        "trt": "http://www.onvif.org/ver10/media/wsdl",
        "trc": "http://www.onvif.org/ver10/recording/wsdl",
        "tt": "http://www.onvif.org/ver10/schema",
        "ter": "http://www.onvif.org/ver10/error",
    }.items()
)


def _envelope(body: str) -> bytes:
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<e:Envelope {_NAMESPACES}>'
    return f"{head}<e:Body>{body}</e:Body></e:Envelope>".encode()


def _fault(code: str) -> bytes:
    return _envelope(
        f"<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>{code}</e:Value></e:Subcode></e:Code>"
        '<e:Reason><e:Text xml:lang="en">no</e:Text></e:Reason></e:Fault>'
    )


def arguments(given: list[str]) -> EmulatedCamera:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    for name, default in (("username", "admin"), ("password", ""), ("auth", "digest"), ("mac", "02:00:00:00:00:01")):
        parser.add_argument(f"--{name}", default=default)
    for name, default in (("vendor", "Emulated"), ("model", "EC-1"), ("serial", "EC1-000001"), ("fault", "")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--onvif-auth", choices=("wsse", "digest"), default="wsse")
    parser.add_argument("--kind", choices=("camera", "recorder"), default="camera")
    parser.add_argument("--path", default=EmulatedCamera.path)
    parser.add_argument("--skew", dest="skew_seconds", type=float, default=0.0)
    parser.add_argument("--channels", type=int, default=1)
    for name, port in (("rtsp", 554), ("http", 80), ("discovery", 3702), ("telnet", 0)):
        parser.add_argument(f"--{name}-port", type=int, default=port)
    return EmulatedCamera(**vars(parser.parse_args(given)))


async def main() -> None:
    camera = arguments(sys.argv[1:])
    async with camera.serving():
        print(f"READY {camera.kind} {camera.address}", flush=True)
        await asyncio.sleep(float("inf"))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
