"""The execution engine: approved signals become orders at the broker, and what the broker does becomes reports."""
