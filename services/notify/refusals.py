"""What a refusal says to people: reason_code → (HTTP status, Chinese, English). Facts fill the braces."""

REFUSALS: dict[str, tuple[int, str, str]] = {
    "person_erased": (409, "这个人的信息已删除。", "This person's data was erased."),
    "address_required": (422, "写上电话号码。", "The channel {channel} needs an address."),
    "address_not_taken": (422, "这种方式不用写号码。", "The channel {channel} takes no address."),
    "person_not_taken": (
        422,
        "只有捐款和救助的联系方式要写明是谁的。",
        "Only the contact of a gift or a case says whose it is.",
    ),
    "person_required": (422, "写明这个号码是谁的。", "The contact of a case says whose it is."),
    "contact_unknown": (404, "没有登记过这种联系方式。", "No contact on the channel {channel} is set."),
    "notice_unknown": (404, "没有这条通知。", "There is no such notice."),
    "notice_ended": (409, "这件事已经有结果了。", "The notice is {state}; that is final."),
    "not_on_phone_list": (409, "这条通知不用打电话。", "This notice is not on the phone list."),
    "call_not_due": (409, "还没到打电话的时候。", "The call is due at {not_before}."),
    "webhook_unknown": (404, "没有登记过这个推送地址。", "There is no such webhook."),
    "webhook_known": (409, "这个推送地址已经登记过。", "This webhook is registered."),
    "webhook_disabled": (409, "这个推送地址已经停用。", "This webhook is disabled already."),
    "webhooks_full": (
        409,
        "推送地址已有 {most} 个在用，先停用一个。上限见规则 webhooks_max。",
        "{most} webhooks are enabled, which is the most: disable one first. The limit is webhooks_max of the policy.",
    ),
    "webhooks_moved": (
        409,
        "刚有别的推送地址启用，再试一次。",
        "Other webhooks were enabled at the same moment; try again.",
    ),
    "webhook_enabled": (409, "这个推送地址正在用。", "This webhook is enabled already."),
    "event_unknown": (422, "没有这种事件可以推送：{event}。", "There is no such event to send: {event}."),
    "event_internal": (
        422,
        "这种事件不出社区：{event}。",
        "{event} is internal: it never leaves the community.",
    ),
    "start_unused": (422, "没有要 {log} 的事件，不用写从哪里开始。", "No event of {log} is asked for."),
    "position_beyond_log": (
        422,
        "{log} 还没有到这一号，现在是 {heard}。",
        "{log} has no such position so far: it is at {heard}.",
    ),
    "url_refused": (422, "这个地址不能用来推送。", "Nothing is sent to such an address: {why}."),
}
CONSTRAINTS: dict[str, str] = {"webhooks_one_a_place": "webhooks_moved"}
"""Read-model constraint → reason_code: what two racing commands meet that each saw nothing wrong."""
