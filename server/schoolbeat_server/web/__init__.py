"""What people and programs see: pages, JSON API, health, metrics, live events."""
