"""What is made for the charts before helm reads them: tables of the contract, schemas, and the charts they depend on."""
