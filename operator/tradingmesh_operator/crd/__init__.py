"""The CustomResourceDefinition of `TradingSystem`, made from the models of `tradingmesh.contract`."""
