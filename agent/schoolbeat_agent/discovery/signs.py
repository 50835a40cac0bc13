"""What gives a kind away: words that devices say of themselves, services, ports, makers; each with its weight."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Sign:
    """percent: how often what shows this sign is of this kind; judged cautiously, one sign alone never gives 100."""

    kind: str
    percent: int
    pattern: re.Pattern[str]


def _signs(*rows: tuple[str, int, str]) -> tuple[Sign, ...]:
    return tuple(Sign(kind, percent, re.compile(pattern, re.IGNORECASE)) for kind, percent, pattern in rows)


# Models and words in what a device says of itself: sysDescr, ONVIF scopes, a page's title, a realm, PJLink's answers.
WORDS: Final = _signs(
    ("recorder", 88, r"\b(?:DHI?-)?(?:NVR|XVR|DVR|HCVR|MVR|UVR)[-_]?[A-Z]?\d"),
    ("recorder", 88, r"\bi?DS-(?:[789][0-9]{3}|[A-Z]?7[1236]\d\d|E\d)"),
    ("recorder", 85, r"network video recorder|digital video recorder|đầu ghi"),
    ("recorder", 75, r"\b(?:NVR|DVR|XVR|DNVRS-Webs)\b"),
    ("camera", 88, r"\bDS-2(?:CD|DE|DF|DP|TD|XS|SE)\w*|\bAXIS [MPQF]\d{4}|\bVIGI C\d|\bTapo T?C\d"),
    ("camera", 85, r"\b(?:DHI?-)?(?:IPC|SD\d{1,2}[A-Z]?|PTZ)-[A-Z0-9]{3,}|\bKX-[A-Z]{1,3}\d{4}"),
    ("camera", 75, r"\bIP[ -]?camera|network camera|\bipcam|bullet camera|dome camera|VirtualCam"),
    ("access_point", 90, r"\bUAP\b|\bU[67]-(?:Lite|LR|Pro|Mesh|Enterprise)|nanoHD|\bUniFi AP\b"),
    ("access_point", 88, r"\bEAP\d{3}|\bGWN76\d\d|\bNWA\d{3,4}|\bWAX\d{3}|\bRG-R?AP\d{3}|\bRAP\d{4}"),
    ("access_point", 85, r"\bArubaOS \(MODEL: \d{3}|\bInstant ?On AP|\bInstant Access Point|\bcAP ?(?:ac|ax|XL)\b"),
    ("access_point", 80, r"\baccess[- ]point\b|\bAirEngine\b|\bAIR-(?:AP|CAP|LAP)\d"),
    ("access_point", 55, r"\b(?:NanoStation|NanoBeam|PowerBeam|LiteBeam|airOS)\b"),
    ("switch", 88, r"\bUSW-|\bJetStream\b|\bT?L?-?S[GX]\d{4}|\bCRS\d{3}|\bCSS\d{3}|\bD[GEX]S-\d{4}|\bGWN78\d\d"),
    (
        "switch",
        85,
        r"\bCatalyst (?:1[0-9]{3}|29|3[5678]|9[2345])|\bWS-C\d{4}|\bSG\d{3}-\d\d|\bCBS\d{3}|\bRG-S\d{4}|\bRG-ES\d",
    ),
    ("switch", 80, r"\b(?:ethernet|gigabit|smart|managed|layer ?[23]|poe|routing|access) switch\b"),
    ("switch", 70, r"\bswitch\b|\bProCurve\b|\bX?GS1\d{3}\b|\bS[2-6]\d{3}[A-Z]*-\d\d"),
    ("router", 88, r"\bVigor ?\d{3,4}|\bRG-EG\d|\bRG-NBR|\bEG\d{3}[A-Z]?-|\bGWN70\d\d|\bAR\d{3,4}[A-Z]*\b.*\bHuawei\b"),
    ("router", 85, r"\bHuawei AR\d|\bEdgeRouter|\bEdgeOS\b|\bUDM\b|\bUSG\b|\bUXG\b|\bFortiGate|\bpfSense|\bOPNsense"),
    ("router", 82, r"\bRB(?:750|760|3011|4011|5009|1100|2011|450)|\bCCR\d{4}|\bhEX\b|\bER\d{3,4}G?\b|\bISR\d{4}"),
    ("router", 65, r"\brouter\b|\bRouterBOARD\b"),
    ("router", 45, r"\bRouterOS\b|\bOpenWrt\b|\bLuCI\b"),
    ("ont", 88, r"\b[EH]G8\d{3}|\bGW0[24]0|\biGate\b|\bZXHN F\d{3}|\bF6[0-9]{2}[A-Z]?\b.*\bZTE\b|\bG-\d{3}G-"),
    ("ont", 85, r"\b(?:ONT|ONU|GPON|EPON|XGS-?PON|optical network terminal)\b"),
    ("ups", 88, r"\bSmart-UPS\b|\buninterruptible power|\bNet ?Agent\b|\bBack-UPS\b|\bWinpower\b"),
    ("ups", 80, r"\bUPS\b"),
    ("ups", 45, r"\bAPC Web/SNMP Management Card\b"),  # also in power strips and cooling
    ("projector", 88, r"\bprojector\b|máy chiếu|\bEB-[A-Z]?\d{2,4}|\bEMP-\d|\bPT-[A-Z]{2,3}\d|\bVPL-[A-Z]"),
    ("board", 88, r"\bIFPG?\d{2}|\bViewBoard\b|\bActivPanel\b|\bSMART Board\b|\bMAXHUB\b|\bNewline (?:TT|RS|Q|Z)"),
    ("board", 85, r"interactive (?:flat ?panel|display|whiteboard|board)|\bR[PME]\d{4}K?\b|bảng tương tác"),
    ("television", 80, r"\bwebOS ?TV|\bSmart ?TV\b|\bBRAVIA\b|\bAndroid ?TV\b|\bGoogle ?TV\b|\bTizen\b.*\bTV\b|\[TV\]"),
    ("printer", 88, r"\bLaser ?Jet|\bOffice ?Jet|\bDeskJet|\bimageRUNNER|\bECOSYS\b|\bWorkCentre|\bbizhub\b|\bLBP\d"),
    ("printer", 85, r"\bprinter\b|\b(?:MFC|DCP|HL)-[A-Z]?\d{4}|\bVersaLink|\bTASKalfa|\bMultifunction\b|máy in\b"),
    (
        "server",
        85,
        r"\bSynology\b|\bDiskStation\b|\bQNAP\b|\bTrueNAS\b|\bESXi\b|\biDRAC|\bProLiant\b|\bWindows Server\b",
    ),
    ("computer", 80, r"\bWindows (?:XP|7|8|10|11)\b|Software: Windows\b|\bmacOS\b|\bMacBook|\biMac\b"),
    ("computer", 55, r"\braspberry ?pi\b|\bRaspbian\b"),
    ("phone", 82, r"\bIP[ -]?phone\b|\bYealink\b|\bFanvil\b|\bGXP\d{4}|\bSIP-T\d\d"),
    # None of the catalogue's kinds, though their makers' words are those of access points and switches.
    (
        "other",
        80,
        r"\b(?:wireless|access|WLAN|AC)[- ]controller\b|\bcisco controller\b|\bSmartCell\b|\bwireless switch\b",
    ),
    ("sensor", 75, r"\bTasmota\b|\bESPHome\b|\bShelly\b|\btemperature sensor\b|\bEnviro"),
)

# Service types of DNS-SD (RFC 6763) by what offers them.
MDNS: Final = {
    "_pdl-datastream._tcp": ("printer", 80),
    "_printer._tcp": ("printer", 70),
    "_ipp._tcp": ("printer", 65),
    "_ipps._tcp": ("printer", 65),
    "_uscan._tcp": ("printer", 60),
    "_scanner._tcp": ("printer", 60),
    "_axis-video._tcp": ("camera", 85),
    "_rtsp._tcp": ("camera", 45),
    "_androidtvremote2._tcp": ("television", 75),
    "_googlecast._tcp": ("television", 55),
    "_airplay._tcp": ("television", 40),
    "_amzn-wplay._tcp": ("television", 50),
    "_workstation._tcp": ("computer", 60),
    "_smb._tcp": ("computer", 40),
    "_rfb._tcp": ("computer", 50),
    "_companion-link._tcp": ("computer", 30),
    "_esphomelib._tcp": ("sensor", 85),
    "_apple-mobdev2._tcp": ("phone", 70),
    "_sip._udp": ("phone", 60),
    "_pjlink._tcp": ("projector", 60),
}

# Makers' own ways to ask a display, by what answers them.
DISPLAYS: Final = {
    "benq-board": ("board", 85),
    "viewsonic-board": ("board", 85),
    "maxhub": ("board", 85),
    "epson-escvp": ("projector", 88),
    "lg": ("television", 65),
    "samsung-mdc": ("television", 60),
}

# TCP ports that something listens on. One alone never decides: many programs use others' ports.
PORTS: Final[dict[int, tuple[tuple[str, int], ...]]] = {
    9100: (("printer", 60),),
    515: (("printer", 45),),
    631: (("printer", 35),),
    37777: (("camera", 35), ("recorder", 35)),
    34567: (("camera", 30), ("recorder", 40)),
    554: (("camera", 40), ("recorder", 30)),
    8000: (("camera", 15), ("recorder", 15)),
    8291: (("router", 45),),
    3389: (("computer", 60),),
    445: (("computer", 40), ("server", 30)),
    62078: (("phone", 75),),
    1515: (("television", 35), ("board", 25)),
    4352: (("projector", 40),),
    4660: (("board", 45),),
    4664: (("board", 45),),
    3629: (("projector", 60),),
    9761: (("television", 40),),
    5060: (("phone", 40),),
}

# Makers by the MAC's first three bytes. Most make more than one kind, so a maker alone never decides.
MAKERS: Final = _signs(
    ("camera", 35, r"hikvision|dahua|uniview|axis comm|ezviz|imou|reolink|vivotek|hanwha|kbvision|tiandy|xiongmai"),
    ("recorder", 20, r"hikvision|dahua|uniview|tiandy|xiongmai|kbvision"),
    ("ups", 60, r"american power conversion|\bAPC\b|cyber ?power|eaton|socomec|riello|megatec"),
    ("printer", 45, r"brother|lexmark|kyocera|ricoh|konica|oki data|xerox|zebra"),
    ("printer", 30, r"canon|fuji ?film"),
    ("projector", 30, r"epson|optoma|christie|barco|maxell|coretronic"),
    ("board", 30, r"viewsonic|benq|promethean|smart technologies|newline|guangzhou shiyuan|shirui"),
    ("television", 25, r"samsung electronics|lg electronics|sony|tcl|hisense|skyworth|coocaa"),
    ("phone", 20, r"samsung electronics|xiaomi|\boppo\b|guangdong oppo|\bvivo\b|apple|oneplus|realme|transsion"),
    ("phone", 45, r"yealink|fanvil|polycom|snom"),
    ("access_point", 25, r"ubiquiti|ruijie|aruba|grandstream|cambium|ruckus|engenius"),
    ("router", 20, r"mikrotik|routerboard|draytek|fortinet"),
    ("switch", 15, r"cisco|huawei tech|h3c|tp-link|d-link|zyxel|netgear|planet tech"),
    ("ont", 20, r"\bzte\b|fiberhome|vnpt|dasan|nokia shanghai"),
    ("computer", 35, r"\bdell\b|lenovo|hewlett|\bHP Inc|asus|giga-?byte|micro-star|intel corp|\bacer\b|elitegroup"),
    ("computer", 35, r"asrock|wistron|compal|quanta|pegatron|liteon|azurewave|vmware|raspberry"),
    ("server", 30, r"synology|qnap|super micro"),
    ("sensor", 40, r"espressif|tuya|shelly|sonoff"),
)
