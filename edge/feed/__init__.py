"""Labels onto MQTT: payloads, the daemon's side (Feed), the reader's side (Reader)."""
