"""Makes what the charts need before helm reads them: the contract's tables, schemas, and the charts they depend on."""
