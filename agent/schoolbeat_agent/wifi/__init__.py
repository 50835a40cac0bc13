"""What Wi-Fi tools print, read by pure functions that never raise: lines move, are missing or are cut short."""
