"""What may be asked of orders: bodies that people send (`…Ask`), and complete commands that the deciders judge."""
