"""The stages of a tick's way whose latency is worth a row where a person looks, in their order."""

STAGES = {
    "feed": "feed: stream to mesh",
    "tick_to_signal": "tick to signal",
    "risk-check": "risk check, in the risk manager",
    "risk_check_round_trip": "risk check, round trip",
    "tick_to_approved": "tick to approved signal",
    "order_ready": "approved signal to order ready",
    "order_post": "order POST, round trip",
    "report-apply": "fill booked",
}
