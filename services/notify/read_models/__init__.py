"""The tables people read: notices and contacts; and copies of roles, proxies, gifts and orders' states."""
