"""A real RTSP server, GStreamer's, with real encoders; run by Debian's own python3, which has its bindings.

/usr/bin/python3 gstreamer_camera.py PORT [none|basic|digest]      serves /h264 /h265 /jpeg /hang
apt-get install gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{good,bad,ugly} python3-gi
"""

import importlib
import sys

# By name, since they are of Debian's python3 and never of the environment that the tests run in.
gi = importlib.import_module("gi")
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
GLib, Gst, GstRtsp, GstRtspServer = (
    importlib.import_module(f"gi.repository.{name}") for name in ("GLib", "Gst", "GstRtsp", "GstRtspServer")
)

SOURCE = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=10/1"
MEDIA = {
    "/h264": f"( {SOURCE} ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=20 ! rtph264pay name=pay0 )",
    "/h265": f"( {SOURCE} ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=20 ! rtph265pay name=pay0 config-interval=1 )",
    "/jpeg": f"( {SOURCE},format=I420 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
    "/hang": "( appsrc is-live=true caps=video/x-h264,stream-format=byte-stream ! rtph264pay name=pay0 )",
}


def main(port: str, auth: str = "none") -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    if auth != "none":
        door = GstRtspServer.RTSPAuth()
        if auth == "digest":
            door.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            door.add_digest("admin", "Lớp 1 & 2", token)
        else:
            door.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", "Lớp 1 & 2"), token)
        server.set_auth(door)
    for path, launch in MEDIA.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        if auth != "none":
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print("READY", flush=True)
    GLib.MainLoop().run()


main(*sys.argv[1:])
