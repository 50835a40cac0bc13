"""FakeGrafana: answers as the documentation of Grafana's HTTP API says. No Grafana can be had here."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
TOKEN = "glsa_thu"
ROLES = [{"role": "Editor", "permission": 2}, {"role": "Viewer", "permission": 1}]


class Fault:
    """The next `times` answers of a method and path that begins so; after=True: it is done and then so answered."""

    def __init__(self, method: str, path: str, status: int, body: bytes, times: int, **headers: str) -> None:
        self.method, self.path, self.status, self.body, self.times = method, path, status, body, times
        self.headers = headers
        self.hang_seconds = 0.0
        self.after = False


class FakeGrafana:
    """Of one organisation. page: the most it gives at once; ids_in_search: newer ones leave out a team's number."""

    def __init__(self, version: str = "11.2.0", page: int = 1000, ids_in_search: bool = True) -> None:
        self.version, self.page, self.ids_in_search = version, page, ids_in_search
        self.folders: dict[str, Json] = {}
        self.teams: dict[int, Json] = {}
        self.dashboards: dict[str, Json] = {}  # uid -> {"dashboard", "folderUid"}
        self.permissions: dict[str, list[Json]] = {}
        self.inherited: dict[str, list[Json]] = {}
        self.asked: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.url = ""
        self._lock = threading.Lock()
        self._number = 100

    def fault(self, method: str, path: str, status: int, message: str = "", times: int = 1, **headers: str) -> Fault:
        body = json.dumps({"message": message}).encode()
        fault = Fault(method, path, status, body, times, **({"Content-Type": "application/json"} | headers))
        self.faults.append(fault)
        return fault

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [one for one in self.asked if one[0] != "GET"]

    def add_folder(self, uid: str, title: str) -> None:
        self.folders[uid] = {"id": self._next(), "uid": uid, "title": title, "version": 1}
        self.permissions[uid] = [dict(one) for one in ROLES]

    def add_dashboard(self, uid: str, title: str, folder: str, *tags: str) -> None:
        model = {"id": self._next(), "uid": uid, "title": title, "tags": list(tags), "version": 1}
        self.dashboards[uid] = {"dashboard": model, "folderUid": folder}

    def viewers(self, uid: str) -> list[str]:
        """Who may view a folder, but for the organisation's admins."""
        return sorted(str(one.get("role") or one.get("team") or one.get("userId")) for one in self.rights(uid))

    def rights(self, uid: str) -> list[Json]:
        found = []
        for item in self.permissions[uid] + self.inherited.get(uid, []):
            team = self.teams.get(item.get("teamId", 0))
            if item.get("teamId") and team is None:
                continue  # a team that was deleted takes its rights with it
            found.append({"teamId": 0, "userId": 0, "inherited": False, **item, "team": team["name"] if team else ""})
        return found

    # ---- what is answered ----------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, Any]:
        with self._lock:
            if path == "/api/health":
                return 200, {"database": "ok", "version": self.version, "commit": "x"}
            words = [unquote(word) for word in path.strip("/").split("/")]
            match method, words[1:]:
                case "GET", ["search"]:
                    return 200, self._search(query)
                case "GET", ["teams", "search"]:
                    return 200, self._search_teams(query)
                case "POST", ["teams"]:
                    return self._add_team(body)
                case (("PUT" | "DELETE"), ["teams", number]):
                    return self._change_team(method, int(number), body)
                case "POST", ["folders"]:
                    return self._add_folder(body)
                case _, ["folders", uid, *rest] if uid in self.folders:
                    return self._folder(method, uid, rest, body)
                case _, ["folders", _, *_]:
                    return 404, {"message": "folder not found", "status": "not-found"}
                case "POST", ["dashboards", "db"]:
                    return self._save(body)
                case "GET", ["dashboards", "uid", uid] if uid in self.dashboards:
                    return 200, {**self.dashboards[uid], "meta": {"folderUid": self.dashboards[uid]["folderUid"]}}
                case "DELETE", ["dashboards", "uid", uid] if uid in self.dashboards:
                    del self.dashboards[uid]
                    return 200, {"message": "Dashboard deleted"}
            return 404, {"message": "Not found"}

    def _search(self, query: dict[str, str]) -> list[Json]:
        if query.get("type") == "dash-folder":
            found = [{**one, "type": "dash-folder", "tags": []} for one in self.folders.values()]
        else:
            found = [
                {
                    "uid": uid,
                    "title": one["dashboard"]["title"],
                    "tags": one["dashboard"].get("tags", []),
                    "folderUid": one["folderUid"],
                    "type": "dash-db",
                }
                for uid, one in self.dashboards.items()
                if query.get("tag") is None or query["tag"] in one["dashboard"].get("tags", [])
            ]
        return self._paged(found, int(query.get("page", 1)), int(query.get("limit", 1000)))

    def _search_teams(self, query: dict[str, str]) -> Json:
        name, part = query.get("name"), query.get("query", "")
        found = [one for one in self.teams.values() if (one["name"] == name if name else part in one["name"])]
        if not name and not self.ids_in_search:
            found = [{**one, "id": 0} for one in found]
        page, size = int(query.get("page", 1)), int(query.get("perpage", 1000))
        return {"totalCount": len(found), "teams": self._paged(found, page, size), "page": page, "perPage": size}

    def _paged(self, found: list[Json], page: int, size: int) -> list[Json]:
        size = min(size, self.page)
        return found[(page - 1) * size : page * size]

    def _add_team(self, body: Json) -> tuple[int, Json]:
        if any(one["name"] == body["name"] for one in self.teams.values()):
            return 409, {"message": "Team name taken"}
        number = self._next()
        self.teams[number] = {"id": number, "name": body["name"], "email": body.get("email", ""), "memberCount": 0}
        return 200, {"message": "Team created", "teamId": number}

    def _change_team(self, method: str, number: int, body: Json) -> tuple[int, Json]:
        if number not in self.teams:
            return 404, {"message": "Team not found"}
        if method == "DELETE":
            del self.teams[number]
            return 200, {"message": "Team deleted"}
        self.teams[number] |= {"name": body["name"], "email": body.get("email", "")}
        return 200, {"message": "Team updated"}

    def _add_folder(self, body: Json) -> tuple[int, Json]:
        if not UID.fullmatch(body["uid"]):
            return 400, {"message": "uid contains illegal characters or is too long"}
        if body["uid"] in self.folders or any(one["title"] == body["title"] for one in self.folders.values()):
            return 409, {"message": "A folder with the same uid or name already exists"}
        self.add_folder(body["uid"], body["title"])
        return 200, self.folders[body["uid"]]

    def _folder(self, method: str, uid: str, rest: list[str], body: Json) -> tuple[int, Any]:
        folder = self.folders[uid]
        match method, rest:
            case "GET", []:
                return 200, folder
            case "PUT", []:
                if not body.get("overwrite") and body.get("version") != folder["version"]:
                    return 412, {"message": "The folder has been changed by someone else", "status": "version-mismatch"}
                folder |= {"title": body["title"], "version": folder["version"] + 1}
                return 200, folder
            case "DELETE", []:
                del self.folders[uid], self.permissions[uid]
                self.dashboards = {key: one for key, one in self.dashboards.items() if one["folderUid"] != uid}
                return 200, {"message": "Folder deleted"}
            case "GET", ["permissions"]:
                return 200, self.rights(uid)
            case "POST", ["permissions"]:
                if any(one.get("role") and (one.get("teamId") or one.get("userId")) for one in body["items"]):
                    return 400, {"message": "team and user permissions cannot have an associated role"}
                self.permissions[uid] = body["items"]
                return 200, {"message": "Folder permissions updated"}
        return 404, {"message": "Not found"}

    def _save(self, body: Json) -> tuple[int, Json]:
        model, folder = dict(body["dashboard"]), body.get("folderUid", "")
        if folder and folder not in self.folders:
            return 400, {"message": "folder not found"}
        there = self.dashboards.get(model["uid"])
        same = [one for one in self.dashboards.values() if one["folderUid"] == folder and one is not there]
        if any(one["dashboard"]["title"] == model["title"] for one in same):
            return 412, {
                "message": "A dashboard with the same name in the folder already exists",
                "status": "name-exists",
            }
        if there is None and model.get("id"):
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        version = there["dashboard"]["version"] if there else 0
        if there and not body.get("overwrite") and model.get("version") != version:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        model |= {"id": there["dashboard"]["id"] if there else self._next(), "version": version + 1}
        self.dashboards[model["uid"]] = {"dashboard": model, "folderUid": folder}
        return 200, {"status": "success", "uid": model["uid"], "version": version + 1}

    def _next(self) -> int:
        self._number += 1
        return self._number


@contextmanager
def fake_grafana(**settings: Any) -> Iterator[FakeGrafana]:
    fake = FakeGrafana(**settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # headers and body in one piece; in two, each waits for the other side's delayed ACK

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            fake.asked.append((self.command, parts.path))
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            fault = next((one for one in fake.faults if self._is(one, parts.path)), None)
            if fault is not None:
                fault.times -= 1
                if fault.after:
                    fake.answer(self.command, parts.path, query, body)
                if fault.hang_seconds:
                    time.sleep(fault.hang_seconds)
                self._send(fault.status, fault.body, fault.headers)
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(
                    401, b'{"message":"Invalid API key","messageId":"auth"}', {"Content-Type": "application/json"}
                )
            else:
                status, answer = fake.answer(self.command, parts.path, query, body)
                self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json; charset=UTF-8"})

        do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815

        def _is(self, fault: Fault, path: str) -> bool:
            return fault.times > 0 and fault.method == self.command and path.startswith(fault.path)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            with suppress(ConnectionError):  # whoever asked did not wait
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
