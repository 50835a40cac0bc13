"""The tables: the register, what agents sent, and what follows from it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# ---- the register ------------------------------------------------------------------------------------------

area = Table(
    "area",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(20), nullable=False),  # province | district | commune
    Column("parent", String(40), ForeignKey("area.id")),
    Column("valid_from", String(10), nullable=False, default="0001-01-01"),  # ISO dates, half-open
    Column("valid_to", String(10), nullable=False, default="9999-12-31"),
)

school = Table(
    "school",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("area", String(40), ForeignKey("area.id"), nullable=False),
    Column("level", String(20), nullable=False, default=""),
    Column("manager", String(20), nullable=False, default="commune"),  # commune | province
    Column("code", String(40), nullable=False, default=""),  # the ministry's; leading zeros count
    Column("cluster", Text, nullable=False, default=""),  # cụm trường
    Column("founded", String(10)),  # ISO dates, half-open; NULL: before, and still
    Column("closed", String(10)),
)

school_area = Table(  # in which area a school was, is and will be; school.area is today's: register_areas.py
    "school_area",
    metadata,
    Column("school", String(40), ForeignKey("school.id"), primary_key=True),
    Column("valid_from", String(10), primary_key=True),  # ISO dates, half-open
    Column("valid_to", String(10), nullable=False, default="9999-12-31"),
    Column("area", String(40), ForeignKey("area.id"), nullable=False),
)

site = Table(
    "site",
    metadata,
    Column("id", String(40), primary_key=True),  # as it stands in topics
    Column("school", String(40), ForeignKey("school.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(10), nullable=False, default="main"),  # main | satellite
    Column("latitude", Float),
    Column("longitude", Float),
    Column("tags", Text, nullable=False, default=""),  # register_columns.TAGS, sorted, with commas between
    Column("valid_from", String(10), nullable=False, default="0001-01-01"),  # opened and closed, half-open
    Column("valid_to", String(10), nullable=False, default="9999-12-31"),
)

shift = Table(  # pupils and teachers of a shift, until a later row of the same shift
    "shift",
    metadata,
    Column("site", String(40), ForeignKey("site.id"), primary_key=True),
    Column("shift", String(10), primary_key=True),  # morning | afternoon | evening
    Column("valid_from", String(10), primary_key=True),
    Column("pupils", Integer, nullable=False),
    Column("teachers", Integer, nullable=False, default=0),
)

line = Table(
    "line",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site", String(40), ForeignKey("site.id"), nullable=False, index=True),
    Column("isp", String(60), nullable=False, default=""),
    Column("technology", String(20), nullable=False, default="unknown"),  # fibre|copper|mobile|satellite|other|unknown
    Column("contract_down_bps", BigInteger),
    Column("contract_up_bps", BigInteger),
    Column("role", String(10), nullable=False, default="main"),  # main | backup
    Column("contract", String(80), nullable=False, default=""),  # its number
    Column("contract_from", String(10)),  # ISO dates, half-open; NULL: not known
    Column("contract_to", String(10)),
    Column("contract_min_bps", BigInteger),  # guaranteed downstream
    Column("universal_service", Boolean, nullable=False, default=False),  # paid by the telecommunication fund
    Column("ont", String(40), nullable=False, default=""),  # the device at the fibre's end, of the same site
)

room = Table(
    "room",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site", String(40), ForeignKey("site.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("kind", String(30), nullable=False, default="classroom"),
    Column("smart_level", Integer, nullable=False, default=0),
)

room_need = Table(  # the bill of materials; empty: the assumption shipped, register_needs.py
    "room_need",
    metadata,
    Column("kind", String(30), primary_key=True),  # of room, or any
    Column("smart_level", Integer, primary_key=True),
    Column("device_kind", String(30), primary_key=True),
    Column("count", Integer, nullable=False, default=1),
)

device = Table(
    "device",
    metadata,
    Column("site", String(40), ForeignKey("site.id"), primary_key=True),
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False, default=""),
    Column("kind", String(30), nullable=False, default=""),
    Column("room", String(40), ForeignKey("room.id")),
    Column("address", String(60), nullable=False, default=""),
    Column("port", Integer, nullable=False, default=0),
    Column("behind", String(80), nullable=False, default="lan.router"),
    Column("ask", String(20), nullable=False, default=""),  # schoolbeat_wire.messages.Ask
    Column("credential", String(40), nullable=False, default=""),  # names in the agent's own secrets file
    Column("snmp", String(40), nullable=False, default=""),
    Column("profile", String(40), nullable=False, default=""),
    Column("stream", String(200), nullable=False, default=""),
    Column("serial", String(80), nullable=False, default=""),
    Column("model", String(80), nullable=False, default=""),
    Column("vendor", String(80), nullable=False, default=""),
)

asset = Table(  # the asset book, as the school keeps it; what was found on the network is another matter
    "asset",
    metadata,
    Column("site", String(40), ForeignKey("site.id"), primary_key=True),
    Column("code", String(60), primary_key=True),
    Column("room", String(40), ForeignKey("room.id")),
    Column("kind", String(30), nullable=False, default=""),  # as device.kind
    Column("name", Text, nullable=False),
    Column("serial", String(80), nullable=False, default=""),
    Column("model", String(80), nullable=False, default=""),
    Column("year", Integer),  # in which it was put to use
    Column("funding", Text, nullable=False, default=""),
    Column("warranty_to", String(10)),  # ISO date, not included
    Column("quantity", Integer, nullable=False, default=1),
    Column("status", String(10), nullable=False, default="in_use"),  # in_use | broken | disposed | lent
    Column("device", String(40)),  # the device of the same site that it is, if known
)

service = Table(
    "service",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
)

agent = Table(
    "agent",
    metadata,
    Column("site", String(40), ForeignKey("site.id"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("role", String(20), nullable=False, default="gateway"),  # gateway | classroom
    Column("password_hash", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("simulated", Boolean, nullable=False, default=False),
    Column("issued_ms", BigInteger, nullable=False, default=0, server_default="0"),  # its newest password
)

# ---- the school calendar -----------------------------------------------------------------------------------

calendar_change = Table(  # a document loaded: what it changed, and what was found anew because of it
    "calendar_change",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(80), nullable=False),
    Column("document", String(40), nullable=False),
    Column("why", Text, nullable=False, default=""),
    Column("first_day", String(10), nullable=False),  # ISO dates, half-open: the days that the changed rules speak of
    Column("end_day", String(10), nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("revised_ms", BigInteger),  # when outages had been found anew; NULL: not yet
    Column("sites", Integer, nullable=False, default=0),  # whose lessons changed in minutes already measured
    Column("outages", Integer, nullable=False, default=0),  # rows that changed
    sqlite_autoincrement=True,
)

calendar_rule = Table(  # nothing is overwritten: a rule no longer said is closed by the change that removed it
    "calendar_rule",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("document", String(40), nullable=False),
    Column("level", String(10), nullable=False),  # province | area | school | site
    Column("place", String(40), nullable=False),  # "" for the province
    Column("kind", String(10), nullable=False),  # week | holiday | closed | open | exam
    Column("valid_from", String(10), nullable=False),  # ISO dates, half-open
    Column("valid_to", String(10), nullable=False),
    Column("value", Text, nullable=False),  # JSON, calendar_rows.py says how
    Column("why", Text, nullable=False, default=""),
    Column("added", Integer, ForeignKey("calendar_change.id"), nullable=False),
    Column("removed", Integer, ForeignKey("calendar_change.id")),  # NULL: still said
)

site_place = Table(  # where the register had a site, from a day on; a move closes a row, adds one: calendar_places.py
    "site_place",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("valid_from", String(10), nullable=False),  # ISO date
    Column("school", String(40), nullable=False),
    Column("areas", Text, nullable=False),  # JSON, from the province down
    Column("added", Integer, nullable=False),  # calendar_change.id; 0: where it was when first seen
    Column("removed", Integer),  # NULL: still said
)

# ---- what agents sent --------------------------------------------------------------------------------------

inventory = Table(
    "inventory",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("agent", String(40), primary_key=True),
    Column("revision", String(32), primary_key=True),
    Column("received_ms", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

epoch = Table(
    "epoch",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("agent", String(40), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("hardware", String(32), nullable=False, default=""),
    Column("boot", String(32), nullable=False, default=""),
    Column("lowest", BigInteger, nullable=False, default=0),
    Column("next", BigInteger, nullable=False, default=0),
    Column("settled", Text, nullable=False, default="[]"),  # JSON [[first, end), ...]
    Column("seen_ms", BigInteger, nullable=False),
)

report = Table(
    "report",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("agent", String(40), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("revision", String(32), nullable=False),
    Column("first_minute", Integer, nullable=False),
    Column("last_minute", Integer, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("placed", Boolean, nullable=False),  # False: its inventory is not known yet
    Column("speaker", Integer),  # speaker.id, whose word it is; NULL: not known
    Column("payload", LargeBinary, nullable=False),  # as received
    # With the minutes, so that one day of a site is found without reading its other days.
    Index("report_seq", "site", "agent", "epoch", "seq", "first_minute", "last_minute"),
    Index("report_received", "received_ms"),
    sqlite_autoincrement=True,
)

speaker = Table(  # who sent reports that were believed: one machine in one boot, by one outbox; speakers.py
    "speaker",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("agent", String(40), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("hardware", String(32), nullable=False),  # "": it does not say
    Column("boot", String(32), nullable=False),
    UniqueConstraint("site", "agent", "epoch", "hardware", "boot"),
)

latest = Table(
    "latest",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("agent", String(40), primary_key=True),
    Column("minute", Integer, nullable=False),
    Column("report_id", Integer, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

speed_test = Table(
    "speed_test",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("minute", Integer, primary_key=True),
    Column("download_bps", BigInteger),  # NULL: not measured
    Column("upload_bps", BigInteger),
    Column("server", String(100), nullable=False, default="", server_default=""),  # the token of speed.<server>
    Column("method", Integer),  # these as the readings speed_… of the catalogue
    Column("bytes", BigInteger),
    Column("ceiling", Integer),
    Column("failure", Integer),
)

speed_grant = Table(
    "speed_grant",
    metadata,
    Column("site", String(40), primary_key=True),  # its last one
    Column("agent", String(40), nullable=False),
    Column("token", String(32), nullable=False),
    Column("granted_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)

off = Table(
    "off",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("agent", String(40), primary_key=True),
    Column("first_minute", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("epoch", String(32), nullable=False, default="", server_default=""),  # of the word that stands; its seq
    Column("seq", BigInteger, nullable=False, default=0, server_default="0"),
)

edge = Table(
    "edge",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("signal", String(80), primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),
    Column("up", Boolean, nullable=False),
    Column("cause", String(40), nullable=False, default=""),
)

owner = Table(
    "owner",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("signal", String(80), primary_key=True),
    Column("from_minute", Integer, primary_key=True),
    Column("agent", String(40), nullable=False),
    Column("to_minute", Integer),  # NULL: still
)

aside = Table(
    "aside",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("received_ms", BigInteger, nullable=False),
    Column("topic", String(200), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),  # cut to a bound
)

card = Table(
    "card",  # who speaks with an agent's credentials: clones.py
    metadata,
    Column("site", String(40), primary_key=True),
    Column("agent", String(40), primary_key=True),
    Column("hardware", String(32), primary_key=True),
    Column("boot", String(32), primary_key=True),
    Column("epoch", String(32), nullable=False),
    Column("state", String(10), nullable=False),  # clones.State
    Column("first_ms", BigInteger, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
    Column("presence_ms", BigInteger, nullable=False),
)

decision = Table(
    "decision",  # an operator's, on a cloned card or on what is in quarantine; carried out by the running server
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(80), nullable=False),
    Column("what", String(10), nullable=False),  # true | release | discard | retract
    Column("site", String(40), nullable=False),
    Column("agent", String(40), nullable=False),
    Column("hardware", String(32), nullable=False, default=""),
    Column("boot", String(32), nullable=False, default=""),
    Column("epoch", String(32), nullable=False, default="", server_default=""),  # of retract; "": any
    Column("first_minute", Integer),  # of retract: reports whose minutes are in [first, end); NULL: whatever they are
    Column("end_minute", Integer),
    Column("held", Integer),  # the row of table `held`; NULL: all that the site's agent has there
    Column("reason", Text, nullable=False),
    Column("done_ms", BigInteger),
    Column("outcome", Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)

held = Table(
    "held",  # reports that are not believed yet, whole: quarantine.py
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("agent", String(40), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("hardware", String(32), nullable=False),
    Column("boot", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_minute", Integer, nullable=False),
    Column("last_minute", Integer, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("why", String(10), nullable=False),  # quarantine.Why
    Column("text", Text, nullable=False),
    Column("state", String(10), nullable=False),  # waiting | releasing | released | discarded
    Column("decision", Integer),  # the decision.id that said so
    Column("payload", LargeBinary, nullable=False),  # as received; empty once it is released
    UniqueConstraint("site", "agent", "epoch", "hardware", "boot", "seq", "first_minute"),
    sqlite_autoincrement=True,
)
Index("held_state", held.c.state)

counter = Table(
    "counter",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# ---- what follows from it ----------------------------------------------------------------------------------

ledger_day = Table(
    "ledger_day",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("day", Integer, primary_key=True),  # days since 1970 UTC
    Column("payload", LargeBinary, nullable=False),  # ledger.py says how
)

contact_minute = Table(
    "contact_minute",
    metadata,
    Column("minute", Integer, primary_key=True),
    Column("payload", LargeBinary, nullable=False),  # JSON {site: seconds up or 255}, zlib
)

server_away = Table(  # when we heard nobody, and why: ours, never a school's; kept for ever
    "server_away",
    metadata,
    Column("from_ms", BigInteger, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),  # half-open; of one that lasts: as far as we know
    Column("why", String(10), nullable=False),  # server_away.Why
)

outage = Table(
    "outage",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("signal", String(80), nullable=False),
    Column("first_minute", Integer, nullable=False),
    Column("last_minute", Integer, nullable=False),
    Column("end_minute", Integer),  # the first minute fully up again; NULL: none yet
    Column("down_seconds", Integer, nullable=False),
    Column("cause", String(40), nullable=False, default="unknown"),
    Column("lessons", Integer, nullable=False, default=0, server_default="0"),  # that hold a down second of it
    UniqueConstraint("site", "signal", "first_minute"),
)

# What is open is asked for by every page, and is little; what is over grows for years.
Index("outage_open", outage.c.site, sqlite_where=outage.c.end_minute.is_(None))

contact = Table(
    "contact",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("session", Boolean, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
    Column("lost_ms", BigInteger),  # since when contact is lost; NULL: it is not
    Column("back_ms", BigInteger),  # when it came back, while the cause is still being waited for
    Column("back_epoch", String(32), nullable=False, default=""),
    Column("back_next", BigInteger, nullable=False, default=0),  # every seq below is awaited
)

day_digest = Table(  # a site's local day, as it was known; nothing is overwritten: proof.py, docs/proof.md
    "day_digest",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("day", Integer, nullable=False),  # days since 1970 in Viet Nam's time
    Column("revision", Integer, nullable=False),  # from 1 on
    Column("made_ms", BigInteger, nullable=False),
    Column("why", String(20), nullable=False, default=""),  # "" the first | late | rebuilt | retracted | unexplained
    Column("minutes", Integer, nullable=False),  # reported ones, of all its agents
    Column("last_report", Integer, nullable=False),  # report.id up to which reports were looked at
    Column("of_reports", LargeBinary, nullable=False),
    Column("of_ledger", LargeBinary, nullable=False),
    Column("of_facts", LargeBinary, nullable=False),  # off-minutes and speed tests: facts.py
    Column("hours", LargeBinary, nullable=False),  # 24 x (4 bytes of reports, 4 bytes of ledger): where it was altered
    Column("previous", LargeBinary, nullable=False),  # the digest of the site's row made before this one
    Column("replaces", LargeBinary),  # the digest of the revision before; NULL: the first
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("site", "day", "revision"),
    sqlite_autoincrement=True,
)

summary = Table(  # seconds of a site's signals by local day and month, on both clocks: summaries.py
    "summary",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("month", Integer, primary_key=True),  # months since year 0
    Column("names", LargeBinary, nullable=False),  # JSON list of signals
    Column("totals", LargeBinary, nullable=False),
    Column("complete", Boolean, nullable=False),  # every day of the month is in it
    Column("lessons", LargeBinary, nullable=False),  # mark of the lesson time it was made by
    Column("days", LargeBinary, nullable=False),
)

kept_names = Table(  # which series a site's kept days hold, and their edges; they change seldom
    "kept_names",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("names", LargeBinary, nullable=False),  # kept.py says how
)

kept_day = Table(  # readings of a site's local day by the hour, for ever: kept.py
    "kept_day",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("day", Integer, primary_key=True),  # days since 1970 in Viet Nam's time
    Column("group", String(10), primary_key=True),  # kept.group_of
    Column("names", LargeBinary, nullable=False),  # kept_names.digest
    Column("last_report", BigInteger, nullable=False),  # report.id up to which reports are in it
    Column("payload", LargeBinary, nullable=False),
)

day_touched = Table(  # late data came for a day that has a digest: it gets a revision
    "day_touched",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("day", Integer, primary_key=True),
)

day_proof = Table(  # the digest of digests that left the server on a local day
    "day_proof",
    metadata,
    Column("day", Integer, primary_key=True),
    Column("made_ms", BigInteger, nullable=False),
    Column("up_to", Integer, nullable=False),  # day_digest.id
    Column("sites", Integer, nullable=False),
    Column("register_digest", String(64), nullable=False, default=""),  # register_state.digest then
    Column("previous", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

register_state = Table(  # what verdicts took from the register and the calendar, as digests: register_digest.py
    "register_state",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the text, in hexadecimal
    Column("text", Text, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),  # first
)

inspection = Table(  # one held; nothing of it is changed later, what is said of it afterwards is added: inspections.py
    "inspection",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("school", String(40), nullable=False, index=True),
    Column("site", String(40), nullable=False),  # "" for the whole school
    Column("kind", String(10), nullable=False),  # digital | on_site
    Column("held_on", String(10), nullable=False),  # ISO date
    Column("inspector", Text, nullable=False),  # as the operator typed it
    Column("scope", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("who", String(80), nullable=False),  # entered it: cli USER | api
    Column("snapshot", LargeBinary),  # zlib of canonical JSON: what the pages said; NULL: on site
    Column("digest", LargeBinary),  # SHA-256 of that JSON
    sqlite_autoincrement=True,
)

inspection_word = Table(
    "inspection_word",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("inspection", Integer, ForeignKey("inspection.id"), nullable=False, index=True),
    Column("kind", String(10), nullable=False),  # finding | reply | closed | withdrawn
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(80), nullable=False),
    sqlite_autoincrement=True,
)

incident = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False, index=True),
    Column("scope", String(10), nullable=False),  # path | devices | contact (while a fault beyond the line is open)
    Column("opened_ms", BigInteger, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
    Column("until_ms", BigInteger),
    Column("cause_opened", String(80), nullable=False),
    Column("cause", String(80), nullable=False),
    Column("facts", Text, nullable=False, default="{}"),  # JSON, the numbers behind the cause
)

Index("incident_open", incident.c.site, sqlite_where=incident.c.closed_ms.is_(None))

touched = Table(
    "touched",  # minutes that changed after their local day was over: verdicts on them are to be looked at again
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("first_minute", Integer, nullable=False),
    Column("end_minute", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("why", String(10), nullable=False),  # issued.Why
    sqlite_autoincrement=True,
)

issued = Table(
    "issued",  # verdicts as they were given, and their revisions: issued.py
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("plan", String(60), nullable=False),
    Column("target", String(60), nullable=False),
    Column("first_minute", Integer, nullable=False),
    Column("end_minute", Integer, nullable=False),
    Column("revision", Integer, nullable=False),  # 0: as issued first
    Column("issued_ms", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("met", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("silent", Integer, nullable=False),
    Column("grade", String(12), nullable=False),  # the weakest of the units met or missed
    Column("touch", Integer, nullable=False),  # the last touched.id that it knew of when it was issued first
    Column("why", String(10), nullable=False),  # issued.Why; "" of revision 0
    Column("changed_first", Integer),
    Column("changed_end", Integer),
    Column("sites", Text, nullable=False),  # JSON, those that were touched
    Column("register_digest", String(64), nullable=False, default=""),  # register_state.digest that it was judged by
    Column("body", LargeBinary, nullable=False),  # zlib of JSON {unit: what was said}; of a revision those that changed
    UniqueConstraint("plan", "target", "end_minute", "revision"),
    sqlite_autoincrement=True,
)

matter = Table(  # what is wrong with the server itself; told when it lasts and when it is over: server_matters.py
    "matter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(20), nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("told_ms", BigInteger),  # NULL: it has not lasted long enough
    Column("gone_ms", BigInteger),  # NULL: it is still there
    Column("closed_ms", BigInteger),
    Column("vi", Text, nullable=False),
    Column("en", Text, nullable=False),
)

notice = Table(  # of an incident, or of a matter
    "notice",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, ForeignKey("incident.id")),
    Column("matter", Integer, ForeignKey("matter.id")),
    Column("kind", String(10), nullable=False),  # open | close
    Column("channel", String(60), nullable=False),  # the channel's name in server.toml
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("next_try_ms", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("sent_ms", BigInteger),
    Column("refused_ms", BigInteger),  # a permanent refusal: not tried again
    Column("error", Text, nullable=False, default=""),
    UniqueConstraint("incident", "kind", "channel"),
    UniqueConstraint("matter", "kind", "channel"),
)
Index("notice_waiting", notice.c.sent_ms, notice.c.refused_ms, notice.c.next_try_ms)

meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

report_job = Table(  # reports asked for in the background: report_jobs.py; deleted some days after they were made
    "report_job",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("asked_ms", BigInteger, nullable=False),
    Column("kind", String(10), nullable=False),  # report_jobs.JobKind
    Column("ident", String(130), nullable=False),
    Column("first_day", String(10), nullable=False),  # ISO dates, both included
    Column("last_day", String(10), nullable=False),
    Column("format", String(10), nullable=False),
    Column("language", String(2), nullable=False),
    Column("state", String(10), nullable=False, default="waiting"),  # waiting | running | done | failed
    Column("step", Integer, nullable=False, default=0),
    Column("steps", Integer, nullable=False, default=3),
    Column("done_ms", BigInteger),
    Column("name", String(200), nullable=False, default=""),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("sha256", String(64), nullable=False, default=""),
    Column("error_vi", Text, nullable=False, default=""),
    Column("error_en", Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)

# ---- on the way to the time-series store: series_queue.py --------------------------------------------------

series_cursor = Table(  # the stored rows up to which the store has answered, by stream
    "series_cursor",
    metadata,
    Column("stream", String(20), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=False),  # up to which it will not lose what it took, should it die now
    Column("at_ms", BigInteger, nullable=False),
)

series_later = Table(  # placed reports that the cursor passed while their inventory was lost
    "series_later",
    metadata,
    Column("report", Integer, primary_key=True),
)

series_again = Table(  # asked for once more, or kept from before there was this store; done: deleted
    "series_again",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),  # its cursor is "again-<id>"
    Column("asked_ms", BigInteger, nullable=False),
    Column("site", String(40), nullable=False),  # "": of all sites
    Column("first_minute", Integer, nullable=False),  # half-open
    Column("end_minute", Integer, nullable=False),
    Column("start_report", BigInteger, nullable=False),  # report.id in (start, end]
    Column("end_report", BigInteger, nullable=False),
    Column("whole", Boolean, nullable=False),  # outages, days, verdicts, contact too, and not only reports
    sqlite_autoincrement=True,
)

series_aside = Table(  # what the store refused for good
    "series_aside",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("stream", String(20), nullable=False),
    Column("reason", Text, nullable=False),  # as the store said it, cut to a bound
    Column("points", Integer, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("lines", LargeBinary, nullable=False),  # zlib of line protocol
    sqlite_autoincrement=True,
)

outage_change = Table(  # an outage row that was written or removed; the newest change of each has the highest id
    "outage_change",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("site", String(40), nullable=False),
    Column("signal", String(80), nullable=False),
    Column("first_minute", Integer, nullable=False),
    Column("version", Integer, nullable=False),  # how often it was changed
    UniqueConstraint("site", "signal", "first_minute"),
    sqlite_autoincrement=True,
)

outage_told = Table(  # outages that last, by the tags under which the store was told of them
    "outage_told",
    metadata,
    Column("site", String(40), primary_key=True),
    Column("signal", String(80), primary_key=True),
    Column("first_minute", Integer, primary_key=True),
    Column("series", Text, nullable=False),  # line protocol: the measurement and its tags
)

health = Table(  # our own, a row a minute; kept as long as reports are
    "health",
    metadata,
    Column("minute", Integer, primary_key=True, autoincrement=False),
    Column("payload", Text, nullable=False),  # JSON, fields of schoolbeat_server in series_catalogue.py
)
