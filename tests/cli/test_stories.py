"""The stories beside the orders: whom they are told of, so that no two of them need the same person in two states."""

import pytest

from cli.seed.community import generate
from cli.seed.plan import WITH_STORIES, regular_helpers
from cli.seed.team_stories import PATROL, codes, members_of
from servicekit.reference import reference


@pytest.fixture(scope="module", params=["small", "full"])
def community(request):
    return generate(request.param)


def test_a_full_year_has_every_team_of_the_community_and_a_small_one_some(community):
    chosen = codes(community)
    assert len(chosen) == len(set(chosen)) == (4 if community.scale == "small" else 18)
    assert set(chosen) <= set(reference().team_codes)
    assert chosen[0] == PATROL


def test_teams_share_nobody_and_can_be_registered(community):
    everybody = [helper for number in range(len(codes(community))) for helper in members_of(community, number)]
    keys = [helper.person.person_key for helper in everybody]
    assert len(keys) == len(set(keys))
    assert all(helper.person.age >= 18 for helper in everybody if helper not in regular_helpers(community))
    assert all(len(members_of(community, number)) >= 3 for number in range(len(codes(community))))


def test_whoever_is_to_get_a_star_is_led_by_somebody_else(community):
    leader, *members = members_of(community, 0)
    regular = regular_helpers(community)
    assert regular
    assert set(regular) <= set(members)
    assert leader not in regular


def test_nobody_of_a_team_is_suspended_or_moves_away_meanwhile(community):
    gone = community.helpers[:WITH_STORIES]
    for number in range(len(codes(community))):
        assert not set(gone) & set(members_of(community, number))
