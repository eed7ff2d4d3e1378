"""Bodies of MQTT and HTTP messages, one format per file; the catalogue finds them by walking this folder."""
