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
}
