"""Cameras and recorders: RTSP, ONVIF and WS-Discovery, each answer bounded before it is believed."""

import schoolbeat_agent.probes  # noqa: F401  first: probes and cameras name each other, and this is the order that works
