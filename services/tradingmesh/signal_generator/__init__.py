"""The signal generator: strategies over market data, each signal risk-checked before it is handed on."""
