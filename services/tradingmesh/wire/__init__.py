"""Bytes on the wire: `[topic][header][payload]`, or `[header][payload]` where there is no topic to filter by."""
