"""Grafana dashboards as code: one description, the JSON of each store and language made from it."""
