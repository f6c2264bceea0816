"""The risk manager: every order is checked here, and every fill is booked here."""
