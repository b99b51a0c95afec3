"""What the ledger prints for donors: a receipt that proves itself, never in place of the charity's own (捐赠票据)."""
