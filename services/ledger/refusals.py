"""What a refusal says to people: reason_code → (HTTP status, Chinese, English). Facts fill the braces."""

REFUSALS: dict[str, tuple[int, str, str]] = {
    # gifts
    "donation_unknown": (404, "没有这笔捐赠。", "There is no such gift."),
    "pledged_already": (409, "这笔捐赠已经登记过了。", "The gift is recorded already."),
    "received_already": (409, "这笔捐赠已经收过款了。", "The gift is {state}; its money was taken in already."),
    "not_received": (409, "还没有收到这笔款。", "The money has not arrived yet."),
    "receipt_settled": (409, "这笔捐赠的票据已经办结。", "The gift is {state}; its receipt is settled."),
    "receipt_no_taken": (409, "这个票据号码已经用过。", "Another gift has this receipt number."),
    "same_hands": (403, "登记、收款和开票要由不同的人办。", "Pledge, money and receipt take different people."),
    "fund_unknown": (422, "没有这个基金。", "There is no fund {fund}."),
    "purpose_unknown": (422, "这个基金没有这个用途。", "The fund {fund} has no purpose {purpose}."),
    "amount_over_cap": (
        422,
        "金额超过上限，由主管的慈善组织直接接收。",
        "The amount is above {amount_fen_max} 分; the host charity takes larger gifts itself.",
    ),
    "counters_equal": (422, "点钞人要是不同的人。", "Each counter is named once."),
    "counter_unknown": (422, "点钞人还没有登记。", "A counter is not registered."),
    "two_counters_required": (
        422,
        "现金较多，要两个人点清。",
        "Cash above {amount_fen_max} 分 is counted by two people.",
    ),
    "day_impossible": (422, "到账日期不对。", "The day must lie from {earliest} to {latest}."),
    "donor_unknown": (422, "捐赠人还没有登记。", "The donor is not registered under this id."),
    "donor_erased": (409, "捐赠人的信息已删除。", "The donor's data was erased."),
    # books
    "account_unknown": (404, "没有这个科目。", "There is no account {account}."),
    "posting_impossible": (409, "科目和单位不相符。", "The account {account} is not kept in this unit."),
    "unbalanced": (409, "借贷不平。", "The entry is out of balance by {difference} {unit}."),
    "entry_unknown": (404, "没有这笔分录。", "There is no such entry."),
    "entry_number_taken": (409, "这个分录号刚被用掉。", "The entry number was just taken."),
    "reversed_already": (409, "这笔分录已经冲销过了。", "The entry is reversed already."),
    "before_original": (422, "冲销日期不能早于原分录。", "A reversal is not effective before its entry."),
    "held_already": (409, "这笔救助的款项已经预留。", "Money is set aside for this case already."),
    "fund_insufficient": (409, "基金余额不足。", "The fund {fund} holds {balance_fen} 分."),
    "position_unknown": (422, "账本还没有到这个位置。", "The ledger has {size} events so far."),
    "two_points_in_time": (422, "位置和时间只能填一个。", "Give as_of_position or as_of_time, not both."),
    # hours, as said in EntryRefused when a racing commit was first
    "overlap": (409, "和另一段服务时间重叠。", "The interval overlaps another posted one."),
    "posted_already": (409, "这次服务已经入账。", "This service is posted already."),
}

CONSTRAINTS: dict[str, str] = {
    "donations_one_receipt_no": "receipt_no_taken",
    "fund_balances_not_negative": "fund_insufficient",
    "fund_pots_cover_what_is_held": "fund_insufficient",
    "holds_one_per_case": "held_already",
    "entries_one_number": "entry_number_taken",
    "entries_one_reversal": "reversed_already",
    "postings_sum_to_nothing": "unbalanced",
    "hours_no_overlap": "overlap",
    "hours_one_per_claim": "posted_already",
    "hours_one_per_assignment": "posted_already",
}
"""Read-model constraint → reason_code: what two racing commands meet that each saw nothing wrong."""
