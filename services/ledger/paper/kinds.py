"""What an entry of the fund is called on pages and papers."""

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "donation_received": "收到捐款",
    "donation_reversed": "捐款冲销",
    "donation_refunded": "退还捐款",
    "aid_paid": "发放救助",
    "aid_returned": "救助款退回",
    "aid_reversed": "救助冲销",
    "money_moved": "款项转存",
    "goods_received": "收到物资",
    "goods_delivered": "发放物资",
    "goods_written_off": "核销物资",
    "goods_sold": "变卖物资",
    "market_proceeds": "集市义卖所得",
}
"""What an entry's kind is called; another is shown as it is written."""
