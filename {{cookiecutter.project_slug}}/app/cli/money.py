"""US dollars as commands print them."""

from decimal import Decimal


def usd(amount: Decimal | None) -> str:
    """Give an amount; small ones with more digits, and one that nobody knows is not zero."""
    if amount is None:
        return "unknown"
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= Decimal("0.1") else f"${amount:,.6f}"
