"""The fill processor: validates and values what the broker did, and hands it to the risk manager's ledger."""
